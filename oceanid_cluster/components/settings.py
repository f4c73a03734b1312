"""The whole configuration of a stack: the cluster, Cloudflare, and a section for each component in order.

A row of a section is an entry of Pulumi.example.yaml. What the commands know of the components is derived from here.
"""

import dataclasses
from dataclasses import dataclass, replace

from oceanid_cluster.components.adapter.settings import AdapterSettings
from oceanid_cluster.components.facts import ComponentSettings, CustomResource, Expected, Facts
from oceanid_cluster.components.flux.settings import FluxSettings
from oceanid_cluster.components.image_automation.settings import ImageAutomationSettings
from oceanid_cluster.components.label_studio.settings import LabelStudioSettings
from oceanid_cluster.components.node_tunnels.settings import NodeTunnelSettings, node_rules
from oceanid_cluster.components.operator.settings import OperatorSettings
from oceanid_cluster.components.tunnel.settings import PODS as TUNNEL
from oceanid_cluster.components.tunnel.settings import TunnelSettings, api_rules
from oceanid_cluster.config.cloudflare import CloudflareSettings
from oceanid_cluster.config.cluster import ClusterSettings
from oceanid_cluster.config.ingress import CATCH_ALL, IngressRule
from oceanid_cluster.config.peers import Peer
from oceanid_cluster.config.schema import Key, keys_of
from oceanid_cluster.manifests.pods import Placement


@dataclass(frozen=True)
class Settings:
    """The whole configuration of one stack, checked. Its components are installed in the order of the fields."""

    cluster: ClusterSettings
    cloudflare: CloudflareSettings
    flux: FluxSettings
    operator: OperatorSettings
    tunnel: TunnelSettings
    node_tunnels: NodeTunnelSettings
    image_automation: ImageAutomationSettings
    label_studio: LabelStudioSettings
    adapter: AdapterSettings
    warnings: tuple[str, ...]

    @property
    def components(self) -> list[ComponentSettings]:
        """The section of each component, in the order of the chain."""
        return [getattr(self, name) for name in COMPONENTS]

    @property
    def enabled(self) -> dict[str, bool]:
        """Each component by its name in the outputs, and whether this run installs it."""
        return {section.facts.name: section.enabled for section in self.components}

    @property
    def placement(self) -> Placement:
        """Where services run: off the machines with a GPU, unless there is no other; one machine is enough."""
        return Placement(off_gpu_nodes=any("gpu" not in node.labels for node in self.cluster.nodes or ()))

    @property
    def any_tunnel(self) -> bool:
        """Whether cloudflared runs at all."""
        return self.tunnel.enabled or self.node_tunnels.enabled

    @property
    def hostnames(self) -> dict[str, str]:
        """The names under which things answer, for Git to use (ConfigMap flux-runtime-info)."""
        return {
            "BASE_DOMAIN": self.node_tunnels.base,
            "CLUSTER_DOMAIN": self.cluster.domain,
            "KUBERNETES_HOSTNAME": self.tunnel.hostname,
            "LABEL_STUDIO_HOSTNAME": self.label_studio.hostname,
            "GPU_HOSTNAME": f"gpu.{self.node_tunnels.base}",
            "NODES_DOMAIN": f"nodes.{self.node_tunnels.base}",
        }

    @property
    def tunnel_rules(self) -> list[IngressRule]:
        """All rules of the tunnel in their order: the Kubernetes API's, what components need, ``extraIngress``, 404.

        The components are asked from the last one to the first: the live tunnel's rules are in this order.
        """
        enabled = [section for section in reversed(self.components) if section.enabled]
        needed = [rule for section in enabled for rule in section.tunnel_rules(self.cluster.domain)]
        own = map(self._behind_access, (*api_rules(self.tunnel, self.cloudflare), *needed))
        return [*own, *(self.tunnel.extra_ingress or ()), CATCH_ALL]

    @property
    def node_tunnel_rules(self) -> list[IngressRule]:
        """All rules of the node tunnel in their order."""
        return [*map(self._behind_access, node_rules(self.node_tunnels, self.cloudflare.service_url)), CATCH_ALL]

    def _behind_access(self, rule: IngressRule) -> IngressRule:
        """The rule, with a check for what Cloudflare Access let through if its host name has an audience tag."""
        team, audience = self.cloudflare.access_team, (self.cloudflare.access_audiences or {}).get(rule.hostname or "")
        return rule.behind_access(team, audience) if team and audience else rule

    @property
    def accessible_hostnames(self) -> list[str]:
        """The host names that an Access application may protect: of our own rules, whatever is turned off."""
        api = api_rules(self.tunnel, self.cloudflare)
        needed = [rule for section in self.components for rule in section.tunnel_rules(self.cluster.domain)]
        nodes = node_rules(replace(self.node_tunnels, expose_kubelet=True), self.cloudflare.service_url)
        return [rule.hostname or "" for rule in (*api, *needed, *nodes) if not (rule.owner and rule.owner.public)]

    @property
    def label_studio_callers(self) -> list[Peer]:
        """The pods that may reach Label Studio: the tunnel's while it is on, then the operator's own."""
        tunnel = [TUNNEL] if self.tunnel.enabled else []
        return [*tunnel, *(self.label_studio.ingress_from or ())]


# Every component by its field, in the order of the chain; the tables below follow from it.
COMPONENTS: dict[str, type[ComponentSettings]] = {
    field.name: field.type
    for field in dataclasses.fields(Settings)
    if isinstance(field.type, type) and issubclass(field.type, ComponentSettings)
}
CHAIN: tuple[Facts, ...] = tuple(section.facts for section in COMPONENTS.values())
EXPECTED: tuple[Expected, ...] = tuple(one for facts in CHAIN for one in facts.expected)
CUSTOM_RESOURCES: dict[str, CustomResource] = {one.kind: one for facts in CHAIN for one in facts.custom_resources}
SECTIONS: tuple[type, ...] = (ClusterSettings, CloudflareSettings, *COMPONENTS.values())


def all_keys() -> list[Key]:
    """Every key, in the order of Pulumi.example.yaml."""
    return [row for section in SECTIONS for row in keys_of(section).values()]
