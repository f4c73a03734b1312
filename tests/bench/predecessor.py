"""The resources of the TypeScript program, as its stack was exported: names, parents, ids, and its own inputs.

Of what the charts of Flux and the operator made, ``tests/data/predecessor.json`` has kind and name. Every secret in it
is fake.
"""

import json
from typing import Any

from sandbox.layout import ROOT

Resource = dict[str, Any]

ROOT_URN = "pulumi:pulumi:Stack::oceanid-cluster-prod"


def exported() -> list[Resource]:
    """The Kubernetes objects and components of the stack."""
    return json.loads((ROOT / "tests" / "data" / "predecessor.json").read_text(encoding="utf-8"))


def path(entry: Resource) -> str:
    """The last part of a resource's URN: the types from its component on, and its name."""
    parent = "" if entry["parent"] == ROOT_URN else entry["parent"].rpartition("::")[0] + "$"
    return f"{parent}{entry['type']}::{entry['name']}"
