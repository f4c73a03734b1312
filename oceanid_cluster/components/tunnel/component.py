"""Step 3: the Cloudflare Tunnel, through which the Kubernetes API and the applications are reached."""

import pulumi

from oceanid_cluster.components.base import Component, depends_on
from oceanid_cluster.components.connector import ConnectorArgs, create_connector
from oceanid_cluster.components.tunnel.network import access
from oceanid_cluster.components.tunnel.settings import FACTS, NAME, NAMES, NAMESPACE, TunnelSettings
from oceanid_cluster.manifests import labels
from oceanid_cluster.manifests.objects import kubernetes_object
from oceanid_cluster.manifests.pods import Manifest

TunnelArgs = ConnectorArgs[TunnelSettings]


class CloudflareTunnel(Component):
    """Runs cloudflared with one list of rules, written to its file and, with ``manageTunnelConfig``, to Cloudflare."""

    type_token, namespace = FACTS.type_token, NAMESPACE

    def __init__(self, name: str, args: TunnelArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Outputs: ``namespace``, ``hostname``, ``deploymentName``, ``metricsServiceName``."""
        settings, cloudflare, context = args.settings, args.cloudflare, args.context
        super().__init__(name, context, opts)
        self.hostname = settings.hostname
        self.object_labels = labels.workload_labels(context.cluster.name, "networking", NAME, NAMES.selector)
        ns = self.create_namespace("networking", "restricted")
        in_ns = depends_on(ns)
        template, after = create_connector(self, args, NAMES, cloudflare.image, ns)
        self.create("pdb", disruption_budget(), in_ns)
        policy = access(settings.metrics_port, args.rules, context.cluster.domain, sole_rules=cloudflare.manage_config)
        self.create("network", policy, in_ns)
        self.create("deployment", deployment(settings.replicas, template), after)
        self.register_outputs(
            {
                "namespace": NAMESPACE,
                "hostname": settings.hostname,
                "deploymentName": NAME,
                "metricsServiceName": NAMES.metrics,
            }
        )


def disruption_budget() -> Manifest:
    """Draining a node takes one pod at a time."""
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": NAMES.selector}}
    return kubernetes_object("policy/v1", "PodDisruptionBudget", NAME, spec=spec)


def deployment(replicas: int, template: Manifest) -> Manifest:
    """The Deployment: spread over nodes, replaced one by one, never all gone."""
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": NAMES.selector},
    }
    pod = {"priorityClassName": "system-cluster-critical", "topologySpreadConstraints": [spread]}
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": NAMES.selector},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "template": {**template, "spec": {**template["spec"], **pod}},
    }
    return kubernetes_object("apps/v1", "Deployment", NAME, spec=spec)
