"""What the stack's state holds: which objects and components. Values in the state are neither kept nor shown."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from oceanid_cluster.commands.pulumi_cli import ask_pulumi
from oceanid_cluster.components.facts import ObjectRef
from oceanid_cluster.components.settings import CHAIN
from oceanid_cluster.startup.processes import answer_of

_NAMES = {facts.type_token: facts.name for facts in CHAIN}
_RELEASE = "kubernetes:helm.sh/v3:Release"


@dataclass(frozen=True)
class StackState:
    """The Kubernetes objects, the Helm releases and the components that a stack's state holds.

    ``chain`` says for which others each component waits: its children do, as far as they must.
    """

    objects: frozenset[ObjectRef] = frozenset()
    releases: frozenset[ObjectRef] = frozenset()
    components: frozenset[str] = frozenset()
    chain: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])


def read_state(stack: str) -> StackState:
    """The state of ``stack``.

    Raises StackMissingError when there is no such stack, CommandError when Pulumi cannot be asked.
    """
    exported = ask_pulumi("stack", "export", stack=stack)
    with answer_of("pulumi", "stack", "export"):
        deployment: dict[str, Any] = json.loads(exported)["deployment"]
        return parse_state(deployment.get("resources") or [])


def parse_state(resources: list[dict[str, Any]]) -> StackState:
    """The state from the resources of an export.

    What is only read (``external``), patched (``…Patch``) or about to be deleted is not held by the stack. An id of the
    Kubernetes provider is ``namespace/name``, or ``name``.
    """
    objects: set[ObjectRef] = set()
    releases: set[ObjectRef] = set()
    components: set[str] = set()
    chain: dict[str, frozenset[str]] = {}
    for resource in resources:
        token = str(resource["type"])
        kind = token.rpartition(":")[2]
        if component := _component(token):
            components.add(component)
        if owner := _owner(resource["urn"]):
            earlier = frozenset(map(_owner, resource.get("dependencies") or ())) - {owner, ""}
            chain[owner] = chain.get(owner, frozenset()) | earlier
        if not token.startswith("kubernetes:") or not resource.get("custom"):
            continue
        if resource.get("external") or resource.get("delete") or kind.endswith("Patch"):
            continue
        namespace, _, name = str(resource.get("id") or "").rpartition("/")
        if name:
            (releases if token == _RELEASE else objects).add(ObjectRef(kind, namespace, name))
    return StackState(frozenset(objects), frozenset(releases), frozenset(components), chain)


def _owner(urn: str) -> str:
    """The component of a resource, or empty: a URN names the types of all parents (pulumi: sdk/go/common/urn)."""
    return _component(urn.split("::")[2].partition("$")[0])


def _component(token: str) -> str:
    """How a component is called in the outputs; empty for the type of anything else."""
    kind = token.rpartition(":")[2]
    return _NAMES.get(token, kind) if token.startswith("oceanid:") else ""
