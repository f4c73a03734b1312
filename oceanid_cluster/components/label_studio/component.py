"""Step 6: Label Studio, the annotation platform, on PostgreSQL."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from oceanid_cluster.components.apps.addresses import ADAPTER, LABEL_STUDIO, NAMESPACE
from oceanid_cluster.components.apps.namespace import create_apps_namespace
from oceanid_cluster.components.base import Component, Context, depends_on, secret
from oceanid_cluster.components.label_studio.generated import GeneratedSecrets
from oceanid_cluster.components.label_studio.settings import (
    ADMIN_PASSWORD,
    CLAIM,
    FACTS,
    NAME,
    SECRET_KEY,
    SECRETS,
    LabelStudioSettings,
)
from oceanid_cluster.config.parsers import quantity_value
from oceanid_cluster.config.peers import Peer
from oceanid_cluster.config.secret import Secret
from oceanid_cluster.manifests import labels, pods
from oceanid_cluster.manifests.network import dns, ingress_rules, network_policy, tcp
from oceanid_cluster.manifests.objects import kubernetes_object, pod_template, service
from oceanid_cluster.manifests.pods import Manifest

USER = 1001  # owner of the data folder in the image
_STARTUP_PERIOD = 5  # seconds

# Variables of Label Studio by the key of the Secret that holds them.
_APP_ENV = {"SECRET_KEY": SECRET_KEY, "LABEL_STUDIO_PASSWORD": ADMIN_PASSWORD}
_S3_ENV = {
    "STORAGE_AWS_ACCESS_KEY_ID": "AWS_ACCESS_KEY_ID",
    "STORAGE_AWS_SECRET_ACCESS_KEY": "AWS_SECRET_ACCESS_KEY",
    "STORAGE_AWS_BUCKET_NAME": "AWS_STORAGE_BUCKET_NAME",
    "STORAGE_AWS_REGION_NAME": "AWS_S3_REGION_NAME",
}


@dataclass(frozen=True)
class LabelStudioArgs:
    """What Label Studio takes. ``generated`` are the values that outlive it, ``callers`` the pods that may reach it.

    ``claim`` is the spec of the volume claim that is in the cluster already.
    """

    settings: LabelStudioSettings
    generated: GeneratedSecrets
    callers: Sequence[Peer]
    context: Context
    claim: Manifest | None = None


class LabelStudio(Component):
    """Runs Label Studio and keeps its volume."""

    type_token, namespace = FACTS.type_token, NAMESPACE

    def __init__(self, name: str, args: LabelStudioArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Outputs: ``namespace``, ``serviceName``, ``hostname``."""
        settings, generated, context = args.settings, args.generated, args.context
        super().__init__(name, context, opts)
        self.hostname = settings.hostname
        self.object_labels = labels.workload_labels(context.cluster.name, "apps", NAME, LABEL_STUDIO.pods)
        ns = self.apps_namespace = create_apps_namespace(self)
        in_ns = depends_on(ns)
        secrets = {
            # What Label Studio reads, and libpq's own variables.
            "db-secret": {name: one.output() for name, one in settings.database.secrets.items()},
            "app-secret": {SECRET_KEY: generated.secret_key, ADMIN_PASSWORD: generated.admin_password},
        }
        if settings.uses_s3:
            secrets["s3-secret"] = s3_values(settings)
        # The app Secret is kept like the volume: after a destroy the generated values are still in it.
        kept = pulumi.ResourceOptions(depends_on=[ns], retain_on_delete=True)
        made = [
            self.create(part, secret(SECRETS[part], data), kept if part == "app-secret" else in_ns)
            for part, data in secrets.items()
        ]
        if args.claim:
            warn_of_claim(settings, args.claim)
        # Another class would replace it, work included; another size fails the whole preview on K3s's local-path.
        fixed = ["spec.storageClassName", "spec.resources.requests.storage"]
        options = pulumi.ResourceOptions(depends_on=[ns], retain_on_delete=True, ignore_changes=fixed)
        claim = self.create("pvc", volume_claim(settings, args.claim), options)
        self.create("network", access(settings.database.port, args.callers), in_ns)
        rollout = context.rollout.checksum(*secrets.values())
        workload = deployment(settings, context, rollout)
        self.create("deploy", workload, depends_on(*made, claim))
        self.create("svc", service(NAME, LABEL_STUDIO.pods, "http", LABEL_STUDIO.port), in_ns)
        self.register_outputs({"namespace": NAMESPACE, "serviceName": NAME, "hostname": settings.hostname})


def warn_of_claim(settings: LabelStudioSettings, live: Manifest) -> None:
    """Say that the live claim, by its spec, is not what the configuration asks for, and what to do."""
    size, found = _size(live), live.get("storageClassName")
    if size and quantity_value(size) != quantity_value(settings.storage):
        pulumi.log.warn(
            f"labelStudioStorage {settings.storage} is ignored: the existing volume has {size}, and grows only by hand,"
            ' in a storage class that can. See docs/runbook.md, "A larger volume".'
        )
    if settings.storage_class and found and found != settings.storage_class:
        pulumi.log.warn(
            f"labelStudioStorageClass {settings.storage_class} is ignored: the existing volume has the class {found}."
            f" Run: pulumi config set labelStudioStorageClass {found}"
        )


def s3_values(settings: LabelStudioSettings) -> dict[str, pulumi.Output[str]]:
    """The Secret for uploads in S3."""
    data = {
        "AWS_ACCESS_KEY_ID": settings.s3_access_key_id,
        "AWS_SECRET_ACCESS_KEY": settings.s3_secret_access_key,
        "AWS_STORAGE_BUCKET_NAME": Secret(settings.s3_bucket),
        "AWS_S3_REGION_NAME": Secret(settings.s3_region),
    }
    return {name: value.output() for name, value in data.items() if value is not None}


def environment(settings: LabelStudioSettings, domain: str) -> list[Manifest]:
    """Label Studio's variables. Without DJANGO_DB it would silently use SQLite, and lose work with the pod."""
    in_cluster = (NAME, f"{NAME}.{NAMESPACE}", f"{NAME}.{NAMESPACE}.svc", f"{NAME}.{NAMESPACE}.svc.{domain}")
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
    plain |= settings.database.tls  # libpq's own variables: Label Studio has none for TLS
    if settings.uses_s3:
        plain["STORAGE_TYPE"] = "s3"
    variables = pods.plain_env(plain)
    variables += [pods.secret_env(name, SECRETS["db-secret"], name) for name in settings.database.secrets]
    variables += [pods.secret_env(name, SECRETS["app-secret"], key) for name, key in _APP_ENV.items()]
    if settings.uses_s3:
        variables += [pods.secret_env(name, SECRETS["s3-secret"], key) for name, key in _S3_ENV.items()]
    return variables


def container(settings: LabelStudioSettings, context: Context, writable: dict[str, str]) -> Manifest:
    """The container; ``writable`` are the folders that it writes beside its volume, by volume name."""
    host = settings.hostname  # a probe by pod address is refused by ALLOWED_HOSTS
    # The first start migrates the database: it may take as long as we wait for the workload.
    tries = math.ceil(context.cluster.ready_timeout_minutes * 60 / _STARTUP_PERIOD)
    return pods.container(
        NAME,
        settings.image,
        pods.port("http", LABEL_STUDIO.port),
        settings.resources,
        env=environment(settings, context.cluster.domain),
        startupProbe=pods.http_probe("/health", "http", period=_STARTUP_PERIOD, failures=tries, timeout=5, host=host),
        readinessProbe=pods.http_probe("/health", "http", period=10, timeout=5, host=host),
        livenessProbe=pods.http_probe("/health", "http", period=30, timeout=5, host=host),
        volumeMounts=[
            {"name": "data", "mountPath": "/label-studio/data"},
            *({"name": name, "mountPath": path} for name, path in writable.items()),
        ],
    )


def deployment(settings: LabelStudioSettings, context: Context, rollout: pulumi.Input[str]) -> Manifest:
    """The Deployment: one pod, gone before the next starts, since both would mount the volume."""
    writable = {"tmp": "/tmp", "instance": "/opt/heartex/instance-data/etc"}  # noqa: S108 - inside the container
    volumes: list[Manifest] = [
        {"name": "data", "persistentVolumeClaim": {"claimName": CLAIM}},
        *({"name": name, "emptyDir": {}} for name in writable),
    ]
    placement = settings.placement or context.placement
    pod = pods.pod(USER, placement, container(settings, context, writable), volumes=volumes)
    spec = {
        "replicas": 1,
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": LABEL_STUDIO.pods},
        "template": pod_template(rollout, pod),
    }
    return kubernetes_object("apps/v1", "Deployment", NAME, annotations=labels.WAIT_FOR_RECREATED, spec=spec)


def volume_claim(settings: LabelStudioSettings, live: Manifest | None = None) -> Manifest:
    """The claim for uploads. K3s binds it only once the pod exists, so nothing waits for it.

    One that is there keeps its size and class (``live``, its spec): adopting it with others is refused.
    """
    kept = live or {}
    storage = _size(kept) or settings.storage
    spec: Manifest = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": storage}}}
    if storage_class := kept.get("storageClassName") or settings.storage_class:
        spec["storageClassName"] = storage_class
    return kubernetes_object("v1", "PersistentVolumeClaim", CLAIM, annotations=labels.SKIP_AWAIT, spec=spec)


def _size(spec: Manifest) -> str | None:
    """The size that the spec of a claim asks for."""
    return spec.get("resources", {}).get("requests", {}).get("storage")


def access(database_port: int, callers: Sequence[Peer]) -> Manifest:
    """In: the callers. Out: DNS, the database's port, HTTPS, and the adapter."""
    ingress = ingress_rules([peer.manifest() for peer in callers], LABEL_STUDIO.port)
    adapter = {"to": [ADAPTER.pod_peer], "ports": tcp(ADAPTER.port)}
    egress = [dns(), {"ports": tcp(*sorted({443, database_port}))}, adapter]
    return network_policy(NAME, LABEL_STUDIO.pods, ingress, egress)
