"""What the commands know of a component without installing it: its names, its objects, and how each is judged."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar, Literal, NamedTuple

from oceanid_cluster.config.ingress import IngressRule
from oceanid_cluster.manifests.pods import Placement

Reason = Literal[
    "ready", "missing", "scaled", "paused", "no node", "unscheduled", "refused", "evicted", "image", "starting",
    "crash", "probe", "condition", "suspended", "silent", "changed", "terminating", "node", "behind", "unbound", "lost",
    "namespace",
]  # fmt: skip

# Kinds without a namespace, of which a component may have an object.
CLUSTER_WIDE = ("Namespace", "Node", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
DEPLOY = "a deploy puts it back: workflow 'Deploy Cluster (self-hosted)', or: pulumi up --refresh --run-program"

_DELETED = {
    "Node": 'docs/runbook.md, "Label or replace a node"',
    "Namespace": 'docs/runbook.md, "Stuck namespace"',
    "PersistentVolumeClaim": 'how to keep its data: docs/runbook.md, "A volume claim that is being deleted"',
}


def fix(kind: str, reason: Reason) -> str:
    """What to do about an object of a kind, for a reason; empty when the detail says it all."""
    if reason == "node":
        return 'docs/runbook.md, "A node that is off"'
    if kind == "Node" and reason == "missing":
        return _DELETED[kind]
    if reason in ("missing", "scaled", "changed"):
        return DEPLOY
    if reason == "lost":
        return "restore it from the backup"
    if reason == "namespace":  # which is being deleted: nothing can be made in it
        return _DELETED.get(kind, _DELETED["Namespace"])
    return _DELETED.get(kind, f"once it is gone, {DEPLOY}") if reason == "terminating" else ""


class ObjectRef(NamedTuple):
    """Where an object is. ``namespace`` is empty for an object of the whole cluster."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """As kubectl takes it."""
        return f"{f'-n {self.namespace} ' if self.namespace else ''}{self.kind.lower()}/{self.name}"


@dataclass(frozen=True)
class Expected:
    """One object that must be in the cluster, and what to do about it.

    ``hints`` belong to reasons: a hint is shown for its reason only, so that it never contradicts the detail. An
    ``optional`` object depends on more than its component's flag: without the state, it is expected only where it
    exists.
    """

    kind: str
    namespace: str
    name: str
    hints: Mapping[Reason, str] = field(default_factory=lambda: MappingProxyType({}))
    optional: bool = False

    @property
    def ref(self) -> ObjectRef:
        """Where it is."""
        return ObjectRef(self.kind, self.namespace, self.name)

    def hint(self, reason: Reason) -> str:
        """What to do, for this reason; empty when the detail says it all."""
        own = self.hints.get(reason, "").replace("<name>", self.name).replace("<namespace>", self.namespace)
        return own or fix(self.kind, reason)


@dataclass(frozen=True)
class CustomResource:
    """A kind of custom resource as kubectl is asked for it, with its group: other projects have a Kustomization too.

    A ``static`` one has no status: it is there, or it is not.
    """

    kind: str
    resource: str
    static: bool = False


@dataclass(frozen=True)
class Facts:
    """What a component is called, and what a deploy of it leaves in the cluster.

    ``name`` is its name in the outputs, ``title`` in messages; ``logical_name`` and ``type_token`` are those that the
    stack's state holds. ``expected`` is what health looks at; ``others`` and ``optional`` are what else a deploy
    creates under a fixed name, ``optional`` depending on a key. ``crd_groups`` are endings of the
    names of the CRDs that its chart brings, ``releases`` the names of its Helm releases, ``needs`` the components
    without which it cannot work.
    """

    name: str
    title: str
    logical_name: str
    type_token: str
    namespace: str
    expected: tuple[Expected, ...]
    others: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])  # names by kind
    optional: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    custom_resources: tuple[CustomResource, ...] = ()
    crd_groups: tuple[str, ...] = ()
    releases: tuple[str, ...] = ()
    needs: tuple["Facts", ...] = ()

    def refs(self) -> Iterator[ObjectRef]:
        """Where the objects are that a deploy of the component creates, as far as their names are fixed."""
        yield ObjectRef("Namespace", "", self.namespace)
        yield from (one.ref for one in self.expected)
        yield from self._named(self.others)
        yield from self._named(self.optional)

    def optional_refs(self) -> Iterator[ObjectRef]:
        """Those of them that depend on a key."""
        yield from (one.ref for one in self.expected if one.optional)
        yield from self._named(self.optional)

    def _named(self, names: Mapping[str, Sequence[str]]) -> Iterator[ObjectRef]:
        for kind, named in names.items():
            namespace = "" if kind in CLUSTER_WIDE else self.namespace
            yield from (ObjectRef(kind, namespace, name) for name in named)

    def release_refs(self) -> list[ObjectRef]:
        """Its Helm releases."""
        return [ObjectRef("Release", self.namespace, name) for name in self.releases]


class ComponentSettings:
    """The settings of a component: a frozen dataclass whose first field, ``enabled``, is the component's flag.

    ``pairs`` are fields of which one is nothing without the other.
    """

    facts: ClassVar[Facts]
    pairs: ClassVar[Sequence[tuple[str, str]]] = ()
    enabled: bool

    @property
    def placement(self) -> Placement | None:
        """Where the pods of its workloads may run; None where the cluster says."""
        return None

    def tunnel_rules(self, domain: str) -> Sequence[IngressRule]:
        """The rules that the component needs of the tunnel, in a cluster of this DNS domain."""
        del domain
        return ()
