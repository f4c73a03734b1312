"""What a run reads of the cluster before it registers anything: whether it answers, and whether it is ours."""

import base64
import contextlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from oceanid_cluster.components.apps.addresses import NAMESPACE
from oceanid_cluster.components.label_studio.settings import CLAIM, SECRETS
from oceanid_cluster.components.settings import Settings
from oceanid_cluster.config.errors import StartUpError
from oceanid_cluster.config.nodes import Node
from oceanid_cluster.config.secret import Secret
from oceanid_cluster.manifests import labels
from oceanid_cluster.startup.kubectl import KUBE_SYSTEM, Kubectl
from oceanid_cluster.startup.reasons import NO_API, why

_NODES = "/api/v1/nodes"
_NAMESPACES = f"/api/v1/namespaces?labelSelector={quote(f'{labels.MANAGED_BY}=pulumi')}"
_CREDENTIALS = f"/api/v1/namespaces/{NAMESPACE}/secrets/{SECRETS['app-secret']}"
_CLAIM = f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims/{CLAIM}"


@dataclass(frozen=True)
class Identity:
    """What tells one cluster from another.

    ``uid`` is the UID of namespace kube-system, ``nodes`` the names of its nodes (empty when the program does not
    manage their labels), ``clusters`` the names of the clusters that its namespaces belong to, with these namespaces.
    """

    uid: str
    nodes: frozenset[str] = frozenset()
    clusters: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])


@dataclass(frozen=True)
class Cluster:
    """What Label Studio has already in the cluster.

    ``generated`` is the data of the Secret apps/labelstudio-app-credentials by key, ``claim`` the spec of its volume
    claim; None when there is none.
    """

    generated: Mapping[str, Secret] | None = None
    claim: dict[str, Any] | None = None


def read_cluster(kubectl: Kubectl, settings: Settings) -> Cluster:
    """Ask the API server, and make sure that it is the one of the configuration, before anything else is read.

    Raises StartUpError that says what is wrong with the connection, or which cluster this is instead.
    """
    found = read_identity(kubectl, settings)
    problems = differences(found, settings)
    if problems:
        raise StartUpError(refusal(kubectl, problems))
    credentials, claim = _ask(kubectl, _CREDENTIALS, _CLAIM)
    return Cluster(_generated(credentials.get("data")) if credentials else None, claim["spec"] if claim else None)


def read_identity(kubectl: Kubectl, settings: Settings) -> Identity:
    """Which cluster it is. Raises StartUpError that says what is wrong with the connection."""
    wanted = [KUBE_SYSTEM, _NAMESPACES, *([_NODES] if settings.cluster.manage_node_labels else [])]
    system, namespaces, *listed = _ask(kubectl, *wanted)
    try:
        clusters: dict[str, list[str]] = {}
        for one in namespaces["items"]:
            if owner := one["metadata"]["labels"].get(labels.PART_OF):
                clusters.setdefault(owner, []).append(str(one["metadata"]["name"]))
        nodes = frozenset(str(node["metadata"]["name"]) for one in listed for node in one["items"])
        return Identity(str(system["metadata"]["uid"]), nodes, clusters)
    except (TypeError, KeyError, AttributeError):  # anything may answer at an address
        raise StartUpError(why(NO_API, kubectl.kubeconfig)) from None


def _ask(kubectl: Kubectl, first: str, *paths: str) -> list[Any]:
    """The answers to several paths; the first is asked alone: it may log in."""
    answer = kubectl.raw(first)
    with ThreadPoolExecutor(len(paths)) as pool:
        return [answer, *pool.map(kubectl.raw, paths)]


def differences(found: Identity, settings: Settings) -> list[str]:
    """In what a cluster differs from the one of the configuration, one line each.

    What to change in the configuration is said only where the cluster can be ours.
    """
    wanted = settings.cluster
    lines = [
        f"Its namespaces {', '.join(sorted(namespaces))} belong to the cluster '{name}', and ours is '{wanted.name}'."
        for name, namespaces in found.clusters.items()
        if name != wanted.name
    ]
    can_be_ours = not lines and is_known(found, settings)
    if _has_other_uid(found, settings):
        lines.append(f"Its UID is {found.uid}, and clusterUid is {wanted.uid}.")
        lines += [f"If it is ours and was reinstalled:  pulumi config set clusterUid {found.uid}"] * can_be_ours
    if missing := _missing(found, settings):
        lines.append(f"It has no node {', '.join(f'{node.host} ({node.name})' for node in missing)};")
        lines.append(f"its nodes are {', '.join(sorted(found.nodes)) or 'none'}.")
        lines += _MACHINE_HAS_LEFT * can_be_ours
    return [*lines, *_NOT_OURS] if lines and not can_be_ours else lines


_MACHINE_HAS_LEFT = (
    "If a machine has left, name those that are there:  pulumi config set nodes <json>",
    "or leave their labels alone:  pulumi config set manageNodeLabels false",
)
_NOT_OURS = (
    "Use the kubeconfig of this stack's cluster (KUBECONFIG, kubeContext), or the stack of that one (--stack).",
)


def is_another(found: Identity, settings: Settings) -> bool:
    """Whether a cluster is not ours; one of ours may lack a machine that has left."""
    others = found.clusters.keys() - {settings.cluster.name}
    unknown = _missing(found, settings) and not is_known(found, settings)
    return bool(others or unknown) or _has_other_uid(found, settings)


def is_known(found: Identity, settings: Settings) -> bool:
    """Whether something in the cluster says that it is ours: a namespace of this name, or one of its machines."""
    wanted = settings.cluster
    return wanted.name in found.clusters or any(node.host in found.nodes for node in wanted.nodes)


def _has_other_uid(found: Identity, settings: Settings) -> bool:
    return settings.cluster.uid not in (None, "", found.uid)


def _missing(found: Identity, settings: Settings) -> list[Node]:
    managed = settings.cluster.nodes if settings.cluster.manage_node_labels else ()
    return [node for node in managed if node.host not in found.nodes]


def refusal(kubectl: Kubectl, problems: Sequence[str]) -> str:
    """The message for a cluster that is not ours."""
    head = f"refusing to touch {kubectl.kubeconfig.server} (from {kubectl.kubeconfig.path}): it is another cluster."
    return "\n".join([head, *(f"  {line}" for line in problems)])


def _generated(data: Mapping[str, str] | None) -> Mapping[str, Secret] | None:
    """The values of a Secret, decoded; None when it has none.

    A value that is not text was not written by this program, and is left out.
    """
    read: dict[str, Secret] = {}
    for key, value in (data or {}).items():
        with contextlib.suppress(ValueError):
            read[key] = Secret(base64.b64decode(value).decode())
    return read or None
