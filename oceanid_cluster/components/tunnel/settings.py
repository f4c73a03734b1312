"""The Cloudflare Tunnel: its own configuration, and what the commands know of it."""

from dataclasses import dataclass

from oceanid_cluster.components.facts import ComponentSettings, Expected, Facts, Reason
from oceanid_cluster.config import parsers
from oceanid_cluster.config.cloudflare import CloudflareSettings
from oceanid_cluster.config.ingress import IngressRule, Owner, api_server_rule, check_hostname, parse_rules
from oceanid_cluster.config.parsers import Resources
from oceanid_cluster.config.peers import Peer
from oceanid_cluster.config.schema import key
from oceanid_cluster.config.tunnel_token import TunnelToken, parse_tunnel_token
from oceanid_cluster.manifests.cloudflared import Names

NAMES = Names("cloudflared", "cloudflared", "cloudflared-credentials", "cloudflared-config", "svc")
NAMESPACE, NAME = NAMES.namespace, NAMES.name
PODS = Peer(NAMESPACE, NAMES.selector)
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
        "Secret": [NAMES.secret],
        "ConfigMap": [NAMES.config_map],
        "Service": [NAMES.metrics],
        "PodDisruptionBudget": [NAME],
        "NetworkPolicy": [NAME],
    },
)
DEFAULT_RESOURCES: Resources = {
    "requests": {"cpu": "200m", "memory": "256Mi"},
    "limits": {"cpu": "500m", "memory": "512Mi"},
}


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
    hostname: str = key(
        "cloudflare_tunnel_hostname", check_hostname, "host name of the Kubernetes API", default="k3s.{base}"
    )
    kubectl_hostname: str | None = key(
        "cloudflare_kubectl_hostname", check_hostname,
        "second host name of the Kubernetes API, for `cloudflared access tcp`", value="hostname",
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


def api_rules(settings: TunnelSettings, cloudflare: CloudflareSettings) -> list[IngressRule]:
    """The rules for the Kubernetes API, for requests, and then for kubectl.

    Only a service that is not HTTP is streamed, so that a client certificate passes (cloudflared, proxy/proxy.go).
    """
    rules: list[IngressRule] = []
    if settings.hostname:
        owner = Owner("the Kubernetes API's rule", "cloudflare_tunnel_hostname")
        rules.append(api_server_rule(settings.hostname, cloudflare.service_url, owner))
    if settings.kubectl_hostname and cloudflare.api_server:
        owner = Owner("kubectl's rule", "cloudflare_kubectl_hostname")
        rules.append(IngressRule(f"tcp://{cloudflare.api_server}", settings.kubectl_hostname, owner=owner))
    return rules
