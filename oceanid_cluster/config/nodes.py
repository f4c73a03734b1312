"""The machines of the cluster: the key ``nodes``, and the table that it replaces."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from oceanid_cluster.config import parsers
from oceanid_cluster.config.entries import as_text, fields_of, numbered, parse_entries

_FIELDS = ("name", "host", "address", "labels")
_SHAPE = 'a list of nodes such as [{"name": "tethys", "host": "srv1", "address": "192.0.2.1"}]'
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
    given = numbered(text, _SHAPE, "node")
    if not given:
        raise ValueError(f"is not {_SHAPE}")
    return tuple(parse_entries(given, _node, _twins).values())


def _twins(nodes: Mapping[str, Node]) -> Iterator[str]:
    for field in ("name", "host", "address"):
        seen = Counter(getattr(node, field) for node in nodes.values())
        yield from (f"the {field} '{value}' is that of two nodes" for value, times in seen.items() if times > 1)


def _node(entry: object) -> Node:
    fields = fields_of(entry, "name, host and address", _FIELDS)
    texts = {name: (as_text(fields.get(name)) or "").strip() for name in _FIELDS[:3]}
    for name, text in texts.items():
        if not text:
            raise ValueError(f"has no {name}")
        if name != "address" and not parsers.is_dns_name(text):
            raise ValueError(f"has the {name} '{text}', which is not a DNS name in lower case")
    if not parsers.is_address(texts["address"]):
        raise ValueError("has an address that is not an IP address")
    labels = parsers.labels(fields.get("labels", {}))
    if prefixed := next((name for name in labels if "/" in name), None):
        raise ValueError(f"has the label '{prefixed}'; write labels without a prefix: all of them are {PREFIX}…")
    return Node(texts["name"], texts["host"], parsers.ip_address(texts["address"]), labels)
