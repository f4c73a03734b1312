"""Who may open connections to a workload: the peers of a network policy."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from oceanid_cluster.config.parsers import as_text, label_map

_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SHAPE = 'is not a list such as [{"namespace": "kube-system", "labels": {"app.kubernetes.io/name": "traefik"}}]'


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
    try:
        given: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("is not valid JSON") from None
    if not isinstance(given, list):
        raise ValueError(_SHAPE)
    return tuple(_peer(item) for item in cast("list[object]", given))


def _peer(item: object) -> Peer:
    if not isinstance(item, dict):
        raise ValueError(_SHAPE)
    fields = cast("dict[str, object]", item)
    unknown = sorted(fields.keys() - {"namespace", "labels"})
    if unknown:
        raise ValueError(f"has the field '{unknown[0]}'; it takes 'namespace' and 'labels'")
    namespace = as_text(fields.get("namespace"))
    if namespace is None or not _NAMESPACE.fullmatch(namespace):
        raise ValueError(f"has an entry whose namespace is missing or invalid: '{namespace or ''}'")
    return Peer(namespace, label_map(json.dumps(fields.get("labels") or {})))
