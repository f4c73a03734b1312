"""Step 4: a tunnel on each labelled node, for what only that node can reach."""

from collections.abc import Sequence

import pulumi

from oceanid_cluster.components.base import Component
from oceanid_cluster.components.connector import ConnectorArgs, create_connector
from oceanid_cluster.components.node_tunnels.settings import FACTS, NAME, NAMES, NAMESPACE, NodeTunnelSettings
from oceanid_cluster.config.ingress import IngressRule
from oceanid_cluster.manifests import labels
from oceanid_cluster.manifests.objects import kubernetes_object
from oceanid_cluster.manifests.pods import Manifest

NodeTunnelArgs = ConnectorArgs[NodeTunnelSettings]


class NodeTunnels(Component):
    """Runs cloudflared on the host network of every node labelled ``oceanid.cluster/tunnel-enabled=true``."""

    type_token, namespace = FACTS.type_token, NAMESPACE

    def __init__(self, name: str, args: NodeTunnelArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Outputs: ``namespace``, ``daemonSetName``, ``metricsServiceName``."""
        settings, context = args.settings, args.context
        super().__init__(name, context, opts)
        self.object_labels = labels.workload_labels(context.cluster.name, "networking", NAME, NAMES.selector)
        ns = self.create_namespace("networking", "privileged")  # its pods need the host network
        template, after = create_connector(self, args, NAMES, settings.image, ns)
        self.create("daemonset", daemon_set(template), after)
        if args.provider and settings.manage_dns:
            self._make_dns(settings, args.rules, args.provider)
        self.register_outputs({"namespace": NAMESPACE, "daemonSetName": NAME, "metricsServiceName": NAMES.metrics})

    def _make_dns(
        self, settings: NodeTunnelSettings, rules: Sequence[IngressRule], provider: pulumi.ProviderResource
    ) -> None:
        import pulumi_cloudflare  # its import is the slowest part of a run

        for hostname in (rule.hostname for rule in rules if rule.hostname):
            pulumi_cloudflare.DnsRecord(
                f"{self.name}-dns-{hostname.replace('*', 'wildcard')}",
                zone_id=settings.zone_id or "",
                name=hostname,
                type="CNAME",
                content=f"{settings.token.tunnel_id}.cfargotunnel.com",
                proxied=True,
                ttl=1,  # "automatic", the only value for a proxied record
                comment=f"node tunnel of {self.context.cluster.name}",
                opts=self.options(pulumi.ResourceOptions(provider=provider)),
            )


def daemon_set(template: Manifest) -> Manifest:
    """The DaemonSet: on the host network with the cluster's DNS, otherwise as unprivileged as any pod."""
    pod = {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}
    spec = {
        "selector": {"matchLabels": NAMES.selector},
        "template": {**template, "spec": {**template["spec"], **pod}},
    }
    return kubernetes_object("apps/v1", "DaemonSet", NAME, spec=spec)
