"""The bootstrap of the Oceanid cluster, from start-up checks to outputs, in the order in which it happens."""

import os

import pulumi

from oceanid_cluster.components.adapter.component import AdapterArgs, LsTritonAdapter
from oceanid_cluster.components.base import Component, Context, depends_on
from oceanid_cluster.components.flux.component import FluxArgs, FluxBootstrap
from oceanid_cluster.components.image_automation.component import ImageAutomation, ImageAutomationArgs
from oceanid_cluster.components.label_studio.component import LabelStudio, LabelStudioArgs
from oceanid_cluster.components.label_studio.generated import label_studio_secrets
from oceanid_cluster.components.node_tunnels.component import NodeTunnelArgs, NodeTunnels
from oceanid_cluster.components.nodes.component import NodeArgs, NodeLabels
from oceanid_cluster.components.operator.component import OperatorArgs, PulumiOperator
from oceanid_cluster.components.outputs import migration_status
from oceanid_cluster.components.tunnel.component import CloudflareTunnel, TunnelArgs
from oceanid_cluster.manifests.rollout import Rollout
from oceanid_cluster.startup.configuration import load_from_engine
from oceanid_cluster.startup.guard import check_not_hosted_ci, start_up_checks
from oceanid_cluster.startup.identity import read_cluster
from oceanid_cluster.startup.kubectl import open_cluster
from oceanid_cluster.startup.providers import cloudflare_provider, kubernetes_provider

# Nothing is registered before all of this holds.
with start_up_checks():
    check_not_hosted_ci(os.environ)
    settings = load_from_engine()
    kubectl = open_cluster(settings, os.environ)
    live = read_cluster(kubectl, settings)

# The chart's children would come back as objects, for which the SDK imports the classes of every kind.
os.environ["PULUMI_DISABLE_RESOURCE_REFERENCES"] = "true"

cluster = settings.cluster
cloudflare = cloudflare_provider(settings)
context = Context(
    cluster=cluster,
    provider=kubernetes_provider(settings, kubectl.kubeconfig),
    rollout=Rollout(),
    placement=settings.placement,
)

nodes = NodeLabels("nodes", NodeArgs(cluster.nodes, context)) if cluster.manage_node_labels else None

chain: list[Component] = []  # what is on, in order: a component waits for the last one

flux = None
if settings.flux.enabled:
    flux_args = FluxArgs(settings.flux, context, settings.hostnames, settings.image_automation.enabled)
    flux = FluxBootstrap("gitops", flux_args)
    chain.append(flux)

operator = None
if settings.operator.enabled:
    operator_args = OperatorArgs(settings.operator, context, with_flux=settings.flux.enabled)
    operator = PulumiOperator("pko", operator_args, depends_on(*chain[-1:]))
    chain.append(operator)

tunnel = None
if settings.tunnel.enabled:
    tunnel_args = TunnelArgs(settings.tunnel, settings.cloudflare, settings.tunnel_rules, context, cloudflare)
    tunnel = CloudflareTunnel("cloudflare", tunnel_args, depends_on(*chain[-1:]))
    chain.append(tunnel)

node_tunnels = None
if settings.node_tunnels.enabled:
    node_rules = settings.node_tunnel_rules
    node_tunnel_args = NodeTunnelArgs(settings.node_tunnels, settings.cloudflare, node_rules, context, cloudflare)
    node_tunnels = NodeTunnels("node-tunnels", node_tunnel_args, depends_on(*chain[-1:], nodes))

if settings.image_automation.enabled:
    image_args = ImageAutomationArgs(settings.image_automation, settings.flux, context)
    ImageAutomation("version-monitor", image_args, depends_on(flux))

# Whether Label Studio is on or off: they are what its database was set up with.
generated = label_studio_secrets(settings.label_studio, live.generated)

label_studio = None
if settings.label_studio.enabled:
    callers = settings.label_studio_callers
    studio_args = LabelStudioArgs(settings.label_studio, generated, callers, context, live.claim)
    label_studio = LabelStudio("label-studio", studio_args, depends_on(*chain[-1:]))
    chain.append(label_studio)

adapter = None
if settings.adapter.enabled:
    apps = label_studio.apps_namespace if label_studio else None
    adapter_args = AdapterArgs(settings.adapter, context, apps)
    adapter = LsTritonAdapter("ls-triton-adapter", adapter_args, depends_on(*chain[-1:]))

pulumi.export("kubeconfigPath", kubectl.kubeconfig.path)
pulumi.export("fluxNamespace", flux.namespace if flux else None)
pulumi.export("pkoNamespace", operator.namespace if operator else None)
pulumi.export("cloudflareNamespace", tunnel.namespace if tunnel else None)
pulumi.export("labelStudioHostname", label_studio.hostname if label_studio else None)
pulumi.export("migrationStatus", migration_status(cluster.migration_phase, settings.enabled))
pulumi.export("cloudflareTunnelHostname", tunnel.hostname if tunnel else None)
pulumi.export("nodeTunnelNamespace", node_tunnels.namespace if node_tunnels else None)
pulumi.export("gitRepository", settings.flux.url if flux else None)
pulumi.export("gitPath", settings.flux.path if flux else None)
pulumi.export("tritonAdapterUrl", adapter.url if adapter else None)
pulumi.export("labelStudioAdminPassword", generated.generated_password if label_studio else None)
pulumi.export("components", settings.enabled)
