"""Flux: the repository, what it is read with, what Git may use, and what the commands know of it."""

from dataclasses import dataclass

from oceanid_cluster import versions
from oceanid_cluster.components.facts import ComponentSettings, CustomResource, Expected, Facts, Reason
from oceanid_cluster.config import parsers
from oceanid_cluster.config.flux_keys import (
    parse_age_key,
    parse_alert_address,
    parse_app_key,
    parse_certificates,
    parse_verification_keys,
)
from oceanid_cluster.config.git_url import git_url, ssh_endpoint
from oceanid_cluster.config.ingress import IngressRule, Owner, check_hostname
from oceanid_cluster.config.schema import ConfigErrors, key, keys_of
from oceanid_cluster.config.secret import Secret
from oceanid_cluster.config.ssh_keys import knows_host, parse_known_hosts, parse_private_key
from oceanid_cluster.manifests.network import ServiceAddress

NAMESPACE = NAME = "flux-system"  # as `flux bootstrap` calls them
ALERTS = "cluster-alerts"  # the Provider, the Alert, and the Secret with the address
# The Secrets by the last part of their logical names.
SECRETS = {
    "github-token": "github-token", "ssh": "flux-system-ssh", "github-app": "github-app", "sops-age": "sops-age",
    "webhook-token": "webhook-token", "verification-keys": "git-verification-keys", "alert-address": ALERTS,
}  # fmt: skip
RUNTIME_INFO = "flux-runtime-info"
SOURCE_CONTROLLER = ServiceAddress(NAMESPACE, "source-controller", 80, {"app": "source-controller"})
WEBHOOK_RECEIVER = ServiceAddress(NAMESPACE, "webhook-receiver", 80, {"app": "notification-controller"})
RUNBOOK = 'docs/runbook.md, "Flux does not reconcile"'
# Of the Provider types in notification-controller v1.8.4 (internal/notifier/factory.go) those that need no more than an
# address, by whether they read the channel. Those of commit statuses are left out: they drop failures before v1.9.
ALERT_TYPES = {
    "generic": False, "slack": True, "discord": True, "rocket": True, "msteams": False, "googlechat": False,
    "lark": False, "sentry": True, "alertmanager": False,
}  # fmt: skip


def hints(controller: str, resource: str, condition: str) -> dict[Reason, str]:
    """The hints of an object of Flux: which controller serves it, and how the flux command calls its kind."""
    return {
        "silent": f"why not: kubectl -n {NAMESPACE} logs deploy/{controller}-controller",
        "suspended": f"flux resume {resource} <name> -n <namespace>",
        "condition": condition,
        "behind": f"does its controller work: kubectl -n {NAMESPACE} logs deploy/{controller}-controller",
    }


_GIT = hints("source", "source git", f"github_token, the deploy key or gitRepositoryUrl: {RUNBOOK}")
_ROOT = hints("kustomize", "kustomization", RUNBOOK)
_WEBHOOK = hints("notification", "receiver", f"its Secret or the repository is missing: {RUNBOOK}")
_CONTROLLERS = ("source", "kustomize", "helm", "notification")
FACTS = Facts(
    name="FluxBootstrap",
    title="Flux",
    logical_name="gitops",
    type_token="oceanid:gitops:FluxBootstrap",
    namespace=NAMESPACE,
    expected=(
        *(Expected("Deployment", NAMESPACE, f"{name}-controller") for name in _CONTROLLERS),
        Expected("GitRepository", NAMESPACE, NAME, _GIT),
        Expected("Kustomization", NAMESPACE, NAME, _ROOT),
        Expected("Receiver", NAMESPACE, NAME, _WEBHOOK, optional=True),
        Expected("Provider", NAMESPACE, ALERTS, optional=True),
        Expected("Alert", NAMESPACE, ALERTS, optional=True),
    ),
    others={"ConfigMap": [RUNTIME_INFO]},
    optional={"Secret": [*SECRETS.values()]},
    custom_resources=(
        CustomResource("GitRepository", "gitrepositories.source.toolkit.fluxcd.io"),
        CustomResource("Kustomization", "kustomizations.kustomize.toolkit.fluxcd.io"),
        CustomResource("Receiver", "receivers.notification.toolkit.fluxcd.io"),
        # notification-controller, api/v1beta3: neither has a status.
        CustomResource("Provider", "providers.notification.toolkit.fluxcd.io", static=True),
        CustomResource("Alert", "alerts.notification.toolkit.fluxcd.io", static=True),
    ),
    # All of the chart's, with or without image automation.
    crd_groups=tuple(
        f".{group}.toolkit.fluxcd.io" for group in ("source", "kustomize", "helm", "image", "notification")
    ),
)


@dataclass(frozen=True)
class FluxSettings(ComponentSettings):
    """Flux and the repository that it follows."""

    facts = FACTS
    pairs = (
        ("ssh_private_key", "known_hosts"),
        ("webhook_token", "webhook_hostname"),
        ("alert_type", "alert_address"),
        ("github_app_id", "github_app_private_key"),
        ("github_app_id", "github_app_installation_id"),
    )

    enabled: bool = key("enableFluxBootstrap", parsers.boolean, "install Flux", default="true")

    github_token: Secret | None = key(
        "github_token", parsers.token,
        "GitHub token for Flux and image automation; or the two SSH keys, or a GitHub App", secret=True,
        old=("github.token",), value="token",
    )  # fmt: skip
    ssh_private_key: Secret | None = key(
        "flux.ssh_private_key", parse_private_key, "Git over SSH: deploy key without a passphrase", secret=True,
        value="key", stdin="< deploy-key",
    )  # fmt: skip
    known_hosts: Secret | None = key(
        "flux.known_hosts", parse_known_hosts, "Git over SSH: known_hosts lines of the repository's host", secret=True,
        value="lines", stdin="< known-hosts   # made by: ssh-keyscan <host> > known-hosts",
    )  # fmt: skip
    github_app_id: int | None = key(
        "flux.github_app_id", parsers.integer(1, 999_999_999_999), "Git by a GitHub App: its App ID", value="number"
    )
    github_app_installation_id: int | None = key(
        "flux.github_app_installation_id", parsers.integer(1, 999_999_999_999),
        "Git by a GitHub App: the number at the end of the installation's URL", value="number",
    )  # fmt: skip
    github_app_private_key: Secret | None = key(
        "flux.github_app_private_key", parse_app_key, "Git by a GitHub App: its private key", secret=True, value="key",
        stdin="< app.private-key.pem",
    )  # fmt: skip
    ca_certificate: str | None = key(
        "flux.ca_certificate", parse_certificates, "CA certificates of the Git server, in PEM",
        value="certificates", stdin="< ca.crt",
    )  # fmt: skip
    verification_keys: tuple[str, ...] | None = key(
        "flux.verification_keys", parse_verification_keys,
        "OpenPGP public keys: Flux applies only commits signed by one of them", value="keys",
        stdin="< keys.asc   # made by: gpg --armor --export <key> > keys.asc",
    )  # fmt: skip
    sops_age_key: Secret | None = key(
        "flux.sops_age_key", parse_age_key, "age key that decrypts SOPS secrets in Git", secret=True,
        value="key", stdin="< age.agekey",
    )  # fmt: skip
    runtime_info: bool = key(
        "flux.runtime_info", parsers.boolean,
        "replace ${NAME} in the root Kustomization with values of the ConfigMap flux-runtime-info",
        default="false",
    )  # fmt: skip
    webhook_token: Secret | None = key(
        "flux.webhook_token", parsers.text,
        "secret of the repository's webhook, to reconcile at each push", secret=True, value="token",
    )  # fmt: skip
    webhook_hostname: str | None = key(
        "flux.webhook_hostname",
        check_hostname,
        "public host name of the webhook",
        value="hostname",
    )
    alert_type: str | None = key(
        "flux.alert_type", parsers.choice(*ALERT_TYPES),
        f"where Flux sends alerts: {', '.join(ALERT_TYPES)}", value="type",
    )  # fmt: skip
    alert_address: Secret | None = key(
        "flux.alert_address", parse_alert_address,
        "address for alerts: webhook URL, DSN (sentry) or API URL (alertmanager)", secret=True,
        value="URL",
    )  # fmt: skip
    alert_channel: str | None = key(
        "flux.alert_channel", parsers.text, "channel (slack, discord, rocket) or environment (sentry)",
        value="channel",
    )  # fmt: skip
    url: str = key(
        "gitRepositoryUrl", git_url, "repository: https://host/path, ssh://git@host/path or git@host:path",
        default="https://github.com/goldfish-inc/oceanid", value="URL",
    )  # fmt: skip
    branch: str = key("gitRepositoryBranch", parsers.git_branch, "branch that Flux reads", default="main")
    path: str = key("gitRepositoryPath", parsers.repository_path, "folder that Flux reads", default="clusters/tethys")
    interval_seconds: int = key(
        "gitRepositoryIntervalSeconds", parsers.integer(1, 86400), "seconds between polls of Git", default="60"
    )
    reconciliation_seconds: int = key(
        "gitReconciliationSeconds", parsers.integer(1, 86400), "seconds between drift corrections", default="600"
    )
    chart: str = key(
        "fluxChart",
        parsers.text,
        "chart of Flux: name, local path or OCI reference",
        default=versions.chart("flux2").chart,
    )
    chart_repository: str | None = key(
        "fluxChartRepository", parsers.http_url, "Helm repository of the Flux chart, if that is a name",
        default=versions.chart("flux2").repository,
    )  # fmt: skip
    chart_version: str = key(
        "fluxChartVersion", parsers.chart_version, "version of the Flux chart", default=versions.chart("flux2").version
    )

    @property
    def uses_ssh(self) -> bool:
        """Whether Git is read over SSH."""
        return self.ssh_private_key is not None

    @property
    def uses_app(self) -> bool:
        """Whether Git is read as a GitHub App."""
        return self.github_app_private_key is not None

    def tunnel_rules(self, domain: str) -> tuple[IngressRule, ...]:
        """The webhook, which the Git server calls: the Receiver checks what it signed with ``flux.webhook_token``."""
        owner = Owner("the webhook's rule", "flux.webhook_hostname", WEBHOOK_RECEIVER.peer, public=True)
        service, hostname = WEBHOOK_RECEIVER.url(domain), self.webhook_hostname
        return (IngressRule(service, hostname, "^/hook/", owner=owner),) if hostname else ()


def check_flux(flux: FluxSettings, problems: ConfigErrors) -> None:
    """The repository's URL, and what Flux reads it with: exactly one of token, deploy key and GitHub App."""
    rows = keys_of(FluxSettings)
    token, key_row, app_row = (rows[name] for name in ("github_token", "ssh_private_key", "github_app_private_key"))
    given = flux.github_token or flux.uses_ssh or flux.uses_app
    if not given and not problems.about(token.name, key_row.name, app_row.name):
        problems.add_missing(token, "needed while enableFluxBootstrap is true")
    if flux.uses_ssh and flux.uses_app:
        problems.add(
            key_row.name,
            f"and '{app_row.name}' are two ways to read one repository; keep one",
            f"pulumi config rm {app_row.name}   # or {key_row.name} and flux.known_hosts",
        )
    elif flux.url and flux.uses_ssh:
        _check_ssh(flux, problems)
    elif flux.url:
        _check_https(flux, problems)
    channel = rows["alert_channel"]
    if flux.alert_channel and not problems.about("flux.alert_type") and not ALERT_TYPES.get(flux.alert_type or ""):
        readers = ", ".join(name for name, reads in ALERT_TYPES.items() if reads)
        problems.add(channel.name, f"is read only with flux.alert_type {readers}", f"pulumi config rm {channel.name}")


def _check_https(flux: FluxSettings, problems: ConfigErrors) -> None:
    rows = keys_of(FluxSettings)
    key_row, url_row = rows["ssh_private_key"], rows["url"]
    if flux.url.startswith("ssh://"):
        if flux.uses_app:
            problems.add(url_row.name, "is ssh, and a GitHub App reads over https", url_row.fix)
        elif not problems.about(key_row.name):
            problems.add(url_row.name, "is ssh, but there is no deploy key", key_row.fix)


def _check_ssh(flux: FluxSettings, problems: ConfigErrors) -> None:
    rows = keys_of(FluxSettings)
    hosts_row, url_row, ca_row = rows["known_hosts"], rows["url"], rows["ca_certificate"]
    if flux.ca_certificate:
        problems.add(
            ca_row.name,
            "is for https, and Git is read over SSH: flux.known_hosts says which host it is",
            f"pulumi config rm {ca_row.name}",
        )
    try:
        host, port = ssh_endpoint(flux.url)
    except ValueError as problem:
        problems.add(url_row.name, str(problem), url_row.fix)
        return
    if flux.known_hosts and not knows_host(flux.known_hosts.value, host, port):
        at = host if port == 22 else f"{host} at port {port}"
        scan = f"ssh-keyscan {host}" if port == 22 else f"ssh-keyscan -p {port} {host}"
        problems.add(
            hosts_row.name,
            f"has no line for {at}, so Flux would refuse to connect",
            f"{scan} | pulumi config set --secret {hosts_row.name}   # then compare the fingerprints with the host's",
        )
