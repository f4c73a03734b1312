"""Prepares the state of the TypeScript program for this one.

Reads the output of 'pulumi stack export' on standard input and writes what 'pulumi stack import' takes on standard
output. Resources that this program does not manage leave the state, not the cluster; each is named on standard error.
The provider gets the cluster's name as its identifier, so that a new endpoint replaces nothing. Secrets stay encrypted.
A state that was prepared before is not changed.

With --without, what belongs to a component that is still off leaves the state, too: it stays in the cluster as it is,
and adoptExisting adopts it when the component is turned on. Without it, the first run would delete it.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, cast

from oceanid_cluster.components.image_automation.settings import FACTS as IMAGE_AUTOMATION
from oceanid_cluster.components.label_studio.settings import FACTS as LABEL_STUDIO
from oceanid_cluster.components.node_tunnels.settings import FACTS as NODE_TUNNELS
from oceanid_cluster.components.nodes.facts import TYPE_TOKEN
from oceanid_cluster.components.settings import CHAIN
from oceanid_cluster.config.errors import StartUpError

State = dict[str, Any]

PROVIDER = "k3s-provider"
# Every type of component that this program registers; a test holds the set against a run of the program.
COMPONENTS = frozenset({TYPE_TOKEN, *(facts.type_token for facts in CHAIN)})
# Stack and providers; and the generated values at the top level, which cannot be generated again.
_TOP_LEVEL = ("pulumi:pulumi:Stack", "pulumi:providers:", "pulumi:index:Stash", "random:")
# What may still be off in the first run, with its own Deployments: the Flux chart makes those of image automation.
OPTIONAL = {facts.name: facts for facts in (IMAGE_AUTOMATION, LABEL_STUDIO, NODE_TUNNELS)}
EPILOG = """\
exit codes: 0 the state was written; 2 the input is no state export, or is not ready

example:
  pulumi stack export > before.json
  python -m oceanid_cluster adopt-state oceanid-prod --without ImageAutomation < before.json > state.json
  pulumi stack import --file state.json
"""


def prepare(export: object, cluster: str, without: Sequence[str] = ()) -> tuple[State, list[str], list[str]]:
    """The state as this program can adopt it, the URNs that left it, and warnings.

    ``without`` names components of OPTIONAL that are still off.

    The provider gets ``cluster`` as its identifier: without it, the first run would take a new endpoint in the
    kubeconfig for a new cluster and replace every object. Raises ValueError for input that is not a state export.
    """
    whole = cast("State", export) if isinstance(export, dict) else {}
    deployment: State = whole.get("deployment") or {}
    if not isinstance(deployment.get("resources"), list):
        raise ValueError("this is not the output of `pulumi stack export`")
    if deployment.get("pending_operations"):
        raise ValueError("the stack has pending operations; run `pulumi refresh` with the old program first")
    all_resources: list[State] = deployment["resources"]
    if not all(str(resource["urn"]).count("::") >= 3 for resource in all_resources):
        raise ValueError("a resource has no valid URN")
    kept = [resource for resource in all_resources if _ours(resource) and not _still_off(resource, without)]
    urns = {resource["urn"] for resource in kept}
    for resource in kept:
        _prune_references(resource, urns)
        if _is_cluster_provider(resource):
            for side in ("inputs", "outputs"):
                resource.setdefault(side, {})["clusterIdentifier"] = cluster
    dropped = [resource["urn"] for resource in all_resources if resource["urn"] not in urns]
    warnings = [f"{resource['urn']} is protected; it stays so" for resource in kept if resource.get("protect")]
    if not any(map(_is_cluster_provider, kept)):
        warnings.append(f"this state has no provider '{PROVIDER}': is it the state of the cluster's stack?")
    return {**whole, "deployment": {**deployment, "resources": kept}}, dropped, warnings


def _prune_references(resource: State, urns: set[str]) -> None:
    """Take out of a resource every reference to a resource that leaves the state: the engine refuses dangling ones.

    The references are the URN fields of ``ResourceV3`` (pulumi: sdk/go/common/apitype/core.go). Raises ValueError for
    a resource whose provider would leave.
    """
    for many in ("dependencies", "replaceWith"):
        if many in resource:
            edges: list[str] = resource[many] or []
            resource[many] = [urn for urn in edges if urn in urns]
    by_property: dict[str, list[str] | None] = resource.get("propertyDependencies") or {}
    if by_property:
        resource["propertyDependencies"] = {
            name: [urn for urn in edges or [] if urn in urns] for name, edges in by_property.items()
        }
    for one in ("deletedWith", "viewOf"):
        if resource.get(one) and resource[one] not in urns:
            del resource[one]
    provider = str(resource.get("provider") or "").rpartition("::")[0]  # the provider's URN, then its id
    if provider and provider not in urns:
        raise ValueError(f"{resource['urn']} uses a provider that this program does not manage: {provider}")


def _is_cluster_provider(resource: Mapping[str, Any]) -> bool:
    return str(resource["urn"]).endswith(f"pulumi:providers:kubernetes::{PROVIDER}")


def _ours(resource: Mapping[str, Any]) -> bool:
    head = str(resource["urn"]).split("::")[2].split("$")[0]
    return head in COMPONENTS or head.startswith(_TOP_LEVEL)


def _still_off(resource: Mapping[str, Any], without: Sequence[str]) -> bool:
    types, _, name = str(resource["urn"]).split("::", 2)[2].rpartition("::")
    for component in without:
        facts = OPTIONAL[component]
        controllers = [one.name for one in facts.expected if one.kind == "Deployment"]
        if types.split("$")[0] == facts.type_token or (
            "helm.sh/v4:Chart$" in types and name.rpartition("/")[2] in controllers
        ):
            return True
    return False


def add_options(parser: argparse.ArgumentParser) -> None:
    """The cluster, and what is still off in it."""
    parser.add_argument("cluster", help="the cluster's name, which is the key clusterName: oceanid-prod")
    parser.add_argument(
        "--without", action="append", default=[], choices=sorted(OPTIONAL),
        help="a component that is still off; may be given again",
    )  # fmt: skip


def main(options: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    try:
        state, dropped, warnings = prepare(json.load(sys.stdin), options.cluster, options.without)
    except (KeyError, TypeError, RecursionError):
        raise StartUpError("this is not the output of `pulumi stack export`") from None
    except ValueError as problem:
        raise StartUpError(str(problem)) from None
    for warning in warnings:
        print(f"adopt-state: warning: {warning}", file=sys.stderr)
    for urn in dropped:
        print(f"adopt-state: leaves the state, not the cluster: {urn}", file=sys.stderr)
    json.dump(state, sys.stdout)
    return 0
