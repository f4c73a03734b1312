"""What the tunnel's pods may reach, and who may reach them.

Whoever controls the tunnel at Cloudflare may write rules for it: the pods reach no more than this configuration names.
A network policy sees the pod behind a Service, with the pod's own port: where that is not known, every port is open.
Network policies add up: one of the operator's own, in the same namespace, lets the pods reach more.
"""

from collections.abc import Sequence
from typing import Any

from oceanid_cluster.components.tunnel.settings import NAMES, NAMESPACE
from oceanid_cluster.config.ingress import IngressRule, endpoint
from oceanid_cluster.config.parsers import is_dns_name
from oceanid_cluster.config.peers import Peer
from oceanid_cluster.manifests.network import dns, network_policy, tcp
from oceanid_cluster.manifests.pods import Manifest

# Cloudflare, "Tunnel with firewall"; 853 is asked for the edge's addresses where DNS has none (edgediscovery), and 443
# for the keys of Access.
_EDGE: Manifest = {"ports": [{"protocol": "UDP", "port": 7844}, *tcp(7844, 443, 853)]}
_API_SERVER = 6443  # behind its Service, on K3s and kubeadm
_EVERYWHERE = ("socks-proxy", "bastion")  # the client says where to


def access(metrics_port: int, rules: Sequence[IngressRule], domain: str, *, sole_rules: bool) -> Manifest:
    """In: metrics and probes. Out: DNS, Cloudflare's edge, the API server, and what the rules name.

    Where these are not the ``sole_rules``, since others may be made in Cloudflare's dashboard: every pod as well.
    """
    egress = [dns(), _EDGE, *_destinations(rules, domain)]
    if not sole_rules:
        egress.append({"to": [{"namespaceSelector": {}}]})
    return network_policy(NAMES.name, NAMES.selector, [{"ports": tcp(metrics_port)}], egress)


def _destinations(rules: Sequence[IngressRule], domain: str) -> list[dict[str, Any]]:
    """The rules of the policy for the services that the tunnel's rules name."""
    if any(rule.service in _EVERYWHERE for rule in rules):
        return [{}]
    peers: list[dict[str, Any]] = []
    ports = {_API_SERVER}
    for rule in rules:
        found = endpoint(rule.service)
        if rule.owner and rule.owner.pods:
            peers.append(rule.owner.pods.manifest())
        elif found:
            host, port = found[0].removesuffix("."), found[1]
            namespace = None if rule.owner else namespace_of(host, domain)
            if namespace:
                peers.append(Peer(namespace).manifest())
            if not namespace or host.count(".") < 2:
                ports.add(port)
    unique = [peer for number, peer in enumerate(peers) if peer not in peers[:number]]
    return [{"ports": tcp(*sorted(ports))}, *([{"to": unique}] if unique else [])]


def namespace_of(host: str, domain: str) -> str | None:
    """The namespace of the Service that a host names, with or without the cluster's domain; None if it names none.

    A name of one label or of two may be one, too: it is looked up among Services first, then outside.
    """
    name, *rest = host.split(".")
    if not rest:
        namespace = "" if ":" in name else NAMESPACE
    elif host.endswith((".svc", f".svc.{domain}")):
        namespace = host.removesuffix(f".{domain}").split(".")[-2]
    else:
        namespace = rest[0] if len(rest) == 1 else ""
    return namespace if is_dns_name(namespace) and len(namespace) <= 63 else None
