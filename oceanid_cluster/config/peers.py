"""Who may open connections to a workload: the peers of a network policy."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from oceanid_cluster.config.parsers import DNS_LABEL, as_text, json_list, labels, parse_entries, wrong_entries

_SHAPE = 'a list such as [{"namespace": "kube-system", "labels": {"app.kubernetes.io/name": "traefik"}}]'


@dataclass(frozen=True)
class Peer:
    """Pods of one namespace: those with all of ``labels``, or all of them."""

    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict[str, str])

    def manifest(self) -> dict[str, Any]:
        """As a peer of a NetworkPolicy. The label is the one that Kubernetes gives to every namespace."""
        peer: dict[str, Any] = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.namespace}}}
        if self.labels:
            peer["podSelector"] = {"matchLabels": dict(self.labels)}
        return peer


def parse_peers(text: str) -> tuple[Peer, ...]:
    """A JSON list of ``{namespace, labels?}``. Raises ValueError."""
    given = json_list(text, _SHAPE)
    peers, wrong = parse_entries({f"entry {number}": item for number, item in enumerate(given, start=1)}, _peer)
    if wrong:
        raise ValueError(wrong_entries(wrong))
    return tuple(peers.values())


def _peer(item: object) -> Peer:
    if not isinstance(item, dict):
        raise ValueError("is not an object with namespace and labels")
    fields = cast("dict[str, object]", item)
    unknown = sorted(fields.keys() - {"namespace", "labels"})
    if unknown:
        raise ValueError(f"has the unknown field '{unknown[0]}' (known: namespace, labels)")
    namespace = as_text(fields.get("namespace"))
    if namespace is None or not re.fullmatch(DNS_LABEL, namespace):
        raise ValueError("has no namespace, or one that Kubernetes would refuse")
    return Peer(namespace, labels(fields.get("labels") or {}))
