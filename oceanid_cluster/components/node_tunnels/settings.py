"""The tunnels of the nodes: their configuration, and what the commands know of them."""

from dataclasses import dataclass

from oceanid_cluster.components.facts import ComponentSettings, Expected, Facts
from oceanid_cluster.components.tunnel.settings import DEFAULT_RESOURCES, HINTS
from oceanid_cluster.config import images, parsers
from oceanid_cluster.config.ingress import IngressRule, api_server_rule, check_hostname
from oceanid_cluster.config.nodes import PREFIX
from oceanid_cluster.config.parsers import Resources
from oceanid_cluster.config.schema import key
from oceanid_cluster.config.tunnel_token import TunnelToken, parse_tunnel_token
from oceanid_cluster.manifests.cloudflared import Names
from oceanid_cluster.manifests.pods import Placement

# On the host network every other address is open to the LAN, and cloudflared serves pprof and its configuration there.
# The kubelet's probes and `kubectl port-forward` come from the node itself.
NAMES = Names("node-tunnels", "cloudflared-tunnel", "tunnel-credentials", "tunnel-config", "metrics", "127.0.0.1")
NAMESPACE, NAME = NAMES.namespace, NAMES.name
LABEL = "tunnel-enabled"  # of the machines that run it, "true"
_NO_NODE = f'none carries {PREFIX}{LABEL}=true: docs/runbook.md, "Label or replace a node"'
# The GPU's machine is tainted in either way; NVIDIA's own charts tolerate any value of theirs.
_PLACEMENT = Placement(
    {f"{PREFIX}{LABEL}": "true"},
    (
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "workload-type", "operator": "Equal", "value": "gpu-compute", "effect": "NoSchedule"},
    ),
)
FACTS = Facts(
    name="NodeTunnels",
    title="node tunnels",
    logical_name="node-tunnels",
    type_token="oceanid:networking:NodeTunnels",
    namespace=NAMESPACE,
    expected=(Expected("DaemonSet", NAMESPACE, NAME, {**HINTS, "no node": _NO_NODE}),),
    others={"Secret": [NAMES.secret], "ConfigMap": [NAMES.config_map], "Service": [NAMES.metrics]},
)


@dataclass(frozen=True)
class NodeTunnelSettings(ComponentSettings):
    """The per-node tunnels."""

    facts = FACTS

    enabled: bool = key("enableNodeTunnels", parsers.boolean, "install the per-node tunnels", default="true")
    token: TunnelToken = key(
        "cloudflare_node_tunnel_token", parse_tunnel_token, "token of the node tunnel, a second tunnel", secret=True,
        required=True, value="token",
    )  # fmt: skip
    tunnel_id: str | None = key(
        "cloudflare_node_tunnel_id",
        parsers.text,
        "id of the node tunnel; must agree with its token",
        shown_default="from the token",
    )
    base: str = key(
        "cloudflare_node_tunnel_hostname", check_hostname, "base domain of every host name (<base>)",
        default="boathou.se",
    )  # fmt: skip
    zone_id: str | None = key("cloudflare_zone_id", parsers.hexadecimal_id, "zone of <base>, for node DNS")
    manage_dns: bool = key(
        "manageNodeTunnelDns", parsers.boolean,
        "create the DNS records of the node tunnel (needs cloudflare_zone_id and cloudflare_api_token)",
        default="false",
    )  # fmt: skip
    image: str = key(
        "cloudflare_node_tunnel_image", images.cloudflared_image, "image of the node tunnel",
        default="{cloudflared_image}", shown_default="as `cloudflared_image`",
    )  # fmt: skip
    metrics_port: int = key(
        "cloudflare_node_tunnel_metrics_port",
        parsers.node_port,
        "port of the node tunnel's metrics and probes",
        default="2200",
    )
    resources: Resources = key(
        "cloudflare_node_tunnel_resources", parsers.resources(DEFAULT_RESOURCES),
        "CPU and memory, merged field by field", default="{{}}", shown_default="200m/256Mi, limits 500m/512Mi",
    )  # fmt: skip
    expose_kubelet: bool = key(
        "exposeKubelet", parsers.boolean, "publish the kubelet (root on the node) as *.pod.<base>", default="false"
    )

    @property
    def placement(self) -> Placement:
        """Where its pods run: on every machine with the label."""
        return _PLACEMENT


def node_rules(settings: NodeTunnelSettings, service_url: str) -> list[IngressRule]:
    """The rules of the node tunnel, without the last one.

    The kubelet's port gives root on the node, so it is published only on request.
    """
    rules = [
        api_server_rule(f"*.nodes.{settings.base}", service_url),
        IngressRule("http://localhost:8000", f"gpu.{settings.base}"),
    ]
    if settings.expose_kubelet:
        rules.append(IngressRule("tcp://localhost:10250", f"*.pod.{settings.base}"))
    return rules
