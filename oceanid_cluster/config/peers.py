"""Who may open connections to a workload: the peers of a network policy."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from oceanid_cluster.config import parsers
from oceanid_cluster.config.entries import as_text, fields_of, numbered, parse_entries

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
    return tuple(parse_entries(numbered(text, _SHAPE, "entry"), _peer).values())


def _peer(entry: object) -> Peer:
    fields = fields_of(entry, "namespace and labels", ("namespace", "labels"))
    namespace = as_text(fields.get("namespace"))
    if namespace is None or not re.fullmatch(parsers.DNS_LABEL, namespace):
        raise ValueError("has no namespace, or one that Kubernetes would refuse")
    return Peer(namespace, parsers.labels(fields.get("labels") or {}))
