"""Prepares the state of the TypeScript program for this one: ``python -m oceanid_cluster.takeover <cluster name>``.

Reads ``pulumi stack export`` on standard input and writes what ``pulumi stack import`` takes on standard output.
Secrets stay encrypted. Nothing in any cluster is touched: resources that this program does not manage leave the
state, not the cluster (docs/takeover.md).
"""

import json
import sys
from collections.abc import Mapping
from typing import Any, cast

State = dict[str, Any]

PROVIDER = "k3s-provider"
_COMPONENTS = frozenset(
    {
        "oceanid:apps:LabelStudio",
        "oceanid:core:CloudflareTunnel",
        "oceanid:gitops:FluxBootstrap",
        "oceanid:ml:LsTritonAdapter",
        "oceanid:monitoring:ImageAutomation",
        "oceanid:networking:NodeTunnels",
        "oceanid:pko:PulumiOperator",
    }
)


def prepare(export: object, cluster: str) -> tuple[State, list[str], list[str]]:
    """The state as this program can take it over, the URNs that left it, and warnings.

    The provider gets ``cluster`` as its identifier: without it, the first run would take a new endpoint in the
    kubeconfig for a new cluster and replace every object. Raises ValueError for what is no state export.
    """
    whole = cast("State", export) if isinstance(export, dict) else {}
    deployment: State = whole.get("deployment") or {}
    if not isinstance(deployment.get("resources"), list):
        raise ValueError("this is not the output of `pulumi stack export`")
    if deployment.get("pending_operations"):
        raise ValueError("the stack has pending operations; run `pulumi refresh` with the old program first")
    all_resources: list[State] = deployment["resources"]
    kept = [resource for resource in all_resources if _ours(resource)]
    urns = {resource["urn"] for resource in kept}
    for resource in kept:
        edges: list[str] = resource.get("dependencies") or []
        resource["dependencies"] = [urn for urn in edges if urn in urns]
        by_property: dict[str, list[str] | None] = resource.get("propertyDependencies") or {}
        resource["propertyDependencies"] = {
            name: [urn for urn in edges or [] if urn in urns] for name, edges in by_property.items()
        }
        if resource["urn"].endswith(f"pulumi:providers:kubernetes::{PROVIDER}"):
            for side in ("inputs", "outputs"):
                resource.setdefault(side, {})["clusterIdentifier"] = cluster
    dropped = [resource["urn"] for resource in all_resources if resource["urn"] not in urns]
    unprotected = [f"{resource['urn']} is protected; it stays so" for resource in kept if resource.get("protect")]
    return {**whole, "deployment": {**deployment, "resources": kept}}, dropped, unprotected


def _ours(resource: Mapping[str, Any]) -> bool:
    path = resource["urn"].split("::")[2]
    head = path.split("$")[0]
    return head == "pulumi:pulumi:Stack" or head.startswith("pulumi:providers:") or head in _COMPONENTS


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit code."""
    if len(arguments) != 1:
        print(
            "usage: pulumi stack export | python -m oceanid_cluster.takeover oceanid-prod > state.json", file=sys.stderr
        )
        return 2
    try:
        state, dropped, warnings = prepare(json.load(sys.stdin), arguments[0])
    except ValueError as problem:
        print(f"takeover: error: {problem}", file=sys.stderr)
        return 1
    for warning in warnings:
        print(f"takeover: warning: {warning}", file=sys.stderr)
    for urn in dropped:
        print(f"takeover: leaves the state, not the cluster: {urn}", file=sys.stderr)
    json.dump(state, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
