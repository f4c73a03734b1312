"""Services and the network policies that guard them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from oceanid_cluster.config.peers import Peer
from oceanid_cluster.manifests.objects import kubernetes_object
from oceanid_cluster.manifests.pods import Manifest


@dataclass(frozen=True)
class ServiceAddress:
    """Where a Service answers, and which pods serve it; owned by the component that makes it."""

    namespace: str
    name: str
    port: int
    pods: Mapping[str, str]

    def url(self, domain: str) -> str:
        """The address in a cluster of this DNS domain."""
        return f"http://{self.name}.{self.namespace}.svc.{domain}:{self.port}"

    @property
    def peer(self) -> Peer:
        """Its pods, for a network policy of any namespace."""
        return Peer(self.namespace, self.pods)

    @property
    def pod_peer(self) -> Manifest:
        """Its pods, for a network policy of its own namespace."""
        return {"podSelector": {"matchLabels": dict(self.pods)}}


def tcp(*ports: int | str) -> list[Manifest]:
    """TCP ports, for a network policy."""
    return [{"protocol": "TCP", "port": port} for port in ports]


def dns() -> Manifest:
    """The way out to DNS, of a network policy."""
    return {"ports": [{"protocol": "UDP", "port": 53}, *tcp(53)]}


def ingress_rules(peers: Sequence[Manifest], port: int | str) -> list[Manifest]:
    """The ``ingress`` of a NetworkPolicy: these peers, on one TCP port. Without peers there is no rule.

    A rule with an empty ``from`` would let everybody in.
    """
    return [{"from": list(peers), "ports": tcp(port)}] if peers else []


def network_policy(
    name: str,
    pods: Mapping[str, str],
    ingress: Sequence[Manifest],
    egress: Sequence[Manifest] | None = None,
    ns: str = "",
) -> Manifest:
    """A NetworkPolicy for ``pods``: who may reach them, and what they may reach; without ``egress``, everything."""
    spec: Manifest = {"podSelector": {"matchLabels": dict(pods)}, "policyTypes": ["Ingress"]}
    if ingress:
        spec["ingress"] = list(ingress)
    if egress is not None:
        spec |= {"policyTypes": ["Ingress", "Egress"], "egress": list(egress)}
    return kubernetes_object("networking.k8s.io/v1", "NetworkPolicy", name, ns=ns, spec=spec)
