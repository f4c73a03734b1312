"""The bootstrap of the Oceanid cluster, from start-up checks to outputs, in the order in which it happens."""

import os

import pulumi

from oceanid_cluster.components import outputs
from oceanid_cluster.components.adapter.component import LsTritonAdapter
from oceanid_cluster.components.base import Context
from oceanid_cluster.components.flux.component import FluxBootstrap
from oceanid_cluster.components.image_automation.component import ImageAutomation
from oceanid_cluster.components.label_studio.component import LabelStudio
from oceanid_cluster.components.label_studio.generated import label_studio_secrets
from oceanid_cluster.components.node_tunnels.component import NodeTunnels
from oceanid_cluster.components.nodes.component import NodeLabels
from oceanid_cluster.components.operator.component import PulumiOperator
from oceanid_cluster.components.tunnel.component import CloudflareTunnel
from oceanid_cluster.config.loader import load_from_engine
from oceanid_cluster.manifests.rollout import Rollout
from oceanid_cluster.startup.guard import check_not_hosted_ci
from oceanid_cluster.startup.identity import read_cluster
from oceanid_cluster.startup.kubectl import open_cluster
from oceanid_cluster.startup.providers import cloudflare_provider, kubernetes_provider

# Nothing is registered before all of this holds.
check_not_hosted_ci(os.environ)
settings = load_from_engine()
cluster, enabled = settings.cluster, settings.enabled
kubectl = open_cluster(settings, os.environ)
kubeconfig = kubectl.kubeconfig
live = read_cluster(kubectl, settings)

cloudflare = cloudflare_provider(settings)
context = Context(
    cluster.name, kubernetes_provider(settings, kubeconfig), cluster.ready_timeout_minutes, Rollout(), cluster.domain
)


def after(*previous: pulumi.Resource | None) -> pulumi.ResourceOptions:
    """Options of a component that comes after others, of which some may be turned off."""
    return pulumi.ResourceOptions(depends_on=[resource for resource in previous if resource])


nodes = NodeLabels("nodes", cluster.nodes, context) if cluster.manage_node_labels else None

flux = None
if enabled.flux:
    flux = FluxBootstrap("gitops", settings.flux, context, settings.hostnames, enabled.image_automation)

operator = None
if enabled.operator:
    operator = PulumiOperator("pko", settings.operator, context, enabled.flux, after(flux))

tunnel = None
if enabled.tunnel:
    tunnel = CloudflareTunnel(
        "cloudflare",
        settings.tunnel,
        settings.ingress,
        context,
        cloudflare if settings.tunnel.manage_config else None,
        after(operator or flux),
    )

node_tunnels = None
if enabled.node_tunnels:
    node_tunnels = NodeTunnels(
        "node-tunnels",
        settings.node_tunnels,
        settings.tunnel,
        context,
        cloudflare,
        after(tunnel or operator or flux, nodes),
    )

if enabled.image_automation:
    ImageAutomation("version-monitor", settings.image_automation, settings.flux, context, after(flux))

# Whether Label Studio is on or off: they are what its database was set up with.
generated = label_studio_secrets(settings.label_studio, live.generated)

label_studio = None
if enabled.label_studio:
    label_studio = LabelStudio(
        "label-studio",
        settings.label_studio,
        generated,
        settings.label_studio_callers,
        context,
        live.claim,
        after(tunnel or operator or flux),
    )

adapter = None
if enabled.adapter:
    adapter = LsTritonAdapter(
        "ls-triton-adapter",
        settings.adapter,
        context,
        label_studio.apps_namespace if label_studio else None,
        after(label_studio or tunnel or operator or flux),
    )

pulumi.export("kubeconfigPath", kubeconfig.path)
pulumi.export("fluxNamespace", flux.namespace if flux else None)
pulumi.export("pkoNamespace", operator.namespace if operator else None)
pulumi.export("cloudflareNamespace", tunnel.namespace if tunnel else None)
pulumi.export("labelStudioHostname", label_studio.hostname if label_studio else None)
pulumi.export("migrationStatus", outputs.migration_status(cluster.migration_phase, enabled))
pulumi.export("cloudflareTunnelHostname", tunnel.hostname if tunnel else None)
pulumi.export("nodeTunnelNamespace", node_tunnels.namespace if node_tunnels else None)
pulumi.export("gitRepository", settings.flux.url if flux else None)
pulumi.export("gitPath", settings.flux.path if flux else None)
pulumi.export("tritonAdapterUrl", adapter.url if adapter else None)
pulumi.export("labelStudioAdminPassword", generated.generated_password if label_studio else None)
pulumi.export("components", outputs.components(enabled))
