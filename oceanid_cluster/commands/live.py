"""Looks up many objects in few questions: ``kubectl get`` by name, one question for each namespace."""

import json
from collections.abc import Iterable
from typing import Any

from oceanid_cluster.commands.objects import Object, ref_of
from oceanid_cluster.components.facts import ObjectRef
from oceanid_cluster.components.settings import CUSTOM_RESOURCES
from oceanid_cluster.startup.kubectl import Kubectl
from oceanid_cluster.startup.processes import CommandError

_NO_CRD = "the server doesn't have a resource type"  # kubectl's words for a kind that the server does not know


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
        for one in _get(kubectl, *scope, *names):
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


def _get(kubectl: Kubectl, *what: str) -> list[Object]:
    result = kubectl.run("get", *what, "--ignore-not-found", "--show-managed-fields", "-o", "json")
    if result.returncode:
        if _NO_CRD in result.stderr:
            return []
        words = (result.stderr.strip() or "it said nothing").splitlines()
        raise CommandError(f"'kubectl get' failed: {words[-1]}")
    if not result.stdout.strip():
        return []
    document: dict[str, Any] = json.loads(result.stdout)
    return document["items"] if document["kind"] == "List" else [document]


def installed_crds(kubectl: Kubectl) -> frozenset[str]:
    """The names of the CRDs in the cluster. Raises CommandError."""
    result = kubectl.run("get", "customresourcedefinitions", "-o", "name")
    if result.returncode:
        words = (result.stderr.strip() or "it said nothing").splitlines()
        raise CommandError(f"'kubectl get customresourcedefinitions' failed: {words[-1]}")
    return frozenset(line.partition("/")[2] for line in result.stdout.splitlines())
