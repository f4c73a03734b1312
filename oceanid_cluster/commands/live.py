"""Looks up many objects in few questions: ``kubectl get`` by name, one question for each namespace."""

from collections.abc import Iterable

from oceanid_cluster.commands.objects import Object, ref_of
from oceanid_cluster.components.facts import ObjectRef
from oceanid_cluster.components.settings import CUSTOM_RESOURCES
from oceanid_cluster.startup.kubectl import Kubectl


def find(kubectl: Kubectl, refs: Iterable[ObjectRef]) -> dict[ObjectRef, Object]:
    """The objects that exist among ``refs``: kind, metadata and the specification, never the data of a Secret.

    Raises CommandError.
    """
    groups: dict[tuple[str, str], list[ObjectRef]] = {}
    for ref in sorted(set(refs)):
        kind = ref.kind if ref.kind in CUSTOM_RESOURCES else ""  # its CRD may be missing: a question of its own
        groups.setdefault((ref.namespace, kind), []).append(ref)
    found: dict[ObjectRef, Object] = {}
    for (namespace, _), wanted in groups.items():
        names = [f"{_resource(ref.kind)}/{ref.name}" for ref in wanted]
        scope = ["-n", namespace] if namespace else []
        for one in kubectl.get(*scope, *names, "--ignore-not-found", "--show-managed-fields"):
            kept = {key: one[key] for key in ("apiVersion", "kind", "metadata", "spec", "status") if key in one}
            found[ref_of(one)] = kept
    return found


def events(kubectl: Kubectl, about: ObjectRef) -> dict[ObjectRef, Object]:
    """The events about an object, which Kubernetes keeps for an hour. Raises CommandError."""
    selector = f"involvedObject.kind={about.kind},involvedObject.name={about.name}"
    found = kubectl.get("events", "-n", about.namespace, "--field-selector", selector)
    return {ref_of(one): one for one in found}


def _resource(kind: str) -> str:
    """How kubectl is asked for a kind."""
    return CUSTOM_RESOURCES[kind].resource if kind in CUSTOM_RESOURCES else kind.lower()


def installed_crds(kubectl: Kubectl) -> frozenset[str]:
    """The names of the CRDs in the cluster. Raises CommandError."""
    names = kubectl.text("get", "customresourcedefinitions", "-o", "name")
    return frozenset(line.partition("/")[2] for line in names.splitlines())
