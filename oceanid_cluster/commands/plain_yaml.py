"""What programs in Go make of YAML (go.yaml.in/yaml, resolve.go): Pulumi of a stack's file, Kubernetes of a manifest.

PyYAML parses it. What it makes by itself of a text without quotes is YAML 1.1: 33:20 is a number, and 1e5 is not.
"""

import re
from collections.abc import Mapping
from typing import Any

import yaml

_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_TYPES = {
    "null": "|~|null|Null|NULL",
    "bool": "true|True|TRUE|false|False|FALSE",
    "int": "[-+]?(0|[1-9][0-9_]*|0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO]?[0-7_]+)",
    "float": r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
    "merge": "<<",
}
_OF_PULUMI = {**_TYPES, "timestamp": r"\d{4}-\d\d-\d\d([Tt ].*)?"}
_OF_KUBERNETES = {**_TYPES, "bool": f"{_TYPES['bool']}|y|Y|n|N|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF"}


def _resolvers(types: Mapping[str, str]) -> dict[None, list[tuple[str, re.Pattern[str]]]]:
    return {None: [(_TAG + name, re.compile(rf"(?:{pattern})\Z")) for name, pattern in types.items()]}


KUBERNETES_RESOLVERS = _resolvers(_OF_KUBERNETES)  # what a text must not look like in a manifest


class StackFileLoader(_BASE):
    """Reads a stack's file. Two equal keys are an error."""

    yaml_implicit_resolvers = _resolvers(_OF_PULUMI)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping. Raises ConstructorError for a key that is there twice."""
        keys = [key for key, _ in node.value]
        for at, key in enumerate(keys):
            if any(key.value == other.value for other in keys[:at]):
                problem = f"the key '{key.value}' is there twice"
                raise yaml.constructor.ConstructorError(problem=problem, problem_mark=key.start_mark)
        return _BASE.construct_mapping(self, node, deep)


def _integer(_: Any, node: yaml.ScalarNode) -> int:
    return int(re.sub(r"^([-+]?0)(?=[0-9])", r"\1o", node.value.replace("_", "")), 0)


def _float(_: Any, node: yaml.ScalarNode) -> float:
    found = float(node.value.replace("_", ""))
    return int(found) if abs(found) < 1e21 and found.is_integer() else found  # as Go prints it


def _time(_: Any, node: yaml.ScalarNode) -> str:
    return f"{node.value[:10]} 00:00:00 +0000 UTC"  # as Go prints it: a run refuses it, and says why


StackFileLoader.add_constructor(f"{_TAG}int", _integer)
StackFileLoader.add_constructor(f"{_TAG}float", _float)
StackFileLoader.add_constructor(f"{_TAG}timestamp", _time)
