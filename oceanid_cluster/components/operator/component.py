"""Step 2: the Pulumi Kubernetes Operator."""

from dataclasses import dataclass
from typing import Any

import pulumi

from oceanid_cluster import versions
from oceanid_cluster.components.base import Component, Context, depends_on, secret
from oceanid_cluster.components.flux.settings import SOURCE_CONTROLLER
from oceanid_cluster.components.operator.confinement import admission_binding, admission_policy
from oceanid_cluster.components.operator.settings import API_SECRET, FACTS, NAMESPACE, RELEASE, OperatorSettings
from oceanid_cluster.config.peers import Peer
from oceanid_cluster.manifests import labels, pods
from oceanid_cluster.manifests.network import ingress_rules, network_policy
from oceanid_cluster.manifests.pods import Manifest, Placement

# The labels that the operator gives to the pods in which it runs programs.
WORKSPACE = {
    "app.kubernetes.io/managed-by": "pulumi-kubernetes-operator",
    "app.kubernetes.io/name": "pulumi",
    "app.kubernetes.io/component": "workspace",
}


@dataclass(frozen=True)
class OperatorArgs:
    """What the operator takes. ``with_flux``: Flux is installed, and workspaces may fetch what it read from Git."""

    settings: OperatorSettings
    context: Context
    with_flux: bool


class PulumiOperator(Component):
    """Installs the operator as a Helm release, with its Pulumi Cloud token when there is one."""

    type_token, namespace = FACTS.type_token, NAMESPACE

    def __init__(self, name: str, args: OperatorArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Outputs: ``namespace``, and ``secretName`` (None without a token)."""
        settings, context = args.settings, args.context
        super().__init__(name, context, opts)
        self.object_labels = labels.workload_labels(context.cluster.name, "operator", RELEASE, {})
        ns = self.create_namespace("operator", "restricted")
        before: list[pulumi.Resource] = [ns]
        if settings.access_token:
            data = {"accessToken": settings.access_token.output()}
            before.append(self.create("api-secret", secret(API_SECRET, data), depends_on(ns)))
        if settings.confined:  # before the operator runs
            policy = self.create("admission", admission_policy(), depends_on(ns))
            before.append(self.create("admission-binding", admission_binding(), depends_on(policy)))
        if args.with_flux:
            self.create("flux-artifacts", artifact_policy())
        chart = versions.Chart(settings.chart, None, settings.chart_version)
        self.helm_release(RELEASE, chart, chart_values(context.placement), depends_on(*before))
        self.register_outputs({"namespace": NAMESPACE, "secretName": API_SECRET if settings.access_token else None})


def artifact_policy() -> Manifest:
    """Lets the operator's workspaces fetch from source-controller, which Flux's own policies forbid.

    Named and shaped as in the operator's documentation ("Pulumi Kubernetes Operator 2.0", Flux integration), for the
    namespace in which Stacks find the operator's token.
    """
    ingress = ingress_rules([Peer(NAMESPACE, WORKSPACE).manifest()], "http")
    name, server = "allow-pulumi-fetch-flux-artifacts", SOURCE_CONTROLLER
    return network_policy(name, server.pods, ingress, ns=server.namespace)


def chart_values(placement: Placement) -> dict[str, Any]:
    """Values of the operator's chart."""
    user = 65532
    return {
        "replicaCount": 1,
        "resources": {
            "requests": {"cpu": "100m", "memory": "128Mi"},
            "limits": {"cpu": "500m", "memory": "512Mi"},
        },
        **placement.manifest(),
        "podSecurityContext": pods.pod_security(user),
        # The operator unpacks programs into its own file system.
        "securityContext": {**pods.container_security(), "readOnlyRootFilesystem": False},
    }
