"""The machines of the cluster: the key ``nodes``, and the table that it replaces."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from oceanid_cluster.config import parsers

_FIELDS = ("name", "host", "address", "labels")
_ROLE = "node-role.kubernetes.io/"
PREFIX = "oceanid.cluster/"  # of the labels of machines that this program sets


@dataclass(frozen=True)
class Node:
    """A machine of the cluster.

    ``name`` is ours, ``host`` its Kubernetes node name, ``address`` an IP address, ``labels`` the ``oceanid.cluster/*``
    labels that we manage, without that prefix.
    """

    name: str
    host: str
    address: str | None
    labels: Mapping[str, str]

    @property
    def kubernetes_labels(self) -> dict[str, str]:
        """The labels as the node carries them."""
        return {f"{PREFIX}{label}": value for label, value in self.labels.items()}


def parse_nodes(text: str) -> tuple[Node, ...]:
    """The key ``nodes``: a JSON list of ``{name, host, address, labels?}``. Raises ValueError with each wrong entry."""
    try:
        given: object = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("is not valid JSON") from None
    if not isinstance(given, list) or not given:
        raise ValueError('is not a list of nodes such as [{"name": "tethys", "host": "srv1", "address": "192.0.2.1"}]')
    entries = cast("list[object]", given)
    wrong: list[str] = []
    nodes: list[Node] = []
    for number, entry in enumerate(entries, start=1):
        try:
            nodes.append(_node(entry))
        except ValueError as problem:
            wrong.append(f"node {number} {problem}")
    for field in ("name", "host", "address"):
        seen = Counter(getattr(node, field) for node in nodes)
        wrong += [f"{field} '{value}' stands twice" for value, times in seen.items() if times > 1]
    if wrong:
        raise ValueError("; ".join(wrong))
    return tuple(nodes)


def _node(entry: object) -> Node:
    if not isinstance(entry, dict):
        raise ValueError("is not an object with name, host and address")
    fields = cast("dict[str, Any]", entry)
    if unknown := [name for name in fields if name not in _FIELDS]:
        raise ValueError(f"has the unknown field '{unknown[0]}' (known: {', '.join(_FIELDS)})")
    texts = {name: (parsers.as_text(fields.get(name)) or "").strip() for name in _FIELDS[:3]}
    for name, text in texts.items():
        if not text:
            raise ValueError(f"has no {name}")
        if name != "address" and not parsers.is_dns_name(text):
            raise ValueError(f"has the {name} '{text}', which is not a DNS name in lower case")
    return Node(texts["name"], texts["host"], parsers.ip_address(texts["address"]), _labels(fields.get("labels", {})))


def _labels(given: object) -> dict[str, str]:
    if not isinstance(given, dict):
        raise ValueError("has labels that are not an object")
    labels = cast("dict[str, object]", given)
    for name in labels:
        if name.startswith(_ROLE):
            raise ValueError(f"has the label '{name}', which belongs to K3s")
        if "/" in name:
            raise ValueError(f"has the label '{name}'; labels stand without the prefix oceanid.cluster/")
    return parsers.label_map(json.dumps(labels))
