"""What a run reads of the cluster before it registers anything: whether it answers, and whether it is ours."""

import base64
import contextlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, cast

from oceanid_cluster.components.label_studio.settings import APP_SECRET, CLAIM, NAMESPACE
from oceanid_cluster.components.settings import Settings
from oceanid_cluster.config.errors import StartUpError
from oceanid_cluster.config.secret import Secret
from oceanid_cluster.startup.kubeconfig import Kubeconfig
from oceanid_cluster.startup.kubectl import Kubectl
from oceanid_cluster.startup.processes import CommandError

SSH_TUNNEL = "ssh -L 16443:localhost:6443 tethys -N"
KUBE_SYSTEM = "/api/v1/namespaces/kube-system"
_NODES = "/api/v1/nodes"
_CREDENTIALS = f"/api/v1/namespaces/{NAMESPACE}/secrets/{APP_SECRET}"
_CLAIM = f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims/{CLAIM}"
# What kubectl says, and what that means; the first that fits. Its own words may come from a credential plugin.
_FRESH = "Take a fresh kubeconfig:  k3s kubectl config view --raw"
_NO_API = "that is no answer of the Kubernetes API"
# What Go says of a certificate that is trusted and yet refused (crypto/x509/verify.go).
_EXPIRED = """\
shows a certificate that has expired.
  K3s renews it when it starts, on that machine:  systemctl restart k3s
  docs/runbook.md, "An expired certificate"
"""
_NOT_YET_VALID = """\
shows a certificate that is not valid yet: a clock is wrong.
  Compare, here and on that machine:  date -u
"""
_OTHER_NAMES = """\
shows a certificate that was made for other names.
  Give K3s the name (--tls-san <name>) and restart it, or go by one that it has:
  kubectl config set-cluster <cluster> --tls-server-name=kubernetes
"""
_CERTIFICATES = (
    ((" is after ",), _EXPIRED.rstrip()),
    ((" is before ",), _NOT_YET_VALID.rstrip()),
    (("certificate is valid for", "not valid for any names", "cannot validate certificate for"), _OTHER_NAMES.rstrip()),
)
_REASONS = (
    *_CERTIFICATES,
    (
        (_NO_API, "HTTP response to HTTPS client", "does not look like a TLS handshake"),
        f"is none: another program answers there.\n  Is the SSH tunnel open on that port?  {SSH_TUNNEL}",
    ),
    (
        ("x509", "certificate", "tls: "),
        f"does not show a certificate that the kubeconfig trusts, or refuses the kubeconfig's own.\n  {_FRESH}",
    ),
    (("Unauthorized", "must be logged in"), f"refuses the credentials of the kubeconfig.\n  {_FRESH}"),
    (
        ("(Forbidden)", " forbidden"),
        "does not let this user read nodes, namespaces and Secrets.\n  Use an administrator's kubeconfig",
    ),
    (
        ("getting credentials", "exec plugin", "exec: ", "error: open ", "header field value"),
        "was not asked: the kubeconfig's login plugin or token does not work.\n  See why:  kubectl get nodes",
    ),
    (
        ("ServiceUnavailable", "(InternalError)", "currently unable", "not ready"),
        "answers, but is not ready.\n  See what is not:  kubectl get --raw '/readyz?verbose'",
    ),
    (
        ("invalid configuration", "error loading config", "no Auth Provider", "specifying a root certificates file"),
        "was not asked: kubectl cannot use the kubeconfig.\n  See why:  kubectl get nodes",
    ),
)
_UNREACHABLE = (
    "was refused", "connection refused", "no such host", "timeout", "deadline exceeded", "no route to host",
    "network is unreachable", "connection reset", "EOF", "proxyconnect",
)  # fmt: skip


@dataclass(frozen=True)
class Cluster:
    """What was read: the UID of namespace kube-system, the names of the nodes, and what Label Studio has already.

    ``generated`` is the data of the Secret apps/labelstudio-app-credentials by key, ``claim`` the spec of its volume
    claim; None when there is none.
    """

    uid: str
    nodes: frozenset[str]
    generated: Mapping[str, Secret] | None = None
    claim: dict[str, Any] | None = None


def read_cluster(kubectl: Kubectl, settings: Settings) -> Cluster:
    """Ask the API server, and make sure that it is the one of the configuration.

    Its nodes count unless ``manageNodeLabels`` is off, its UID when ``clusterUid`` is set. Raises StartUpError that
    says what is wrong with the connection, or which cluster this is instead.
    """
    wanted = [KUBE_SYSTEM, _CREDENTIALS, _CLAIM, *([_NODES] if settings.cluster.manage_node_labels else [])]
    with ThreadPoolExecutor(len(wanted)) as pool:
        asked = [pool.submit(kubectl.raw, path) for path in wanted]
    try:
        system, credentials, claim, *listed = [one.result() for one in asked]
        nodes = [_metadata(node, "name") for one in listed for node in _items(one)]
        cluster = Cluster(_metadata(system, "uid"), frozenset(nodes), _generated(credentials), _claim(claim))
    except CommandError as problem:
        raise StartUpError(why(str(problem), kubectl.kubeconfig)) from None
    problems = differences(cluster, settings)
    if problems:
        head = f"refusing to touch {kubectl.kubeconfig.server} (from {kubectl.kubeconfig.path}): it is another cluster."
        raise StartUpError("\n".join([head, *(f"  {line}" for line in problems)]))
    return cluster


def read_uid(kubectl: Kubectl) -> str:
    """The UID of namespace kube-system, which no other cluster has.

    Raises StartUpError that says what is wrong with the connection.
    """
    try:
        return _metadata(kubectl.raw(KUBE_SYSTEM), "uid")
    except CommandError as problem:
        raise StartUpError(why(str(problem), kubectl.kubeconfig)) from None


def _metadata(found: Any, field: str) -> str:
    """A field of an object's metadata. Raises CommandError: anything may answer at an address."""
    try:
        return str(found["metadata"][field])
    except (TypeError, KeyError):
        raise CommandError(_NO_API) from None


def _items(found: Any) -> Sequence[Any]:
    try:
        return [*found["items"]]
    except (TypeError, KeyError):
        raise CommandError(_NO_API) from None


def differences(cluster: Cluster, settings: Settings) -> list[str]:
    """In what a cluster differs from the one of the configuration, one line each, with what to do."""
    wanted = settings.cluster
    lines: list[str] = []
    if wanted.uid and wanted.uid != cluster.uid:
        lines.append(f"Its UID is {cluster.uid}, and clusterUid is {wanted.uid}.")
        lines.append(f"If it is ours, made anew:  pulumi config set clusterUid {cluster.uid}")
    missing = [node for node in wanted.nodes if node.host not in cluster.nodes] if wanted.manage_node_labels else []
    if missing:
        lines.append(f"It has no node {', '.join(f'{node.host} ({node.name})' for node in missing)};")
        lines.append(f"its nodes are {', '.join(sorted(cluster.nodes)) or 'none'}.")
        lines.append("If a machine has left, name those that are there:  pulumi config set nodes <json>")
        lines.append("or leave their labels alone:  pulumi config set manageNodeLabels false")
    return lines


def _generated(found: Any) -> Mapping[str, Secret] | None:
    """The data of a Secret; None when there is no such Secret, or when it is empty.

    A value that is no text was not written by this program, and is left out.
    """
    secret = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    data: Mapping[str, str] = secret.get("data") or {}
    read: dict[str, Secret] = {}
    for key, value in data.items():
        with contextlib.suppress(ValueError):
            read[key] = Secret(base64.b64decode(value).decode())
    return read or None


def _claim(found: Any) -> dict[str, Any] | None:
    """The spec of a volume claim; None when there is no such claim."""
    claim = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    return claim.get("spec") or None


def why(said: str, kubeconfig: Kubeconfig) -> str:
    """One message for what kubectl said on standard error when it could not ask; nothing of that is shown."""
    who = f"the Kubernetes API server {kubeconfig.server} (from {kubeconfig.path})"
    for words, meaning in _REASONS:
        if any(word in said for word in words):
            return f"{who} {meaning}"
    reason = next((f": {word.removeprefix('was ')}" for word in _UNREACHABLE if word in said), "")
    return (
        f"cannot reach {who}{reason}\n"
        f"  If it is behind the SSH tunnel, open that first:  {SSH_TUNNEL}\n"
        "  Then check:  kubectl get --raw /readyz"
    )
