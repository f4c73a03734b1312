"""Step 2: the Pulumi Kubernetes Operator."""

from typing import Any

import pulumi
from pulumi_kubernetes.helm.v3 import Release

from oceanid_cluster import labels
from oceanid_cluster.components.base import Child, Component, Context, secret
from oceanid_cluster.config import OperatorSettings
from oceanid_cluster.pods import NOT_ON_GPU_NODES, container_security, pod_security

NAMESPACE = "pulumi-system"
API_SECRET = "pulumi-api-secret"
RELEASE = "pulumi-kubernetes-operator"


class PulumiOperator(Component):
    """Installs the operator as a Helm release, with its Pulumi Cloud token when there is one."""

    token = "oceanid:pko:PulumiOperator"

    def __init__(
        self, name: str, settings: OperatorSettings, context: Context, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Outputs: ``namespace``, and ``secretName`` (None without a token)."""
        super().__init__(name, context, opts)
        self.namespace = NAMESPACE
        ns = self.make_namespace("operator", "restricted", NAMESPACE)
        after: list[pulumi.Resource] = [ns]
        if settings.access_token:
            object_labels = labels.workload_labels(context.cluster, "operator", RELEASE, {})
            data = {"accessToken": settings.access_token.output()}
            after.append(self.make("api-secret", secret(API_SECRET, NAMESPACE, data, object_labels), Child(after=[ns])))
        Release(
            f"{name}-helm",
            name=RELEASE,
            namespace=NAMESPACE,
            chart=settings.chart,
            version=settings.chart_version if settings.chart.startswith("oci://") else None,
            values=chart_values(),
            timeout=context.timeout_minutes * 60,
            max_history=10,
            opts=self.options(Child(after=after)),
        )
        self.register_outputs({"namespace": NAMESPACE, "secretName": API_SECRET if settings.access_token else None})


def chart_values() -> dict[str, Any]:
    """Values of the chart. Helm ignores a key that the chart does not have: a test holds these against its values."""
    user = 65532
    return {
        "replicaCount": 1,
        "resources": {
            "requests": {"cpu": "100m", "memory": "128Mi"},
            "limits": {"cpu": "500m", "memory": "512Mi"},
        },
        "affinity": NOT_ON_GPU_NODES,
        "podSecurityContext": pod_security(user),
        # The operator unpacks programs into its own file system.
        "securityContext": {**container_security(), "readOnlyRootFilesystem": False},
    }
