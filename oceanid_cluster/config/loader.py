"""Everything that can be configured: the table of keys, by component, and the table of nodes.

A row here is a row of docs/configuration.md. ``load`` checks the whole configuration before anything is registered.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import pulumi

from oceanid_cluster import versions
from oceanid_cluster.components.flux.settings import FluxSettings, check_flux
from oceanid_cluster.config import parsers
from oceanid_cluster.config.ingress import (
    IngressRule,
    check_hostname,
    check_service,
    dead_rules,
    parse_rules,
    rule_name,
)
from oceanid_cluster.config.kubeconfig_path import parse_path
from oceanid_cluster.config.nodes import Node, parse_nodes
from oceanid_cluster.config.parsers import Resources
from oceanid_cluster.config.peers import Peer, parse_peers
from oceanid_cluster.config.postgres import PostgresUrl, parse_postgres_url
from oceanid_cluster.config.schema import ALWAYS, ConfigErrors, Key, Reader, key, keys_of
from oceanid_cluster.config.secret import Secret
from oceanid_cluster.config.tunnel_token import TunnelToken, parse_tunnel_token

PROJECT = "oceanid-cluster"
PHASES = ("preparation", "parallel-validation", "cutover", "cleanup")
DEFAULT_NER_LABELS = '["O","VESSEL","HS_CODE","PORT","COMMODITY","IMO","FLAG","RISK_LEVEL","DATE"]'

_TUNNEL_RESOURCES: Resources = {
    "requests": {"cpu": "200m", "memory": "256Mi"},
    "limits": {"cpu": "500m", "memory": "512Mi"},
}
_LABEL_STUDIO_RESOURCES: Resources = {
    "requests": {"cpu": "250m", "memory": "1Gi"},
    "limits": {"cpu": "2", "memory": "2Gi"},
}


# The machines of Oceanid; their addresses are keys of their own, and the key `nodes` replaces the whole table.
# Edit a label here and run `pulumi up`: that label changes, and nothing else.
NODES = (
    Node("tethys", "srv712429", None, {"node": "tethys", "provider": "hostinger", "control-plane": "primary"}),
    Node("styx", "srv712695", None, {"node": "styx", "provider": "hostinger", "control-plane": "secondary"}),
    Node(
        "calypso", "calypso", None, {"node": "calypso", "provider": "local", "gpu": "rtx4090", "tunnel-enabled": "true"}
    ),
)


@dataclass(frozen=True)
class Enabled:
    """Which components this run installs."""

    flux: bool = key("enableFluxBootstrap", parsers.boolean, "install Flux", default="true")
    operator: bool = key(
        "enablePulumiOperator", parsers.boolean, "install the Pulumi Kubernetes Operator", default="true"
    )
    tunnel: bool = key("enableCloudflareTunnel", parsers.boolean, "install the Cloudflare Tunnel", default="true")
    node_tunnels: bool = key("enableNodeTunnels", parsers.boolean, "install the per-node tunnels", default="true")
    image_automation: bool = key(
        "enableImageAutomation", parsers.boolean, "install Flux image automation (needs Flux)", default="true"
    )
    label_studio: bool = key("enableLabelStudio", parsers.boolean, "install Label Studio", default="true")
    adapter: bool = key("enableTritonAdapter", parsers.boolean, "install the Triton adapter", default="true")

    @property
    def any_tunnel(self) -> bool:
        """Whether cloudflared runs at all."""
        return self.tunnel or self.node_tunnels


@dataclass(frozen=True)
class ClusterSettings:
    """Which cluster, how it is reached, and what holds for every component."""

    kubeconfig_path: str | None = key("kubeconfigPath", parse_path, "kubeconfig file; else the variable KUBECONFIG")
    kube_context: str | None = key("kubeContext", parsers.text, "context of the kubeconfig; else its current context")
    allowed_api_hosts: tuple[str, ...] = key(
        "allowedApiHosts", parsers.host_list, "further hosts at which the API server may answer", default="[]"
    )
    adopt_existing: bool = key(
        "adoptExisting",
        parsers.boolean,
        "adopt objects that are already in the cluster (the provider's `upsertExistingObjects`)",
        default="false",
    )
    name: str = key(
        "clusterName", parsers.label_value,
        "label and identity of the cluster; another one means another cluster: never change it",
        default="oceanid-{stack}",
    )  # fmt: skip
    tethys_ip: str = key(
        "tethysIp", parsers.ip_address, "IP address of tethys, the first control plane", needed_by=ALWAYS, value="ip"
    )
    styx_ip: str = key(
        "styxIp", parsers.ip_address, "IP address of styx, the second control plane", needed_by=ALWAYS, value="ip"
    )
    calypso_ip: str = key(
        "calypsoIp", parsers.ip_address, "IP address of calypso, the GPU worker (no API server answers there)",
        default="192.168.2.80",
    )  # fmt: skip
    domain: str = key(
        "clusterDomain", parsers.domain, "domain of the cluster (`--cluster-domain` of K3s)", default="cluster.local"
    )
    nodes: tuple[Node, ...] = key(
        "nodes", parse_nodes,
        "machines of another cluster: [{name, host, address, labels?}]; then the three addresses above are not needed",
        shown_default="tethys, styx, calypso",
    )  # fmt: skip
    uid: str | None = key(
        "clusterUid", parsers.uid, "UID of namespace kube-system; a cluster with another one is refused"
    )
    manage_node_labels: bool = key(
        "manageNodeLabels", parsers.boolean, "set the oceanid.cluster/* labels of the nodes", default="true"
    )
    ready_timeout_minutes: int = key(
        "readyTimeoutMinutes", parsers.integer(1, 60), "minutes that a workload may take to get ready", default="5"
    )
    migration_phase: str = key(
        "migration_phase", parsers.choice(*PHASES), f"phase shown by migrationStatus: {', '.join(PHASES)}",
        default="preparation",
    )  # fmt: skip


_WHICH_CLUSTER = (
    "kubeconfig_path", "kube_context", "allowed_api_hosts", "tethys_ip", "styx_ip", "calypso_ip", "nodes", "uid",
    "manage_node_labels",
)  # fmt: skip


@dataclass(frozen=True)
class OperatorSettings:
    """The Pulumi Kubernetes Operator."""

    access_token: Secret | None = key(
        "pulumi_access_token", parsers.secret(parsers.token), "the operator's Pulumi Cloud token", secret=True,
        old=("pulumi.access_token",), value="token",
    )  # fmt: skip
    chart: str = key(
        "pulumiOperatorChart", parsers.text, "chart of the operator: OCI reference or local path",
        default=versions.chart("pulumi-kubernetes-operator").chart,
    )  # fmt: skip
    chart_version: str = key(
        "pulumiOperatorChartVersion", parsers.chart_version, "version of the operator's chart",
        default=versions.chart("pulumi-kubernetes-operator").version,
    )  # fmt: skip


@dataclass(frozen=True)
class TunnelSettings:
    """The Cloudflare Tunnel."""

    token: TunnelToken = key(
        "cloudflare_tunnel_token", parse_tunnel_token, "token of the Cloudflare Tunnel", secret=True,
        needed_by="enableCloudflareTunnel", value="token",
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
    )
    hostname: str = key(
        "cloudflare_tunnel_hostname", check_hostname, "host name of the Kubernetes API", default="k3s.{base}"
    )
    service_url: str = key(
        "cloudflare_tunnel_service_url", check_service, "where the Kubernetes API answers",
        default="https://kubernetes.default.svc.{cluster_domain}:443",
    )  # fmt: skip
    api_token: Secret | None = key(
        "cloudflare_api_token", parsers.secret(parsers.token),
        "Cloudflare API token, for manageTunnelConfig and manageNodeTunnelDns; alone it changes nothing", secret=True,
        value="token",
    )  # fmt: skip
    manage_config: bool = key(
        "manageTunnelConfig", parsers.boolean,
        "write the rules of both tunnels to Cloudflare, in place of all that is set there (needs cloudflare_api_token)",
        default="false",
    )  # fmt: skip
    image: str = key(
        "cloudflared_image", parsers.cloudflared_image, "image of cloudflared", default=versions.image("cloudflared")
    )
    protocol: str = key(
        "cloudflareProtocol",
        parsers.choice("auto", "http2", "quic"),
        "protocol to Cloudflare's edge: auto, http2 or quic",
        default="auto",
    )
    edge_ip_version: str = key(
        "cloudflareEdgeIpVersion", parsers.choice("auto", "4", "6"),
        "addresses of Cloudflare's edge: auto, 4 or 6 (nodes without IPv4)", default="auto",
    )  # fmt: skip
    replicas: int = key("cloudflareTunnelReplicas", parsers.integer(1, 25), "number of cloudflared pods", default="2")
    metrics_port: int = key(
        "metricsPort", parsers.integer(1024, 65535), "port of cloudflared's metrics and probes", default="2000"
    )
    resources: Resources = key(
        "cloudflareTunnelResources", parsers.resources(_TUNNEL_RESOURCES), "CPU and memory, merged field by field",
        default="{{}}", shown_default="200m/256Mi, limits 500m/512Mi",
    )  # fmt: skip
    extra_ingress: tuple[IngressRule, ...] = key(
        "extraIngress",
        parse_rules,
        "further rules: [{hostname, service, path?, noTLSVerify?, originRequest?}]",
        default="[]",
    )


@dataclass(frozen=True)
class NodeTunnelSettings:
    """The per-node tunnels."""

    token: TunnelToken = key(
        "cloudflare_node_tunnel_token", parse_tunnel_token, "token of the node tunnel (another tunnel)", secret=True,
        needed_by="enableNodeTunnels", value="token",
    )  # fmt: skip
    tunnel_id: str | None = key(
        "cloudflare_node_tunnel_id",
        parsers.text,
        "id of the node tunnel; must agree with its token",
        shown_default="from the token",
    )
    base: str = key(
        "cloudflare_node_tunnel_hostname", check_hostname, "the base domain of every host name (<base>)",
        default="boathou.se",
    )  # fmt: skip
    zone_id: str | None = key("cloudflare_zone_id", parsers.hexadecimal_id, "zone of <base>, for node DNS")
    manage_dns: bool = key(
        "manageNodeTunnelDns", parsers.boolean,
        "make the DNS records of the node tunnel here (needs cloudflare_zone_id and cloudflare_api_token)",
        default="false",
    )  # fmt: skip
    image: str = key(
        "cloudflare_node_tunnel_image", parsers.cloudflared_image, "image of the node tunnel",
        default="{cloudflared_image}", shown_default="as `cloudflared_image`",
    )  # fmt: skip
    metrics_port: int = key(
        "cloudflare_node_tunnel_metrics_port",
        parsers.integer(1024, 65535),
        "port of the node tunnel's metrics and probes",
        default="2200",
    )
    resources: Resources = key(
        "cloudflare_node_tunnel_resources", parsers.resources(_TUNNEL_RESOURCES),
        "CPU and memory, merged field by field", default="{{}}", shown_default="200m/256Mi, limits 500m/512Mi",
    )  # fmt: skip
    expose_kubelet: bool = key(
        "exposeKubelet", parsers.boolean, "publish the kubelet (root on the node) as *.pod.<base>", default="false"
    )


@dataclass(frozen=True)
class ImageAutomationSettings:
    """Flux image automation."""

    author_name: str = key(
        "imageUpdateAuthorName", parsers.text, "author of the commits that update images", default="Flux Bot"
    )
    author_email: str = key(
        "imageUpdateAuthorEmail", parsers.email, "e-mail address of that author", default="flux@boathou.se"
    )
    push_branch: str = key(
        "imageUpdateBranch", parsers.git_branch, "branch that image updates are pushed to", default="flux-image-updates"
    )
    path: str = key(
        "imageUpdatePath", parsers.repository_path, "folder in which images are updated", default="./clusters/tethys"
    )


@dataclass(frozen=True)
class LabelStudioSettings:
    """Label Studio."""

    database: PostgresUrl = key(
        "postgres_url", parse_postgres_url, "database of Label Studio (from the cloud stack)", secret=True,
        old=("labelStudioDbUrl",), needed_by="enableLabelStudio", value="url",
    )  # fmt: skip
    hostname: str = key(
        "labelStudioHostname", check_hostname, "public host name of Label Studio", default="label.{base}"
    )
    image: str = key("labelStudioImage", parsers.image, "image of Label Studio", default=versions.image("label-studio"))
    storage: str = key(
        "labelStudioStorage", parsers.quantity, "size of Label Studio's volume when made; later changes do nothing",
        default="10Gi",
    )  # fmt: skip
    storage_class: str | None = key(
        "labelStudioStorageClass", parsers.text,
        "storage class of Label Studio's volume when made; later changes do nothing",
        shown_default="the cluster's default",
    )  # fmt: skip
    node_selector: dict[str, str] = key(
        "labelStudioNodeSelector", parsers.label_map,
        "nodes that may run Label Studio: `name=value,…` or a JSON object; without it, any node that has no GPU",
        default="{{}}",
    )  # fmt: skip
    resources: Resources = key(
        "labelStudioResources", parsers.resources(_LABEL_STUDIO_RESOURCES), "CPU and memory, merged field by field",
        default="{{}}", shown_default="250m/1Gi, limits 2/2Gi",
    )  # fmt: skip
    admin_email: str = key(
        "labelStudioAdminEmail",
        parsers.email,
        "first user of Label Studio, made at its first start",
        default="admin@{base}",
    )
    admin_password: Secret | None = key(
        "labelStudioAdminPassword", parsers.secret(parsers.text),
        "password of Label Studio's first user, read at its first start", secret=True,
        shown_default="generated once", value="password",
    )  # fmt: skip
    secret_key: Secret | None = key(
        "labelStudioSecretKey", parsers.secret(parsers.text), "Label Studio's SECRET_KEY, which signs its sessions",
        secret=True, shown_default="generated once", value="key",
    )  # fmt: skip
    ingress_from: tuple[Peer, ...] = key(
        "labelStudioIngressFrom", parse_peers,
        "pods that may reach Label Studio, beside the tunnel's: [{namespace, labels?}]", default="[]",
    )  # fmt: skip
    s3_access_key_id: Secret | None = key(
        "aws.labelStudio.accessKeyId", parsers.secret(parsers.token),
        "uploads in S3: access key id, if both keys are set", secret=True, value="id",
    )  # fmt: skip
    s3_secret_access_key: Secret | None = key(
        "aws.labelStudio.secretAccessKey",
        parsers.secret(parsers.token),
        "uploads in S3: secret access key",
        secret=True,
        value="key",
    )
    s3_bucket: str = key(
        "aws.labelStudio.bucketName", parsers.text, "uploads in S3: bucket", default="labelstudio-goldfish-uploads"
    )
    s3_region: str = key("aws.labelStudio.region", parsers.text, "uploads in S3: region", default="us-east-1")


@dataclass(frozen=True)
class AdapterSettings:
    """The Triton adapter and the training Jobs that it starts."""

    triton_base_url: str = key(
        "tritonBaseUrl", parsers.http_url, "address of Triton", default="https://gpu.{base}", value="url"
    )
    image_name: str = key(
        "adapterImage", parsers.image_repository,
        "image of the adapter; its own tag or digest wins over adapterImageTag",
        default=versions.image("ls-triton-adapter").rpartition(":")[0],
    )  # fmt: skip
    image_tag: str = key(
        "adapterImageTag",
        parsers.image_tag,
        "tag of the adapter's image",
        default=versions.image("ls-triton-adapter").rpartition(":")[2],
    )
    training_image_name: str = key(
        "trainingWorkerImage", parsers.image_repository, "image of training Jobs",
        default=versions.image("training-worker").rpartition(":")[0],
    )  # fmt: skip
    training_image_tag: str = key(
        "trainingWorkerImageTag",
        parsers.image_tag,
        "tag of the training image",
        default=versions.image("training-worker").rpartition(":")[2],
    )
    train_async: bool = key("trainAsync", parsers.boolean, "answer before a training ends", default="true")
    train_dry_run: bool = key("trainDryRun", parsers.boolean, "start no training Job", default="false")
    training_job_ttl_seconds: int = key(
        "trainingJobTtlSeconds", parsers.integer(0, 604800), "seconds that an ended Job is kept", default="3600"
    )
    training_node_selector: str = key(
        "trainingNodeSelector", parsers.label_selector, "nodes of training Jobs: `name=value,…` or a JSON object",
        default="kubernetes.io/hostname=calypso",
    )  # fmt: skip
    training_gpu_resource: str = key(
        "trainingGpuResource", parsers.resource_name, "GPU resource of training Jobs", default="nvidia.com/gpu"
    )
    training_gpu_count: int = key("trainingGpuCount", parsers.integer(0, 16), "GPUs of a training Job", default="1")
    triton_model_name: str = key("tritonModelName", parsers.text, "model in Triton", default="ner-distilbert")
    hf_dataset_repo: str = key(
        "hfDatasetRepo", parsers.text, "Hugging Face data set", default="goldfish-inc/oceanid-annotations"
    )
    hf_model_repo: str = key(
        "hfModelRepo", parsers.text, "Hugging Face model", default="goldfish-inc/oceanid-ner-distilbert"
    )
    hf_access_token: Secret | None = key(
        "hfAccessToken", parsers.secret(parsers.token), "Hugging Face token", secret=True, value="token"
    )
    ner_labels: Secret = key(
        "nerLabels", parsers.secret(parsers.ner_labels), "entity labels of the adapter, a JSON list", secret=True,
        default=DEFAULT_NER_LABELS, shown_default="nine labels", value="json",
    )  # fmt: skip
    access_client_id: Secret | None = key(
        "cfAccessClientId",
        parsers.secret(parsers.token),
        "Cloudflare Access service token: id",
        secret=True,
        value="id",
    )
    access_client_secret: Secret | None = key(
        "cfAccessClientSecret", parsers.secret(parsers.token), "Cloudflare Access service token: secret", secret=True,
        value="secret",
    )  # fmt: skip
    sentry_dsn: Secret | None = key(
        "sentry.dsn", parsers.secret(parsers.text), "Sentry address", secret=True, value="dsn"
    )
    sentry_environment: str = key("sentry.environment", parsers.text, "Sentry environment", default="{stack}")
    sentry_release: str | None = key("sentry.release", parsers.text, "Sentry release")
    ingress_from: tuple[Peer, ...] = key(
        "adapterIngressFrom", parse_peers,
        "pods that may reach the adapter, beside Label Studio's: [{namespace, labels?}]", default="[]",
    )  # fmt: skip
    ghcr_username: str | None = key("ghcrUsername", parsers.text, "user of ghcr.io, for the pull secret ghcr-creds")
    ghcr_token: Secret | None = key(
        "ghcrToken",
        parsers.secret(parsers.token),
        "token of ghcr.io, for the pull secret ghcr-creds",
        secret=True,
        value="token",
    )

    @property
    def image(self) -> str:
        """The adapter's image with its tag."""
        return self.image_name if parsers.has_tag(self.image_name) else f"{self.image_name}:{self.image_tag}"

    @property
    def training_image(self) -> str:
        """The training worker's image with its tag."""
        name = self.training_image_name
        return name if parsers.has_tag(name) else f"{name}:{self.training_image_tag}"


@dataclass(frozen=True)
class Settings:
    """The whole configuration of one stack, checked."""

    enabled: Enabled
    cluster: ClusterSettings
    flux: FluxSettings
    operator: OperatorSettings
    tunnel: TunnelSettings
    node_tunnels: NodeTunnelSettings
    image_automation: ImageAutomationSettings
    label_studio: LabelStudioSettings
    adapter: AdapterSettings
    warnings: tuple[str, ...]

    @property
    def hostnames(self) -> dict[str, str]:
        """The names under which things answer, for Git to use (ConfigMap flux-runtime-info)."""
        return {
            "BASE_DOMAIN": self.node_tunnels.base,
            "CLUSTER_DOMAIN": self.cluster.domain,
            "KUBERNETES_HOSTNAME": self.tunnel.hostname,
            "LABEL_STUDIO_HOSTNAME": self.label_studio.hostname,
            "GPU_HOSTNAME": f"gpu.{self.node_tunnels.base}",
            "NODES_DOMAIN": f"nodes.{self.node_tunnels.base}",
        }

    @property
    def ingress(self) -> list[IngressRule]:
        """The rules beside the Kubernetes API's: Label Studio, the webhook, then the operator's own."""
        return [*(rule for _, rule in self.own_rules), *(self.tunnel.extra_ingress or ())]

    @property
    def own_rules(self) -> list[tuple[str, IngressRule]]:
        """The rules that components need, each with the key of its host name."""
        rules: list[tuple[str, IngressRule]] = []
        if self.enabled.label_studio and self.label_studio.hostname:
            service = f"http://label-studio.apps.svc.{self.cluster.domain}:8080"
            rules.append(("labelStudioHostname", IngressRule(service, self.label_studio.hostname)))
        if self.enabled.flux and self.flux.webhook_hostname:
            service = f"http://webhook-receiver.flux-system.svc.{self.cluster.domain}:80"
            rules.append(("flux.webhook_hostname", IngressRule(service, self.flux.webhook_hostname, "^/hook/")))
        return rules

    @property
    def label_studio_callers(self) -> list[Peer]:
        """The pods that may reach Label Studio: the tunnel's while it is on, then the operator's own."""
        tunnel = [Peer("cloudflared", {"app.kubernetes.io/name": "cloudflared"})] if self.enabled.tunnel else []
        return [*tunnel, *(self.label_studio.ingress_from or ())]


S = TypeVar("S")
# Keys of the tunnel that the node tunnels use as well.
_OF_BOTH_TUNNELS = {
    "cloudflare_account_id", "cloudflare_tunnel_service_url", "cloudflare_api_token", "cloudflared_image",
    "cloudflareProtocol", "cloudflareEdgeIpVersion", "manageTunnelConfig",
}  # fmt: skip
SECTIONS: tuple[type, ...] = (
    ClusterSettings, Enabled, FluxSettings, OperatorSettings, TunnelSettings, NodeTunnelSettings,
    ImageAutomationSettings, LabelStudioSettings, AdapterSettings,
)  # fmt: skip


def all_keys() -> list[Key]:
    """Every key, in the order of docs/configuration.md."""
    return [row for section in SECTIONS for row in keys_of(section).values()]


def load(given: Mapping[str, str], stored_secret: frozenset[str], stack: str) -> Settings:
    """Read and check the whole configuration of ``stack``.

    ``given`` maps keys of this project, without the namespace, to their text; ``stored_secret`` names those that are
    encrypted in the stack file. Raises RunError with every problem, each with the command that fixes it.
    """
    problems = ConfigErrors()
    settings = _read(given, stored_secret, stack, problems)
    _check_together(settings, problems)
    settings = replace(settings, warnings=(*settings.warnings, *_advice(settings)))
    if problems:
        raise pulumi.RunError(problems.message(stack, settings.warnings))
    return settings


def _advice(settings: Settings) -> list[str]:
    """What is valid and yet hardly meant."""
    if settings.enabled.label_studio and not settings.label_studio_callers:
        traefik = '[{"namespace": "kube-system", "labels": {"app.kubernetes.io/name": "traefik"}}]'
        reason = "the tunnel is off and labelStudioIngressFrom is empty"
        command = f"pulumi config set labelStudioIngressFrom '{traefik}'"
        return [f"nothing in the cluster may reach Label Studio: {reason}. For K3s's Traefik: {command}"]
    return []


def which_cluster() -> frozenset[str]:
    """The keys, in every spelling, that say which cluster it is and how it is reached."""
    rows = keys_of(ClusterSettings)
    return frozenset(name for field in _WHICH_CLUSTER for name in rows[field].spellings)


def read_without_secrets(given: Mapping[str, str], stack: str) -> Settings:
    """The configuration as far as it is not secret, for commands that only look; None where it is missing or wrong.

    Raises RunError when a key that says which cluster it is has a wrong value: without it, it could be another one.
    """
    problems = ConfigErrors()
    settings = _read(given, frozenset(), stack, problems)
    names = [name for name in which_cluster() if given.get(name, "").strip()]
    if problems.about(*names):
        raise pulumi.RunError(problems.only(names).message(stack, ()))
    return settings


def _read(given: Mapping[str, str], stored_secret: frozenset[str], stack: str, problems: ConfigErrors) -> Settings:
    reader = Reader(given, stored_secret, problems, {"stack": stack})
    reader.know_secrets(all_keys())
    flags = {row.name: bool(reader.read(row, {})) for row in keys_of(Enabled).values()}

    enabled = Enabled(*flags.values())

    def section(cls: type[S], on: bool = True) -> S:
        return cls(
            **{
                name: reader.read(row, flags, used=on or (row.name in _OF_BOTH_TUNNELS and enabled.node_tunnels))
                for name, row in keys_of(cls).items()
            }
        )

    # Three keys are the default of others, or part of it. A wrong one is reported once, and must not break those.
    reader.fill["cluster_domain"] = reader.read(keys_of(ClusterSettings)["domain"], flags) or "invalid"
    reader.fill["base"] = reader.read(keys_of(NodeTunnelSettings)["base"], flags) or "invalid.invalid"
    image = reader.read(keys_of(TunnelSettings)["image"], flags, used=enabled.any_tunnel)
    reader.fill["cloudflared_image"] = image or "invalid:invalid"
    return Settings(
        enabled=enabled,
        cluster=_cluster(reader, flags),
        flux=section(FluxSettings, enabled.flux),
        operator=section(OperatorSettings, enabled.operator),
        tunnel=section(TunnelSettings, enabled.tunnel),
        node_tunnels=section(NodeTunnelSettings, enabled.node_tunnels),
        image_automation=section(ImageAutomationSettings, enabled.image_automation),
        label_studio=section(LabelStudioSettings, enabled.label_studio),
        adapter=section(AdapterSettings, enabled.adapter),
        warnings=(
            *dict.fromkeys(reader.ignored),
            *reader.unknown(all_keys()),
            *(f"'{row.name}' is stored in clear; run: {row.fix}" for row in all_keys() if reader.in_clear(row)),
        ),
    )


def _cluster(reader: Reader, flags: Mapping[str, bool]) -> ClusterSettings:
    """The cluster's section: the key ``nodes``, or the table of Oceanid, which needs its addresses."""
    rows = keys_of(ClusterSettings)
    nodes: tuple[Node, ...] | None = reader.read(rows["nodes"], flags)
    addresses = ("tethys_ip", "styx_ip", "calypso_ip")
    if nodes or reader.is_given(rows["nodes"]):
        rows |= {name: replace(rows[name], needed_by=None) for name in addresses}
    found: dict[str, Any] = {name: reader.read(row, flags) for name, row in rows.items()}
    if not nodes:
        found["nodes"] = tuple(replace(node, address=found[name]) for node, name in zip(NODES, addresses, strict=True))
    return ClusterSettings(**found)


def load_from_engine() -> Settings:
    """``load`` for the configuration that the engine handed to this process; logs the warnings."""
    prefix = f"{PROJECT}:"
    given = {
        name.removeprefix(prefix): str(value)
        for name, value in pulumi.runtime.config.get_config_env().items()
        if name.startswith(prefix)
    }
    secret_names = pulumi.runtime.config.get_config_secret_keys_env()
    settings = load(given, frozenset(name.removeprefix(prefix) for name in secret_names), pulumi.get_stack())
    for warning in settings.warnings:
        pulumi.log.warn(warning)
    return settings


def _check_together(settings: Settings, problems: ConfigErrors) -> None:
    """Note what single keys cannot tell: pairs, prerequisites, and values that must agree or differ."""
    enabled, cluster, flux = settings.enabled, settings.cluster, settings.flux
    tunnel, node_tunnels = settings.tunnel, settings.node_tunnels
    if enabled.image_automation and not enabled.flux:
        problems.add(
            "enableImageAutomation needs Flux, but enableFluxBootstrap is false",
            "pulumi config set enableImageAutomation false",
        )
    addresses = {f"{node.name}Ip": node.address for node in cluster.nodes}  # those of the key are different already
    for name, address in addresses.items():
        twin = next((other for other in addresses if other < name and addresses[other] == address), None)
        if address and twin:
            problems.add(f"'{twin}' and '{name}' are the same address", f"pulumi config set {name} <ip>")

    _check_pairs(settings, problems)
    if enabled.flux:
        check_flux(flux, problems)
    _check_tunnel_ids(settings, problems)
    dns, rules = node_tunnels.manage_dns and enabled.node_tunnels, tunnel.manage_config and enabled.any_tunnel
    for flag, on, row, value in (
        ("manageNodeTunnelDns", dns, keys_of(NodeTunnelSettings)["zone_id"], node_tunnels.zone_id),
        ("manageNodeTunnelDns", dns, keys_of(TunnelSettings)["api_token"], tunnel.api_token),
        ("manageTunnelConfig", rules, keys_of(TunnelSettings)["api_token"], tunnel.api_token),
    ):
        if on and value is None and not problems.about(row.name):
            problems.add(f"'{row.name}' is missing (needed while {flag} is true)", row.fix)
    if enabled.tunnel:
        _check_ingress(settings, problems)


def _check_pairs(settings: Settings, problems: ConfigErrors) -> None:
    """Keys of which one is nothing without the other, while their component is enabled."""
    enabled, flux = settings.enabled, settings.flux
    for on, left, right, given in (
        (enabled.flux, "flux.ssh_private_key", "flux.known_hosts", (flux.ssh_private_key, flux.known_hosts)),
        (enabled.flux, "flux.webhook_token", "flux.webhook_hostname", (flux.webhook_token, flux.webhook_hostname)),
        (
            enabled.flux, "flux.github_app_id", "flux.github_app_private_key",
            (flux.github_app_id, flux.github_app_private_key),
        ),
        (
            enabled.flux, "flux.github_app_id", "flux.github_app_installation_id",
            (flux.github_app_id, flux.github_app_installation_id),
        ),
        (
            enabled.label_studio, "aws.labelStudio.accessKeyId", "aws.labelStudio.secretAccessKey",
            (settings.label_studio.s3_access_key_id, settings.label_studio.s3_secret_access_key),
        ),
        (
            enabled.adapter, "cfAccessClientId", "cfAccessClientSecret",
            (settings.adapter.access_client_id, settings.adapter.access_client_secret),
        ),
        (enabled.adapter, "ghcrUsername", "ghcrToken", (settings.adapter.ghcr_username, settings.adapter.ghcr_token)),
    ):  # fmt: skip
        # A malformed one is there as well.
        there = [value is not None or problems.about(name) for name, value in zip((left, right), given, strict=True)]
        if on and there[0] != there[1]:
            absent = right if there[0] else left
            row = next(row for row in all_keys() if row.name == absent)
            problems.add(f"'{left}' and '{right}' go together, and '{absent}' is missing", row.fix)


_OWN_RULES = {"labelStudioHostname": "Label Studio's rule", "flux.webhook_hostname": "the webhook's rule"}


def _check_ingress(settings: Settings, problems: ConfigErrors) -> None:
    """Rules that are hidden by those which this program puts before them."""
    tunnel = settings.tunnel
    if not tunnel.hostname:
        return
    own = [("the Kubernetes API's rule (cloudflare_tunnel_hostname)", IngressRule("", tunnel.hostname))]
    for name, rule in settings.own_rules:
        own.append((f"{_OWN_RULES[name]} ({name})", rule))
        for problem in dead_rules(own):
            problems.add(f"'{name}' is another rule's host name: {problem}", f"pulumi config set {name} <hostname>")
    for number, rule in enumerate(tunnel.extra_ingress or (), start=1):
        name = rule_name(number, rule.hostname)
        for problem in dead_rules([*own, (name, rule)]):
            if problem.startswith(name):
                problems.add(f"'extraIngress' {problem}", "pulumi config set extraIngress <json>")


def _check_tunnel_ids(settings: Settings, problems: ConfigErrors) -> None:
    tunnel, node_tunnels = settings.tunnel, settings.node_tunnels
    tokens = [
        ("cloudflare_tunnel_token", tunnel.token, "cloudflare_tunnel_id", tunnel.tunnel_id, settings.enabled.tunnel),
        (
            "cloudflare_node_tunnel_token", node_tunnels.token, "cloudflare_node_tunnel_id", node_tunnels.tunnel_id,
            settings.enabled.node_tunnels,
        ),
    ]  # fmt: skip
    in_use = [(key_name, token, id_name, given) for key_name, token, id_name, given, on in tokens if on and token]
    if len({token.tunnel_id for _, token, _, _ in in_use}) < len(in_use):
        problems.add(
            "'cloudflare_tunnel_token' and 'cloudflare_node_tunnel_token' belong to the same tunnel; cloudflared would"
            " mix their traffic",
            keys_of(NodeTunnelSettings)["token"].fix,
        )
    for key_name, token, id_name, given in in_use:
        if given and given.lower() != token.tunnel_id:
            problems.add(
                f"'{id_name}' does not agree with the tunnel id inside '{key_name}'",
                f"pulumi config rm {id_name}   (the token says it)",
            )
        if tunnel.account_id and tunnel.account_id != token.account_id:
            problems.add(
                f"'cloudflare_account_id' does not agree with the account id inside '{key_name}'",
                "pulumi config rm cloudflare_account_id   (the token says it)",
            )
