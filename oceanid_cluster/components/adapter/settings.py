"""The Triton adapter: its configuration, and what the commands know of it."""

from dataclasses import dataclass

from oceanid_cluster import versions
from oceanid_cluster.components.apps.addresses import ADAPTER, NAMESPACE
from oceanid_cluster.components.facts import ComponentSettings, Expected, Facts
from oceanid_cluster.config import images, parsers
from oceanid_cluster.config.peers import Peer, parse_peers
from oceanid_cluster.config.schema import key
from oceanid_cluster.config.secret import Secret

NAME = ADAPTER.name
JOB_ROLE = f"{NAME}-job-writer"
# The Secrets by the last part of their logical names.
SECRETS = {
    "ner-labels": f"{NAME}-ner-labels", "hf-credentials": "hf-credentials", "cf-access": f"{NAME}-cf-access",
    "sentry": f"{NAME}-sentry", "ghcr-creds": "ghcr-creds",
}  # fmt: skip
FACTS = Facts(
    name="TritonAdapter",
    title="Triton adapter",
    logical_name=NAME,
    type_token="oceanid:ml:LsTritonAdapter",
    namespace=NAMESPACE,
    expected=(Expected("Deployment", NAMESPACE, NAME),),
    others={
        "Secret": [SECRETS["ner-labels"]],
        "Service": [NAME],
        "ServiceAccount": [NAME],
        "NetworkPolicy": [NAME],
        "Role": [JOB_ROLE],
        "RoleBinding": [JOB_ROLE],
    },
    optional={"Secret": [name for part, name in SECRETS.items() if part != "ner-labels"]},
)
DEFAULT_NER_LABELS = '["O","VESSEL","HS_CODE","PORT","COMMODITY","IMO","FLAG","RISK_LEVEL","DATE"]'


@dataclass(frozen=True)
class AdapterSettings(ComponentSettings):
    """The Triton adapter and its training Jobs."""

    facts = FACTS
    pairs = (("access_client_id", "access_client_secret"), ("ghcr_username", "ghcr_token"))

    enabled: bool = key("enableTritonAdapter", parsers.boolean, "install the Triton adapter", default="true")
    triton_base_url: str = key(
        "tritonBaseUrl", parsers.pod_url, "address of Triton", default="https://gpu.{base}", value="URL"
    )
    image_name: str = key(
        "adapterImage", images.image_repository,
        "image of the adapter; its own tag or digest takes precedence over adapterImageTag",
        default=versions.image("ls-triton-adapter").rpartition(":")[0],
    )  # fmt: skip
    image_tag: str = key(
        "adapterImageTag",
        images.image_tag,
        "tag of the adapter's image",
        default=versions.image("ls-triton-adapter").rpartition(":")[2],
    )
    training_image_name: str = key(
        "trainingWorkerImage", images.image_repository, "image of training Jobs",
        default=versions.image("training-worker").rpartition(":")[0],
    )  # fmt: skip
    training_image_tag: str = key(
        "trainingWorkerImageTag",
        images.image_tag,
        "tag of the training image",
        default=versions.image("training-worker").rpartition(":")[2],
    )
    train_async: bool = key("trainAsync", parsers.boolean, "respond before a training ends", default="true")
    train_dry_run: bool = key("trainDryRun", parsers.boolean, "start no training Job", default="false")
    training_job_ttl_seconds: int = key(
        "trainingJobTtlSeconds", parsers.integer(0, 604800), "seconds until a finished Job is deleted", default="3600"
    )
    training_node_selector: dict[str, str] = key(
        "trainingNodeSelector", parsers.label_selector, "nodes for training Jobs: `name=value,…` or a JSON object",
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
        "hfAccessToken", parsers.token, "Hugging Face token", secret=True, value="token"
    )
    ner_labels: Secret = key(
        "nerLabels", parsers.ner_labels, "entity labels of the adapter, a JSON list", secret=True,
        default=DEFAULT_NER_LABELS, shown_default="nine labels", value="json",
    )  # fmt: skip
    access_client_id: Secret | None = key(
        "cfAccessClientId",
        parsers.token,
        "Cloudflare Access service token: id",
        secret=True,
        value="id",
    )
    access_client_secret: Secret | None = key(
        "cfAccessClientSecret", parsers.token, "Cloudflare Access service token: secret", secret=True,
        value="secret",
    )  # fmt: skip
    sentry_dsn: Secret | None = key("sentry.dsn", parsers.text, "Sentry address", secret=True, value="dsn")
    sentry_environment: str = key("sentry.environment", parsers.text, "Sentry environment", default="{stack}")
    sentry_release: str | None = key("sentry.release", parsers.text, "Sentry release")
    ingress_from: tuple[Peer, ...] = key(
        "adapterIngressFrom", parse_peers,
        "additional pods that may reach the adapter: [{namespace, labels?}]", default="[]",
    )  # fmt: skip
    ghcr_username: str | None = key("ghcrUsername", parsers.text, "user of ghcr.io, for the pull secret ghcr-creds")
    ghcr_token: Secret | None = key(
        "ghcrToken",
        parsers.token,
        "token of ghcr.io, for the pull secret ghcr-creds",
        secret=True,
        value="token",
    )

    @property
    def image(self) -> str:
        """The adapter's image with its tag."""
        return self.image_name if images.has_tag(self.image_name) else f"{self.image_name}:{self.image_tag}"

    @property
    def training_image(self) -> str:
        """The training worker's image with its tag."""
        name = self.training_image_name
        return name if images.has_tag(name) else f"{name}:{self.training_image_tag}"
