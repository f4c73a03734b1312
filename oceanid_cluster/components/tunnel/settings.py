"""The Cloudflare Tunnel: its configuration, and what the commands know of it."""

from dataclasses import dataclass

from oceanid_cluster import versions
from oceanid_cluster.components.facts import ComponentSettings, Expected, Facts, Reason
from oceanid_cluster.config import images, parsers
from oceanid_cluster.config.access import parse_audiences, parse_team
from oceanid_cluster.config.ingress import (
    IngressRule,
    Owner,
    api_server_rule,
    check_hostname,
    check_service,
    endpoint,
    parse_rules,
)
from oceanid_cluster.config.parsers import Resources
from oceanid_cluster.config.peers import Peer
from oceanid_cluster.config.schema import key
from oceanid_cluster.config.secret import Secret
from oceanid_cluster.config.tunnel_token import TunnelToken, parse_tunnel_token

NAMESPACE = NAME = "cloudflared"
SELECTOR = {"app.kubernetes.io/name": NAME}
SECRET, CONFIG_MAP, METRICS = "cloudflared-credentials", "cloudflared-config", "cloudflared-metrics"
PODS = Peer(NAMESPACE, SELECTOR)
HINTS: dict[Reason, str] = {
    "probe": 'no connection to Cloudflare\'s edge: docs/runbook.md, "Tunnel down"',
    "crash": 'a bad token, or bad rules: docs/runbook.md, "Tunnel down"',
}
FACTS = Facts(
    name="CloudflareTunnel",
    title="tunnel",
    logical_name="cloudflare",
    type_token="oceanid:core:CloudflareTunnel",
    namespace=NAMESPACE,
    expected=(Expected("Deployment", NAMESPACE, NAME, HINTS),),
    others={
        "Secret": [SECRET],
        "ConfigMap": [CONFIG_MAP],
        "Service": [METRICS],
        "PodDisruptionBudget": [NAME],
        "NetworkPolicy": [NAME],
    },
)
DEFAULT_RESOURCES: Resources = {
    "requests": {"cpu": "200m", "memory": "256Mi"},
    "limits": {"cpu": "500m", "memory": "512Mi"},
}
_NODE_TUNNELS = "enableNodeTunnels"  # which use some of the keys as well


@dataclass(frozen=True)
class TunnelSettings(ComponentSettings):
    """The Cloudflare Tunnel."""

    facts = FACTS

    enabled: bool = key("enableCloudflareTunnel", parsers.boolean, "install the Cloudflare Tunnel", default="true")
    token: TunnelToken = key(
        "cloudflare_tunnel_token", parse_tunnel_token, "token of the Cloudflare Tunnel", secret=True,
        required=True, value="token",
    )  # fmt: skip
    tunnel_id: str | None = key(
        "cloudflare_tunnel_id",
        parsers.text,
        "id of the tunnel; must agree with its token",
        shown_default="from the token",
    )
    account_id: str | None = key(
        "cloudflare_account_id",
        parsers.hexadecimal_id,
        "account of the tunnels; must agree with their tokens",
        shown_default="from the token",
        shared_with=_NODE_TUNNELS,
    )
    hostname: str = key(
        "cloudflare_tunnel_hostname", check_hostname, "host name of the Kubernetes API", default="k3s.{base}"
    )
    kubectl_hostname: str | None = key(
        "cloudflare_kubectl_hostname", check_hostname,
        "second host name of the Kubernetes API, for `cloudflared access tcp`", value="hostname",
    )  # fmt: skip
    service_url: str = key(
        "cloudflare_tunnel_service_url", check_service, "URL of the Kubernetes API",
        default="https://kubernetes.default.svc.{cluster_domain}:443", shared_with=_NODE_TUNNELS,
    )  # fmt: skip
    access_team: str | None = key(
        "cloudflareAccessTeam", parse_team,
        "Access team (`<team>.cloudflareaccess.com`), for cloudflareAccessAudiences",
        value="team", shared_with=_NODE_TUNNELS,
    )  # fmt: skip
    access_audiences: dict[str, str] | None = key(
        "cloudflareAccessAudiences", parse_audiences,
        "audience tags of Access applications, {hostname: tag}: cloudflared rejects requests without an Access token",
        value="json", shared_with=_NODE_TUNNELS,
    )  # fmt: skip
    api_token: Secret | None = key(
        "cloudflare_api_token", parsers.secret(parsers.token),
        "Cloudflare API token for manageTunnelConfig and manageNodeTunnelDns", secret=True,
        value="token", shared_with=_NODE_TUNNELS,
    )  # fmt: skip
    manage_config: bool = key(
        "manageTunnelConfig", parsers.boolean,
        "replace all rules of both tunnels at Cloudflare (needs cloudflare_api_token)",
        default="false", shared_with=_NODE_TUNNELS,
    )  # fmt: skip
    image: str = key(
        "cloudflared_image",
        images.cloudflared_image,
        "image of cloudflared",
        default=versions.image("cloudflared"),
        shared_with=_NODE_TUNNELS,
    )
    protocol: str = key(
        "cloudflareProtocol",
        parsers.choice("auto", "http2", "quic"),
        "protocol to Cloudflare's edge: auto, http2 or quic",
        default="auto",
        shared_with=_NODE_TUNNELS,
    )
    edge_ip_version: str = key(
        "cloudflareEdgeIpVersion", parsers.choice("auto", "4", "6"),
        "IP version to Cloudflare's edge: auto, 4 or 6", default="auto", shared_with=_NODE_TUNNELS,
    )  # fmt: skip
    replicas: int = key("cloudflareTunnelReplicas", parsers.integer(1, 25), "number of cloudflared pods", default="2")
    metrics_port: int = key(
        "metricsPort", parsers.integer(1024, 65535), "port of cloudflared's metrics and probes", default="2000"
    )
    resources: Resources = key(
        "cloudflareTunnelResources", parsers.resources(DEFAULT_RESOURCES), "CPU and memory, merged field by field",
        default="{{}}", shown_default="200m/256Mi, limits 500m/512Mi",
    )  # fmt: skip
    extra_ingress: tuple[IngressRule, ...] = key(
        "extraIngress",
        parse_rules,
        "additional rules: [{hostname, service, path?, noTLSVerify?, originRequest?}]",
        default="[]",
    )

    def tunnel_rules(self, domain: str) -> tuple[IngressRule, ...]:
        """The Kubernetes API's, for requests, and then for kubectl.

        Only a service that is not HTTP is streamed, so that a client certificate passes (cloudflared, proxy/proxy.go).
        """
        del domain  # it is in service_url
        rules: list[IngressRule] = []
        if self.hostname:
            owner = Owner("the Kubernetes API's rule", "cloudflare_tunnel_hostname")
            rules.append(api_server_rule(self.hostname, self.service_url, owner))
        if self.kubectl_hostname and self.api_server:
            owner = Owner("kubectl's rule", "cloudflare_kubectl_hostname")
            rules.append(IngressRule(f"tcp://{self.api_server}", self.kubectl_hostname, owner=owner))
        return tuple(rules)

    @property
    def api_server(self) -> str | None:
        """Host and port of the Kubernetes API; None when ``cloudflare_tunnel_service_url`` names none."""
        found = endpoint(self.service_url)
        if not found:
            return None
        host, port = found
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
