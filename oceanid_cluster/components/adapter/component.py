"""Step 7: the Triton adapter, which lets Label Studio ask the GPU for predictions and start trainings."""

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from oceanid_cluster.components.adapter.settings import FACTS, JOB_ROLE, NAME, SECRETS, AdapterSettings
from oceanid_cluster.components.apps.addresses import ADAPTER, LABEL_STUDIO, NAMESPACE
from oceanid_cluster.components.apps.namespace import create_apps_namespace
from oceanid_cluster.components.base import Component, Context, depends_on, secret
from oceanid_cluster.config.peers import Peer
from oceanid_cluster.config.secret import Secret
from oceanid_cluster.manifests import labels, pods
from oceanid_cluster.manifests.network import ingress_rules, network_policy
from oceanid_cluster.manifests.objects import kubernetes_object, pod_template, service
from oceanid_cluster.manifests.pods import Manifest, Placement

HF_KEY, LABELS_KEY = "token", "ner-labels"
USER = 65532
_RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True)
class AdapterArgs:
    """What the adapter takes. ``apps`` is the namespace that Label Studio made; without it the adapter makes it."""

    settings: AdapterSettings
    context: Context
    apps: pulumi.Resource | None = None


class LsTritonAdapter(Component):
    """Runs the adapter, with the right to start training Jobs in its namespace."""

    type_token, namespace = FACTS.type_token, NAMESPACE

    def __init__(self, name: str, args: AdapterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Outputs: ``serviceUrl``, ``serviceName``."""
        settings, context = args.settings, args.context
        super().__init__(name, context, opts)
        self.url = ADAPTER.url(context.cluster.domain)
        self.object_labels = labels.workload_labels(context.cluster.name, "ml", NAME, ADAPTER.pods)
        in_ns = depends_on(args.apps or create_apps_namespace(self))
        secrets = adapter_secrets(settings)
        made = [self.create(part, secret(SECRETS[part], data), in_ns) for part, data in secrets.items()]
        if settings.ghcr_username and settings.ghcr_token:
            pull = pull_secret(settings.ghcr_username, settings.ghcr_token)
            made.append(self.create("ghcr-creds", pull, in_ns))
        account = self.create("sa", service_account(), in_ns)
        role = self.create("role", job_role(), in_ns)
        binding = self.create("rb", job_role_binding(), depends_on(account, role))
        self.create("network", access(settings.ingress_from), in_ns)
        rollout = context.rollout.checksum(*secrets.values())
        workload = deployment(settings, rollout, context.placement)
        self.create("deploy", workload, depends_on(*made, account, binding))
        self.create("svc", service(NAME, ADAPTER.pods, "http", ADAPTER.port), in_ns)
        self.register_outputs({"serviceUrl": self.url, "serviceName": NAME})


def adapter_secrets(settings: AdapterSettings) -> dict[str, dict[str, pulumi.Output[str]]]:
    """The contents of each Secret by the last part of its logical name; none for a setting that is not given."""
    candidates = {
        "ner-labels": {LABELS_KEY: settings.ner_labels},
        "hf-credentials": {HF_KEY: settings.hf_access_token},
        "cf-access": {"client-id": settings.access_client_id, "client-secret": settings.access_client_secret},
        "sentry": {"dsn": settings.sentry_dsn},
    }
    given = {part: {key: one.output() for key, one in data.items() if one} for part, data in candidates.items()}
    return {part: data for part, data in given.items() if data}


def environment(settings: AdapterSettings) -> list[Manifest]:
    """The adapter's variables."""
    plain = {
        "TRITON_BASE_URL": settings.triton_base_url,
        "DEFAULT_MODEL": "distilbert-base-uncased",
        "TRITON_MODEL_NAME": settings.triton_model_name,
        "TRAIN_ASYNC": str(settings.train_async).lower(),
        "TRAIN_DRY_RUN": str(settings.train_dry_run).lower(),
        "TRAINING_JOB_IMAGE": settings.training_image,
        "TRAINING_JOB_NAMESPACE": NAMESPACE,
        "TRAINING_JOB_TTL_SECONDS": str(settings.training_job_ttl_seconds),
        "TRAIN_NODE_SELECTOR": ",".join(f"{name}={value}" for name, value in settings.training_node_selector.items()),
        "TRAIN_GPU_RESOURCE": settings.training_gpu_resource,
        "TRAIN_GPU_COUNT": str(settings.training_gpu_count),
        "HF_DATASET_REPO": settings.hf_dataset_repo,
        "HF_MODEL_REPO": settings.hf_model_repo,
        # The Job mounts this Secret by name; the adapter itself never reads it.
        "TRAIN_HF_SECRET_NAME": SECRETS["hf-credentials"],
        "TRAIN_HF_SECRET_KEY": HF_KEY,
        "SENTRY_ENVIRONMENT": settings.sentry_environment,
    }
    if settings.sentry_release:
        plain["SENTRY_RELEASE"] = settings.sentry_release
    variables = pods.plain_env(plain)
    variables.append(pods.secret_env("NER_LABELS", SECRETS["ner-labels"], LABELS_KEY))
    if settings.access_client_id:
        variables.append(pods.secret_env("CF_ACCESS_CLIENT_ID", SECRETS["cf-access"], "client-id"))
        variables.append(pods.secret_env("CF_ACCESS_CLIENT_SECRET", SECRETS["cf-access"], "client-secret"))
    if settings.sentry_dsn:
        variables.append(pods.secret_env("SENTRY_DSN", SECRETS["sentry"], "dsn"))
    return variables


def deployment(settings: AdapterSettings, rollout: pulumi.Input[str], placement: Placement) -> Manifest:
    """The Deployment. Its service account's token is mounted: the adapter starts Jobs."""
    container = pods.container(
        "adapter",
        settings.image,
        pods.port("http", ADAPTER.port),
        {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "100m", "memory": "80Mi"}},
        env=environment(settings),
        readinessProbe=pods.http_probe("/health", "http", period=10),
        livenessProbe=pods.http_probe("/health", "http", period=20),
    )
    pod = pods.pod(
        USER,
        placement,
        container,
        serviceAccountName=NAME,
        automountServiceAccountToken=True,
        # Always: without our token, somebody else may have made it.
        imagePullSecrets=[{"name": SECRETS["ghcr-creds"]}],
    )
    spec = {"replicas": 1, "selector": {"matchLabels": ADAPTER.pods}, "template": pod_template(rollout, pod)}
    return kubernetes_object("apps/v1", "Deployment", NAME, spec=spec)


def pull_secret(username: str, token: Secret) -> Manifest:
    """The pull secret for ghcr.io, which training Jobs use too."""
    auth = b64encode(f"{username}:{token.value}".encode()).decode()
    login = {"username": username, "password": token.value, "auth": auth}
    content = json.dumps({"auths": {"ghcr.io": login}})
    return {**secret(SECRETS["ghcr-creds"], {".dockerconfigjson": content}), "type": "kubernetes.io/dockerconfigjson"}


def service_account() -> Manifest:
    """The adapter's account; pods other than its own must ask for the token."""
    return kubernetes_object("v1", "ServiceAccount", NAME, automountServiceAccountToken=False)


def job_role() -> Manifest:
    """May start Jobs and follow them, in this namespace."""
    rule = {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create", "get", "list", "watch"]}
    return kubernetes_object(f"{_RBAC}/v1", "Role", JOB_ROLE, rules=[rule])


def job_role_binding() -> Manifest:
    """Gives the role to the adapter's account."""
    role = {"apiGroup": _RBAC, "kind": "Role", "name": JOB_ROLE}
    account = {"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}
    return kubernetes_object(f"{_RBAC}/v1", "RoleBinding", JOB_ROLE, roleRef=role, subjects=[account])


def access(callers: Sequence[Peer]) -> Manifest:
    """Only Label Studio, and whom the configuration names, may ask the adapter."""
    peers = [LABEL_STUDIO.pod_peer, *(peer.manifest() for peer in callers)]
    return network_policy(NAME, ADAPTER.pods, ingress_rules(peers, ADAPTER.port))
