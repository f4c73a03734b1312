"""Step 1: Flux, the GitOps engine, and the repository that it follows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pulumi
from pulumi_kubernetes.helm import v4 as helm

from oceanid_cluster import versions
from oceanid_cluster.components.base import Component, Context, depends_on, secret
from oceanid_cluster.components.flux.settings import ALERTS, FACTS, NAME, NAMESPACE, RUNTIME_INFO, SECRETS, FluxSettings
from oceanid_cluster.config.git_url import github_page, ssh_url
from oceanid_cluster.manifests import labels
from oceanid_cluster.manifests.network import tcp
from oceanid_cluster.manifests.objects import kubernetes_object
from oceanid_cluster.manifests.pods import Manifest, Placement

CRD_TYPE = "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition"
SERVICE_TYPE = "kubernetes:core/v1:Service"
POLICY_TYPE = "kubernetes:networking.k8s.io/v1:NetworkPolicy"

_CONTROLLERS = ("sourceController", "kustomizeController", "helmController", "notificationController")
# Feature gates of kustomize-controller. Their defaults differ between releases, so both are set for all of them.
GATES = {
    # A commit that repairs another one is applied at once, not when the wait for the broken one is over.
    "CancelHealthCheckOnNewRevision": True,
    # A ${NAME} without a value is replaced by nothing, as Flux does before v1.9: an upgrade of Flux breaks no commit.
    "StrictPostBuildSubstitutions": False,
}
_IMAGE_CONTROLLERS = ("imageAutomationController", "imageReflectionController")


@dataclass(frozen=True)
class FluxArgs:
    """What Flux takes.

    ``hostnames`` are what Git may use of the configuration beside the cluster's name; ``image_automation`` asks for the
    controllers of image automation.
    """

    settings: FluxSettings
    context: Context
    hostnames: Mapping[str, str]
    image_automation: bool


class FluxBootstrap(Component):
    """Installs Flux from its chart and points it at the repository.

    It never waits for the root Kustomization: an app in Git may wait for the Pulumi operator, which comes after us.
    """

    type_token, namespace = FACTS.type_token, NAMESPACE

    def __init__(self, name: str, args: FluxArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Output: ``namespace``."""
        settings, context = args.settings, args.context
        super().__init__(name, context, opts)
        self.object_labels = labels.workload_labels(context.cluster.name, "gitops", "flux", {})
        ns = self.create_namespace("gitops", "restricted")
        before_git: list[pulumi.Resource] = [
            self.create(part, secret(SECRETS[part], data), depends_on(ns)) for part, data in secrets(settings).items()
        ]
        # What Git may use of the configuration, by ``postBuild.substituteFrom``.
        known = {"CLUSTER_NAME": context.cluster.name, "STACK": pulumi.get_stack(), **args.hostnames}
        info = kubernetes_object("v1", "ConfigMap", RUNTIME_INFO, data=known)
        before_git.append(self.create("runtime-info", info, depends_on(ns)))
        pinned = versions.Chart(settings.chart, settings.chart_repository, settings.chart_version)
        chart = helm.Chart(
            f"{name}-flux",
            chart=pinned.chart,
            version=pinned.chosen_version,
            repository_opts=pinned.repository_opts,
            namespace=NAMESPACE,
            values=chart_values(args.image_automation, context.cluster.domain, context.placement),
            opts=pulumi.ResourceOptions(
                parent=self, provider=context.provider, depends_on=[ns], transforms=[self._transform_chart_child]
            ),
        )
        # Retained: only Flux can take its finalizers off, and a destroy must end where Flux is dead.
        repository = self.register(
            f"{name}-git-repo",
            git_repository(settings),
            pulumi.ResourceOptions(depends_on=[chart, *before_git], retain_on_delete=True),
        )
        self.register(
            f"{name}-kustomization",
            root_kustomization(settings),
            pulumi.ResourceOptions(depends_on=[repository], retain_on_delete=True),
        )
        if settings.webhook_token:
            # Only Flux can take its finalizer off. Where Flux stays it does; where Flux goes, the Receiver is left.
            left_with_flux = pulumi.ResourceOptions(depends_on=[repository], deleted_with=ns)
            self.register(f"{name}-webhook", receiver(settings), left_with_flux)
        if settings.alert_type:
            after = depends_on(chart, *before_git)
            channel = {"channel": settings.alert_channel} if settings.alert_channel else {}
            target = provider(ALERTS, settings.alert_type, ALERTS, **channel)
            kinds = ("GitRepository", "Kustomization", "HelmRelease")
            reported = alert(ALERTS, ALERTS, kinds, eventMetadata={"cluster": context.cluster.name})
            told = self.register(f"{name}-alert-provider", target, after)
            self.register(f"{name}-alert", reported, depends_on(told))
        self.register_outputs({"namespace": NAMESPACE})

    def _transform_chart_child(self, args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
        """Options of what the chart makes: CRDs stay when Flux goes (deleting one deletes every object of its kind)."""
        opts = args.opts
        props: dict[str, Any] = dict(args.props)
        if "metadata" in props:  # the chart itself comes by here too
            metadata = labels.owned(props["metadata"], retained=args.type_ == CRD_TYPE)
            if args.type_ == CRD_TYPE:
                # How the leftovers of a destroy are known from those of somebody else's Flux.
                metadata["labels"] = {**(metadata.get("labels") or {}), labels.MANAGED_BY: "pulumi"}
                metadata["annotations"].update(labels.wait_until_served({**props, "metadata": metadata}))
            elif args.type_ == SERVICE_TYPE:
                metadata["annotations"].update(labels.SKIP_AWAIT)
            props["metadata"] = metadata
            if (args.type_, metadata.get("name")) == (POLICY_TYPE, "allow-webhooks"):
                # Without a port any pod may send events, too (flux2, manifests/policies/allow-webhooks.yaml).
                ingress = [{**rule, "ports": tcp(9292)} for rule in props["spec"]["ingress"]]
                props["spec"] = {**props["spec"], "ingress": ingress}
        if args.type_ == CRD_TYPE:
            opts.retain_on_delete = True
        opts.custom_timeouts = self.context.timeouts
        return pulumi.ResourceTransformResult(props=props, opts=opts)


def chart_values(image_automation: bool, domain: str, placement: Placement) -> dict[str, Any]:
    """Values of the chart flux2: its CRDs, all of them, and which controllers, with limits and a place to run.

    ``domain`` is the cluster's: the controllers find each other by full names.
    """
    controller = {
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
        **placement.manifest(),
    }
    gates = ",".join(f"{name}={str(on).lower()}" for name, on in GATES.items())
    return {
        "installCRDs": True,
        "clusterDomain": domain,
        **dict.fromkeys(_CONTROLLERS, controller),
        "kustomizeController": {**controller, "container": {"additionalArgs": [f"--feature-gates={gates}"]}},
        **{name: {**controller, "create": image_automation} for name in _IMAGE_CONTROLLERS},
    }


# Of the webhook, by the kind of the Receiver; a generic one has none.
_EVENTS = {"github": ["ping", "push"], "gitlab": ["Push Hook"]}


def secrets(settings: FluxSettings) -> dict[str, dict[str, pulumi.Input[str]]]:
    """What Flux needs beside its objects: the contents of each Secret, by the last part of its logical name."""
    authority: dict[str, pulumi.Input[str]] = {"ca.crt": settings.ca_certificate} if settings.ca_certificate else {}
    found: dict[str, dict[str, pulumi.Input[str]]] = {}
    if settings.ssh_private_key and settings.known_hosts:
        found["ssh"] = {"identity": settings.ssh_private_key.output(), "known_hosts": settings.known_hosts.output()}
    if settings.github_app_private_key:
        base = _github_api(urlsplit(settings.url).netloc)
        found["github-app"] = {
            "githubAppID": str(settings.github_app_id),
            "githubAppInstallationID": str(settings.github_app_installation_id),
            "githubAppPrivateKey": settings.github_app_private_key.output(),
            **({"githubAppBaseURL": base} if base else {}),
            **authority,
        }
    if settings.github_token:
        token = settings.github_token.output()
        # Git reads username and password; the notification provider reads token.
        found["github-token"] = {"username": "git", "password": token, "token": token, **authority}
    if settings.sops_age_key:
        found["sops-age"] = {"age.agekey": settings.sops_age_key.output()}  # Flux reads what ends in .agekey
    if settings.webhook_token:
        found["webhook-token"] = {"token": settings.webhook_token.output()}
    if settings.verification_keys:
        numbered = enumerate(settings.verification_keys, start=1)
        found["verification-keys"] = {f"key-{number}.asc": text for number, text in numbered}
    if settings.alert_address:
        found["alert-address"] = {"address": settings.alert_address.output()}
    return found


def _github_api(host: str) -> str | None:
    """Where a GitHub of one's own answers (GitHub's REST documentation, "Getting started"); None for github.com."""
    if host == "github.com":
        return None
    return f"https://api.{host}" if host.endswith(".ghe.com") else f"https://{host}/api/v3"


def flux_object(group: str, kind: str, name: str, spec: Manifest) -> Manifest:
    """An object of Flux, in its namespace and without our labels; ``group`` is that of its API in versions.py."""
    return kubernetes_object(versions.flux_api(group), kind, name, ns=NAMESPACE, spec=spec)


def receiver(settings: FluxSettings) -> Manifest:
    """Reads the repository as soon as its host calls the webhook (notification-controller, Receiver)."""
    kind = "gitlab" if "gitlab" in (urlsplit(settings.url).hostname or "").split(".") else "generic"
    if settings.uses_app or github_page(settings.url):
        kind = "github"
    spec = {
        "type": kind,
        **({"events": _EVENTS[kind]} if kind in _EVENTS else {}),
        "secretRef": {"name": SECRETS["webhook-token"]},
        "resources": [{"kind": "GitRepository", "name": NAME}],
    }
    return flux_object("receiver", "Receiver", NAME, spec)


def provider(name: str, service: str, secret_name: str, **more: object) -> Manifest:
    """Where Flux reports to: a ``service`` of its list, with the Secret that says where it is, or lets Flux in."""
    return flux_object("notification", "Provider", name, {"type": service, "secretRef": {"name": secret_name}, **more})


def alert(name: str, to: str, kinds: Sequence[str], **more: object) -> Manifest:
    """Reports all that the objects of these kinds in Flux's namespace say ``to`` a Provider.

    Flux has no level for "it works again": with ``error`` nobody would hear that a failure is over.
    """
    sources = [{"kind": kind, "name": "*"} for kind in kinds]
    spec = {"providerRef": {"name": to}, "eventSeverity": "info", "eventSources": sources, **more}
    return flux_object("notification", "Alert", name, spec)


def git_repository(settings: FluxSettings) -> Manifest:
    """The repository that Flux reads: over SSH, as a GitHub App, or with a token."""
    login = "ssh" if settings.uses_ssh else "github-app" if settings.uses_app else "github-token"
    verify = {"mode": "HEAD", "secretRef": {"name": SECRETS["verification-keys"]}}
    spec = {
        "interval": f"{settings.interval_seconds}s",
        "timeout": "60s",
        "url": ssh_url(settings.url) if settings.uses_ssh else settings.url,
        "ref": {"branch": settings.branch},
        "secretRef": {"name": SECRETS[login]},
        **({"provider": "github"} if settings.uses_app else {}),
        **({"verify": verify} if settings.verification_keys else {}),
    }
    return flux_object("source", "GitRepository", NAME, spec)


def root_kustomization(settings: FluxSettings) -> Manifest:
    """The Kustomization from which everything in Git hangs.

    ``deletionPolicy: Orphan``: if it is ever deleted, the applications go on running.
    """
    decryption = {"provider": "sops", "secretRef": {"name": SECRETS["sops-age"]}}
    substitution = {"substituteFrom": [{"kind": "ConfigMap", "name": RUNTIME_INFO}]}
    spec = {
        "interval": f"{settings.reconciliation_seconds}s",
        "retryInterval": "2m",
        "timeout": "5m",
        "path": settings.path,
        "prune": True,
        "wait": True,
        "force": False,
        "deletionPolicy": "Orphan",
        "sourceRef": {"kind": "GitRepository", "name": NAME},
        **({"decryption": decryption} if settings.sops_age_key else {}),
        **({"postBuild": substitution} if settings.runtime_info else {}),
    }
    return flux_object("kustomize", "Kustomization", NAME, spec)
