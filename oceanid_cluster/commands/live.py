"""Looks up many objects in few questions: ``kubectl get`` by name, one question for each namespace."""

from collections.abc import Collection, Iterable, Mapping

from oceanid_cluster.commands.objects import Object, part, ref_of
from oceanid_cluster.components.facts import ObjectRef
from oceanid_cluster.components.settings import CUSTOM_RESOURCES
from oceanid_cluster.startup.kubectl import Kubectl


def find(kubectl: Kubectl, refs: Iterable[ObjectRef], crds: Collection[str]) -> dict[ObjectRef, Object]:
    """The objects that exist among ``refs``: kind, metadata and the specification, never the data of a Secret.

    ``crds`` are those in the cluster: what else is custom is not asked for. Raises CommandError.
    """
    groups: dict[str, list[str]] = {}
    for ref in sorted(set(refs)):
        custom = CUSTOM_RESOURCES.get(ref.kind)
        if custom is None or custom.resource in crds:
            resource = custom.resource if custom else ref.kind.lower()
            groups.setdefault(ref.namespace, []).append(f"{resource}/{ref.name}")
    found: dict[ObjectRef, Object] = {}
    for namespace, names in groups.items():
        scope = ["-n", namespace] if namespace else []
        for one in kubectl.get(names, *scope, "--ignore-not-found", "--show-managed-fields"):
            kept = {key: one[key] for key in ("apiVersion", "kind", "metadata", "spec", "status") if key in one}
            found[ref_of(one)] = kept
    return found


def events(kubectl: Kubectl, claim: ObjectRef, live: Mapping[ObjectRef, Object]) -> dict[ObjectRef, Object]:
    """The events about a claim that waits for its volume; Kubernetes keeps them for an hour. Raises CommandError."""
    if claim not in live or part(live[claim], "status").get("phase", "Pending") != "Pending":
        return {}
    selector = f"involvedObject.kind={claim.kind},involvedObject.name={claim.name}"
    found = kubectl.get("events", "-n", claim.namespace, "--field-selector", selector)
    return {ref_of(one): one for one in found}


def installed_crds(kubectl: Kubectl) -> frozenset[str]:
    """The names of the CRDs in the cluster. Raises CommandError."""
    names = kubectl.text("get", "customresourcedefinitions", "-o", "name")
    return frozenset(line.partition("/")[2] for line in names.splitlines())
