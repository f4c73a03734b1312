"""The whole configuration of a stack: the cluster, and a section for each component, in the order of the chain.

A row of a section is a row of docs/configuration.md. What the commands know of the components is derived from here.
"""

import dataclasses
from dataclasses import dataclass

from oceanid_cluster.components.adapter.settings import AdapterSettings
from oceanid_cluster.components.facts import ComponentSettings, CustomResource, Expected, Facts
from oceanid_cluster.components.flux.settings import WEBHOOK_RECEIVER, FluxSettings
from oceanid_cluster.components.image_automation.settings import ImageAutomationSettings
from oceanid_cluster.components.label_studio.settings import SERVICE as LABEL_STUDIO
from oceanid_cluster.components.label_studio.settings import LabelStudioSettings
from oceanid_cluster.components.node_tunnels.settings import NodeTunnelSettings
from oceanid_cluster.components.operator.settings import OperatorSettings
from oceanid_cluster.components.tunnel.settings import PODS as TUNNEL
from oceanid_cluster.components.tunnel.settings import TunnelSettings
from oceanid_cluster.config.cluster import ClusterSettings
from oceanid_cluster.config.ingress import IngressRule
from oceanid_cluster.config.peers import Peer
from oceanid_cluster.config.schema import Key, keys_of


@dataclass(frozen=True)
class Settings:
    """The whole configuration of one stack, checked. Its components are installed in the order of the fields."""

    cluster: ClusterSettings
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
    def ingress(self) -> list[IngressRule]:
        """The rules beside the Kubernetes API's: Label Studio, the webhook, then the operator's own."""
        return [*(rule for _, rule in self.own_rules), *(self.tunnel.extra_ingress or ())]

    @property
    def own_rules(self) -> list[tuple[str, IngressRule]]:
        """The rules that components need, each with the key of its host name."""
        rules: list[tuple[str, IngressRule]] = []
        if self.label_studio.enabled and self.label_studio.hostname:
            service = LABEL_STUDIO.url(self.cluster.domain)
            rules.append(("labelStudioHostname", IngressRule(service, self.label_studio.hostname)))
        if self.flux.enabled and self.flux.webhook_hostname:
            service = WEBHOOK_RECEIVER.url(self.cluster.domain)
            rules.append(("flux.webhook_hostname", IngressRule(service, self.flux.webhook_hostname, "^/hook/")))
        return rules

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
SECTIONS: tuple[type, ...] = (ClusterSettings, *COMPONENTS.values())


def all_keys() -> list[Key]:
    """Every key, in the order of docs/configuration.md."""
    return [row for section in SECTIONS for row in keys_of(section).values()]
