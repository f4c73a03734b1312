"""Step 4: a tunnel on each labelled node, for what only that node can reach."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from oceanid_cluster.components.base import ChildOptions, Component, Context, config_map, secret, service
from oceanid_cluster.components.node_tunnels.settings import (
    CONFIG_MAP,
    FACTS,
    METRICS,
    NAME,
    NAMESPACE,
    SECRET,
    SELECTOR,
    NodeTunnelSettings,
)
from oceanid_cluster.components.remote_config import write_remote_config
from oceanid_cluster.config.cloudflare import CloudflareSettings
from oceanid_cluster.config.ingress import IngressRule
from oceanid_cluster.manifests import cloudflared, labels
from oceanid_cluster.manifests.pods import Manifest, pod_security

# On the host network every other address is open to the LAN, and cloudflared serves pprof and its configuration there.
# The kubelet's probes and `kubectl port-forward` come from the node itself.
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class NodeTunnelArgs:
    """What the node tunnels take.

    ``rules`` are all rules; ``provider`` is Cloudflare's, which only ``manageTunnelConfig`` and
    ``manageNodeTunnelDns`` need.
    """

    settings: NodeTunnelSettings
    cloudflare: CloudflareSettings
    rules: Sequence[IngressRule]
    context: Context
    provider: pulumi.ProviderResource | None = None


class NodeTunnels(Component):
    """Runs cloudflared on the host network of every node labelled ``oceanid.cluster/tunnel-enabled=true``."""

    type_token = FACTS.type_token

    def __init__(self, name: str, args: NodeTunnelArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Outputs: ``namespace``, ``daemonSetName``, ``metricsServiceName``."""
        settings, cloudflare, context = args.settings, args.cloudflare, args.context
        super().__init__(name, context, opts)
        self.namespace = NAMESPACE
        object_labels = labels.workload_labels(context.cluster, "networking", NAME, SELECTOR)
        data = {cloudflared.TOKEN_KEY: settings.token.connector.output()}
        config = {
            cloudflared.CONFIG_KEY: cloudflared.config_file(
                settings.token.tunnel_id,
                args.rules,
                settings.metrics_port,
                cloudflare.protocol,
                LOOPBACK,
                cloudflare.edge_ip_version,
            )
        }
        ns = self.create_namespace("networking", "privileged", NAMESPACE)  # its pods need the host network
        in_ns = ChildOptions(depends_on=[ns])
        credentials = self.create("credentials", secret(SECRET, NAMESPACE, data, object_labels), in_ns)
        settings_map = self.create("config", config_map(CONFIG_MAP, NAMESPACE, config, object_labels), in_ns)
        self.create(
            "daemonset",
            daemon_set(settings, object_labels, context.rollout.checksum(data, config)),
            ChildOptions(depends_on=[credentials, settings_map]),
        )
        metrics = service(METRICS, NAMESPACE, SELECTOR, "metrics", settings.metrics_port, object_labels)
        self.create("metrics", metrics, in_ns)
        if args.provider and cloudflare.manage_config:
            write_remote_config(self, settings.token, args.rules, args.provider)
        if args.provider and settings.manage_dns:
            self._make_dns(settings, args.rules, args.provider)
        self.register_outputs({"namespace": NAMESPACE, "daemonSetName": NAME, "metricsServiceName": METRICS})

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
                comment=f"node tunnel of {self.context.cluster}",
                opts=self.options(ChildOptions(provider=provider)),
            )


def daemon_set(settings: NodeTunnelSettings, object_labels: dict[str, str], rollout: pulumi.Input[str]) -> Manifest:
    """The DaemonSet: on the host network with the cluster's DNS, otherwise as unprivileged as any pod."""
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": object_labels},
        "spec": {
            "selector": {"matchLabels": SELECTOR},
            "template": {
                "metadata": {"labels": object_labels, "annotations": {labels.ROLLOUT: rollout}},
                "spec": {
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    "hostNetwork": True,
                    "dnsPolicy": "ClusterFirstWithHostNet",
                    "terminationGracePeriodSeconds": cloudflared.TERMINATION_SECONDS,
                    **settings.placement.manifest(),
                    "securityContext": pod_security(cloudflared.USER),
                    "containers": [
                        cloudflared.container(settings.image, settings.metrics_port, settings.resources, LOOPBACK)
                    ],
                    "volumes": cloudflared.volumes(CONFIG_MAP, SECRET),
                },
            },
        },
    }
