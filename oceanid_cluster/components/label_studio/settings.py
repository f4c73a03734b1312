"""Label Studio: its configuration, and what the commands know of it."""

from dataclasses import dataclass

from oceanid_cluster import versions
from oceanid_cluster.components.apps.addresses import LABEL_STUDIO, NAMESPACE
from oceanid_cluster.components.facts import ComponentSettings, Expected, Facts
from oceanid_cluster.config import images, parsers
from oceanid_cluster.config.ingress import IngressRule, Owner, check_hostname
from oceanid_cluster.config.parsers import Resources
from oceanid_cluster.config.peers import Peer, parse_peers
from oceanid_cluster.config.postgres import PostgresUrl, parse_postgres_url
from oceanid_cluster.config.schema import key
from oceanid_cluster.config.secret import Secret
from oceanid_cluster.manifests.pods import Placement

NAME = LABEL_STUDIO.name
CLAIM = "label-studio-data"
# The Secrets by the last part of their logical names.
SECRETS = {
    "db-secret": "labelstudio-db-credentials", "app-secret": "labelstudio-app-credentials",
    "s3-secret": "labelstudio-s3-credentials",
}  # fmt: skip
SECRET_KEY, ADMIN_PASSWORD = "secret-key", "admin-password"  # the keys of app-secret
_RUNBOOK = 'database or secrets: docs/runbook.md, "Label Studio"'
FACTS = Facts(
    name="LabelStudio",
    title="Label Studio",
    logical_name=NAME,
    type_token="oceanid:apps:LabelStudio",
    namespace=NAMESPACE,
    expected=(
        Expected("Deployment", NAMESPACE, NAME, {"probe": _RUNBOOK, "crash": _RUNBOOK}),
        Expected("PersistentVolumeClaim", NAMESPACE, CLAIM),
    ),
    others={
        "Secret": [SECRETS["db-secret"], SECRETS["app-secret"]],
        "Service": [NAME],
        "NetworkPolicy": [NAME],
    },
    optional={"Secret": [SECRETS["s3-secret"]]},
)
_RESOURCES: Resources = {
    "requests": {"cpu": "250m", "memory": "1Gi"},
    "limits": {"cpu": "2", "memory": "2Gi"},
}


@dataclass(frozen=True)
class LabelStudioSettings(ComponentSettings):
    """Label Studio."""

    facts = FACTS
    pairs = (("s3_access_key_id", "s3_secret_access_key"),)

    enabled: bool = key("enableLabelStudio", parsers.boolean, "install Label Studio", default="true")
    database: PostgresUrl = key(
        "postgres_url", parse_postgres_url, "database of Label Studio, from the cloud stack", secret=True,
        old=("labelStudioDbUrl",), required=True, value="URL",
    )  # fmt: skip
    hostname: str = key(
        "labelStudioHostname", check_hostname, "public host name of Label Studio", default="label.{base}"
    )
    image: str = key("labelStudioImage", images.image, "image of Label Studio", default=versions.image("label-studio"))
    storage: str = key(
        "labelStudioStorage", parsers.quantity, "size of Label Studio's volume; read only when it is created",
        default="10Gi",
    )  # fmt: skip
    storage_class: str | None = key(
        "labelStudioStorageClass", parsers.object_name,
        "storage class of Label Studio's volume; read only when it is created",
        shown_default="the cluster's default",
    )  # fmt: skip
    node_selector: dict[str, str] = key(
        "labelStudioNodeSelector", parsers.label_map,
        "nodes for Label Studio, instead of those without a GPU: `name=value,…` or a JSON object",
        default="{{}}",
    )  # fmt: skip
    resources: Resources = key(
        "labelStudioResources", parsers.resources(_RESOURCES), "CPU and memory, merged field by field",
        default="{{}}", shown_default="250m/1Gi, limits 2/2Gi",
    )  # fmt: skip
    admin_email: str = key(
        "labelStudioAdminEmail",
        parsers.email,
        "first user of Label Studio; read only at its first start",
        default="admin@{base}",
    )
    admin_password: Secret | None = key(
        "labelStudioAdminPassword", parsers.text,
        "password of the first user; read only at the first start", secret=True,
        shown_default="generated once", value="password",
    )  # fmt: skip
    secret_key: Secret | None = key(
        "labelStudioSecretKey", parsers.text, "Label Studio's SECRET_KEY, which signs its sessions",
        secret=True, shown_default="generated once", value="key",
    )  # fmt: skip
    ingress_from: tuple[Peer, ...] = key(
        "labelStudioIngressFrom", parse_peers,
        "additional pods that may reach Label Studio: [{namespace, labels?}]", default="[]",
    )  # fmt: skip
    s3_access_key_id: Secret | None = key(
        "aws.labelStudio.accessKeyId", parsers.token,
        "uploads in S3: access key id", secret=True, value="id",
    )  # fmt: skip
    s3_secret_access_key: Secret | None = key(
        "aws.labelStudio.secretAccessKey",
        parsers.token,
        "uploads in S3: secret access key",
        secret=True,
        value="key",
    )
    s3_bucket: str = key(
        "aws.labelStudio.bucketName", parsers.bucket, "uploads in S3: bucket", default="labelstudio-goldfish-uploads"
    )
    s3_region: str = key("aws.labelStudio.region", parsers.region, "uploads in S3: region", default="us-east-1")

    @property
    def uses_s3(self) -> bool:
        """Whether uploads go to S3."""
        return self.s3_access_key_id is not None

    @property
    def placement(self) -> Placement | None:
        """The nodes that the operator names; None where the cluster says. One of them may have the GPU."""
        return Placement(self.node_selector) if self.node_selector else None

    def tunnel_rules(self, domain: str) -> tuple[IngressRule, ...]:
        """Label Studio, under its public host name."""
        owner = Owner("Label Studio's rule", "labelStudioHostname", LABEL_STUDIO.peer)
        return (IngressRule(LABEL_STUDIO.url(domain), self.hostname, owner=owner),) if self.hostname else ()
