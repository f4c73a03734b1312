"""Reads Kubernetes objects, in which any part may be absent or null."""

from collections.abc import Mapping
from typing import Any, cast

from oceanid_cluster.components.facts import ObjectRef

Object = Mapping[str, Any]


def part(found: Object, *path: str) -> Object:
    """The mapping at a path of field names; empty when there is none."""
    for name in path:
        found = _mapping(found.get(name))
    return found


def entries(found: Object, *path: str) -> list[Object]:
    """The list of mappings at a path of field names; empty when there is none."""
    value: object = part(found, *path[:-1]).get(path[-1])
    return [_mapping(one) for one in cast("list[object]", value)] if isinstance(value, list) else []


def _mapping(value: object) -> Object:
    return cast("Object", value) if isinstance(value, Mapping) else {}


def ref_of(found: Object) -> ObjectRef:
    """Where a live object is."""
    return ObjectRef(found["kind"], found["metadata"].get("namespace", ""), found["metadata"]["name"])


def labels_of(found: Object) -> Mapping[str, str]:
    """The labels of an object."""
    return part(found, "metadata", "labels")


def annotations_of(found: Object) -> Mapping[str, str]:
    """The annotations of an object."""
    return part(found, "metadata", "annotations")


def managers_of(found: Object) -> list[str]:
    """The field managers of an object that was asked for with them."""
    return [str(entry.get("manager", "")) for entry in entries(found, "metadata", "managedFields")]


def condition_of(found: Object, kind: str) -> Object:
    """The condition of a type, such as Ready; empty when it is not there."""
    return next((one for one in entries(found, "status", "conditions") if one.get("type") == kind), _mapping(None))


def is_of_flux(found: Object) -> bool:
    """Whether an object is of one of Flux's kinds: other projects have a Kustomization too."""
    return str(found.get("apiVersion")).partition("/")[0].endswith(".toolkit.fluxcd.io")


def words(text: object) -> str:
    """A message of a controller on one line, of a bearable length."""
    return " ".join(str(text).split())[:200]


def terminating(found: Object) -> str:
    """Since when an object is being deleted, and what it waits for; empty when it is not being deleted.

    A namespace says what is left in it (pkg/controller/namespace/deletion/status_condition_utils.go).
    """
    since = part(found, "metadata").get("deletionTimestamp")
    if not since:
        return ""
    said = [
        words(one.get("message"))
        for one in entries(found, "status", "conditions")
        if found["kind"] == "Namespace" and one.get("status") == "True"
    ]
    finalizers = ", ".join(map(str, found["metadata"].get("finalizers") or ()))
    held = [f"it waits for {finalizers}"] if finalizers else []
    return "; ".join([f"is being deleted since {since}", *(said or held)])
