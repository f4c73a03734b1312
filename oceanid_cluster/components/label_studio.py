"""Step 6: Label Studio, the annotation platform, on PostgreSQL."""

import pulumi
import pulumi_random as random

from oceanid_cluster import labels
from oceanid_cluster.components.apps import LABEL_STUDIO, NAMESPACE, make_apps_namespace
from oceanid_cluster.components.base import Child, Component, Context, secret, service
from oceanid_cluster.config import LabelStudioSettings
from oceanid_cluster.pods import Manifest, container_security, http_probe, plain_env, pod_security, secret_env

NAME = "label-studio"
SELECTOR = {"app": NAME}
PORT = 8080
VOLUME = "label-studio-data"
DATABASE_SECRET = "labelstudio-db-credentials"
APP_SECRET = "labelstudio-app-credentials"
S3_SECRET = "labelstudio-s3-credentials"
USER = 1001  # owner of the data folder in the image
MODEL_SELECTOR = {"app": "ls-triton-adapter"}

# Variables of Label Studio by the key of the Secret that holds them.
_DATABASE_ENV = ("POSTGRE_USER", "POSTGRE_PASSWORD", "POSTGRE_NAME", "POSTGRE_HOST", "POSTGRE_PORT")
_APP_ENV = {"SECRET_KEY": "secret-key", "LABEL_STUDIO_PASSWORD": "admin-password"}
_S3_ENV = {
    "STORAGE_AWS_ACCESS_KEY_ID": "AWS_ACCESS_KEY_ID",
    "STORAGE_AWS_SECRET_ACCESS_KEY": "AWS_SECRET_ACCESS_KEY",
    "STORAGE_AWS_BUCKET_NAME": "AWS_STORAGE_BUCKET_NAME",
    "STORAGE_AWS_REGION_NAME": "AWS_S3_REGION_NAME",
}


class LabelStudio(Component):
    """Runs Label Studio and keeps its volume."""

    token = LABEL_STUDIO[0]

    def __init__(
        self, name: str, settings: LabelStudioSettings, context: Context, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Outputs: ``namespace``, ``serviceName``, ``hostname``. ``admin_password`` is None unless generated here."""
        super().__init__(name, context, opts)
        self.namespace, self.hostname = NAMESPACE, settings.hostname
        object_labels = labels.workload_labels(context.cluster, "apps", NAME, SELECTOR)
        ns = self.apps_namespace = make_apps_namespace(self)
        in_ns = Child(after=[ns])
        plain = pulumi.ResourceOptions(parent=self)
        secret_key = random.RandomPassword(f"{name}-secret-key", length=64, special=False, opts=plain)
        self.admin_password: pulumi.Output[str] | None = None
        password = settings.admin_password.output() if settings.admin_password else None
        if password is None:
            password = random.RandomPassword(f"{name}-admin-password", length=24, special=False, opts=plain).result
            self.admin_password = password
        app_data = {"secret-key": secret_key.result, "admin-password": password}
        database_data = database_values(settings)
        secrets = {
            "db-secret": (DATABASE_SECRET, database_data),
            "app-secret": (APP_SECRET, app_data),
        }
        with_s3 = settings.s3_access_key_id is not None and settings.s3_secret_access_key is not None
        if with_s3:
            secrets["s3-secret"] = (S3_SECRET, s3_values(settings))
        made = [
            self.make(part, secret(secret_name, NAMESPACE, data, object_labels), in_ns)
            for part, (secret_name, data) in secrets.items()
        ]
        claim = self.make("pvc", volume_claim(settings, object_labels), Child(after=[ns], retain=True))
        self.make("network", network_policy(settings.database.port, object_labels), in_ns)
        rollout = context.rollout.checksum(*(data for _, data in secrets.values()))
        self.make("deploy", deployment(settings, with_s3, object_labels, rollout), Child(after=[*made, claim]))
        self.make("svc", service(NAME, NAMESPACE, SELECTOR, "http", PORT, object_labels), in_ns)
        self.register_outputs({"namespace": NAMESPACE, "serviceName": NAME, "hostname": settings.hostname})


def database_values(settings: LabelStudioSettings) -> dict[str, pulumi.Input[str]]:
    """The database Secret: what Label Studio reads (core/settings/base.py), and libpq's own PGSSLMODE for TLS."""
    url = settings.database
    data = {
        "POSTGRE_USER": url.user,
        "POSTGRE_PASSWORD": url.password.value,
        "POSTGRE_NAME": url.database,
        "POSTGRE_HOST": url.host,
        "POSTGRE_PORT": str(url.port),
    }
    return {name: pulumi.Output.secret(value) for name, value in data.items()}


def s3_values(settings: LabelStudioSettings) -> dict[str, pulumi.Input[str]]:
    """The Secret for uploads in S3."""
    data = {
        "AWS_ACCESS_KEY_ID": settings.s3_access_key_id.value if settings.s3_access_key_id else "",
        "AWS_SECRET_ACCESS_KEY": settings.s3_secret_access_key.value if settings.s3_secret_access_key else "",
        "AWS_STORAGE_BUCKET_NAME": settings.s3_bucket,
        "AWS_S3_REGION_NAME": settings.s3_region,
    }
    return {name: pulumi.Output.secret(value) for name, value in data.items()}


def environment(settings: LabelStudioSettings, with_s3: bool) -> list[Manifest]:
    """Label Studio's variables. Without DJANGO_DB it would silently use SQLite, and lose work with the pod."""
    in_cluster = (NAME, f"{NAME}.{NAMESPACE}", f"{NAME}.{NAMESPACE}.svc", f"{NAME}.{NAMESPACE}.svc.cluster.local")
    plain = {
        "DJANGO_DB": "default",
        "LABEL_STUDIO_HOST": f"https://{settings.hostname}",
        "CSRF_TRUSTED_ORIGINS": f"https://{settings.hostname}",
        "ALLOWED_HOSTS": ",".join((settings.hostname, *in_cluster)),
        "SESSION_COOKIE_SECURE": "1",
        "CSRF_COOKIE_SECURE": "1",
        "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
        "LABEL_STUDIO_USERNAME": settings.admin_email,
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        # The adapter's service address is private; the other guards against forged requests stay on.
        "ML_BLOCK_LOCAL_IP": "false",
        "SSRF_PROTECTION_ENABLED": "true",
    }
    if settings.database.ssl_mode:
        plain["PGSSLMODE"] = settings.database.ssl_mode  # libpq's own variable: Label Studio has none for it
    if with_s3:
        plain["STORAGE_TYPE"] = "s3"
    variables = plain_env(plain)
    variables += [secret_env(name, DATABASE_SECRET, name) for name in _DATABASE_ENV]
    variables += [secret_env(name, APP_SECRET, key) for name, key in _APP_ENV.items()]
    if with_s3:
        variables += [secret_env(name, S3_SECRET, key) for name, key in _S3_ENV.items()]
    return variables


def deployment(
    settings: LabelStudioSettings, with_s3: bool, object_labels: dict[str, str], rollout: pulumi.Input[str]
) -> Manifest:
    """The Deployment: one pod, gone before the next starts, since both would mount the volume."""
    host = settings.hostname  # a probe by pod address is refused by ALLOWED_HOSTS
    writable = {"tmp": "/tmp", "instance": "/opt/heartex/instance-data/etc"}  # noqa: S108 - inside the container
    container: Manifest = {
        "name": NAME,
        "image": settings.image,
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "env": environment(settings, with_s3),
        # The first start migrates the database.
        "startupProbe": http_probe("/health", "http", period=5, failures=60, timeout=5, host=host),
        "readinessProbe": http_probe("/health", "http", period=10, timeout=5, host=host),
        "livenessProbe": http_probe("/health", "http", period=30, timeout=5, host=host),
        "resources": settings.resources,
        "securityContext": container_security(),
        "volumeMounts": [
            {"name": "data", "mountPath": "/label-studio/data"},
            *({"name": name, "mountPath": path} for name, path in writable.items()),
        ],
    }
    pod: Manifest = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,  # they would set LABEL_STUDIO_PORT, which Label Studio reads
        "securityContext": pod_security(USER),
        "containers": [container],
        "volumes": [
            {"name": "data", "persistentVolumeClaim": {"claimName": VOLUME}},
            *({"name": name, "emptyDir": {}} for name in writable),
        ],
    }
    if settings.node_selector:
        pod["nodeSelector"] = settings.node_selector
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": NAME,
            "namespace": NAMESPACE,
            "labels": object_labels,
            "annotations": dict(labels.WAIT_FOR_RECREATED),
        },
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": SELECTOR},
            "template": {
                "metadata": {"labels": object_labels, "annotations": {labels.ROLLOUT: rollout}},
                "spec": pod,
            },
        },
    }


def volume_claim(settings: LabelStudioSettings, object_labels: dict[str, str]) -> Manifest:
    """The claim for uploads. K3s binds it only once the pod exists, so nothing waits for it."""
    spec: Manifest = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": settings.storage}},
    }
    if settings.storage_class:
        spec["storageClassName"] = settings.storage_class
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": VOLUME,
            "namespace": NAMESPACE,
            "labels": object_labels,
            "annotations": {**labels.SKIP_AWAIT, **labels.FLUX_NEVER_PRUNES},
        },
        "spec": spec,
    }


def network_policy(database_port: int, object_labels: dict[str, str]) -> Manifest:
    """In: the tunnel. Out: DNS, the database's port, HTTPS, and the adapter."""
    dns = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    outside = [{"protocol": "TCP", "port": port} for port in sorted({443, database_port})]
    tunnel = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "cloudflared"}},
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "cloudflared"}},
    }
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": object_labels},
        "spec": {
            "podSelector": {"matchLabels": SELECTOR},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [tunnel], "ports": [{"protocol": "TCP", "port": PORT}]}],
            "egress": [
                {"ports": dns},
                {"ports": outside},
                {
                    "to": [{"podSelector": {"matchLabels": MODEL_SELECTOR}}],
                    "ports": [{"protocol": "TCP", "port": 9090}],
                },
            ],
        },
    }
