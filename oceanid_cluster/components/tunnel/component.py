"""Step 3: the Cloudflare Tunnel, through which the Kubernetes API and the applications are reached."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from oceanid_cluster.components.base import ChildOptions, Component, Context, config_map, secret, service
from oceanid_cluster.components.remote_config import write_remote_config
from oceanid_cluster.components.tunnel.network import network_policy
from oceanid_cluster.components.tunnel.settings import (
    CONFIG_MAP,
    FACTS,
    METRICS,
    NAME,
    NAMESPACE,
    SECRET,
    SELECTOR,
    TunnelSettings,
)
from oceanid_cluster.config.cloudflare import CloudflareSettings
from oceanid_cluster.config.ingress import IngressRule
from oceanid_cluster.config.parsers import Resources
from oceanid_cluster.manifests import cloudflared, labels
from oceanid_cluster.manifests.pods import Manifest, Placement, pod_security


@dataclass(frozen=True)
class TunnelArgs:
    """What the tunnel takes.

    ``rules`` are all rules; ``provider`` is Cloudflare's, which only ``manageTunnelConfig`` needs.
    """

    settings: TunnelSettings
    cloudflare: CloudflareSettings
    rules: Sequence[IngressRule]
    context: Context
    provider: pulumi.ProviderResource | None = None


class CloudflareTunnel(Component):
    """Runs cloudflared with one list of rules, written to its file and, with ``manageTunnelConfig``, to Cloudflare."""

    type_token = FACTS.type_token

    def __init__(self, name: str, args: TunnelArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Outputs: ``namespace``, ``hostname``, ``deploymentName``, ``metricsServiceName``."""
        settings, cloudflare, context = args.settings, args.cloudflare, args.context
        super().__init__(name, context, opts)
        self.namespace, self.hostname = NAMESPACE, settings.hostname
        object_labels = labels.workload_labels(context.cluster, "networking", NAME, SELECTOR)
        data = {cloudflared.TOKEN_KEY: settings.token.connector.output()}
        config = {
            cloudflared.CONFIG_KEY: cloudflared.config_file(
                settings.token.tunnel_id,
                args.rules,
                settings.metrics_port,
                cloudflare.protocol,
                edge_ip_version=cloudflare.edge_ip_version,
            )
        }
        ns = self.create_namespace("networking", "restricted", NAMESPACE)
        in_ns = ChildOptions(depends_on=[ns])
        credentials = self.create("credentials", secret(SECRET, NAMESPACE, data, object_labels), in_ns)
        settings_map = self.create("config", config_map(CONFIG_MAP, NAMESPACE, config, object_labels), in_ns)
        self.create("pdb", disruption_budget(object_labels), in_ns)
        policy = network_policy(
            settings.metrics_port, args.rules, context.domain, object_labels, sole_rules=cloudflare.manage_config
        )
        self.create("network", policy, in_ns)
        self.create(
            "deployment",
            deployment(
                cloudflare.image,
                settings.replicas,
                settings.metrics_port,
                settings.resources,
                object_labels,
                context.rollout.checksum(data, config),
                context.placement,
            ),
            ChildOptions(depends_on=[credentials, settings_map]),
        )
        metrics = service(METRICS, NAMESPACE, SELECTOR, "metrics", settings.metrics_port, object_labels)
        self.create("svc", metrics, in_ns)
        if args.provider and cloudflare.manage_config:
            write_remote_config(self, settings.token, args.rules, args.provider)
        self.register_outputs(
            {
                "namespace": NAMESPACE,
                "hostname": settings.hostname,
                "deploymentName": NAME,
                "metricsServiceName": METRICS,
            }
        )


def disruption_budget(object_labels: dict[str, str]) -> Manifest:
    """Draining a node takes one pod at a time."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": object_labels},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": SELECTOR}},
    }


def deployment(
    image: str,
    replicas: int,
    metrics_port: int,
    resources: Resources,
    object_labels: dict[str, str],
    rollout: pulumi.Input[str],
    placement: Placement,
) -> Manifest:
    """The Deployment: spread over nodes, replaced one by one, never all gone."""
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": SELECTOR},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": object_labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": SELECTOR},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {
                "metadata": {"labels": object_labels, "annotations": {labels.ROLLOUT: rollout}},
                "spec": {
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    "priorityClassName": "system-cluster-critical",
                    "terminationGracePeriodSeconds": cloudflared.TERMINATION_SECONDS,
                    **placement.manifest(),
                    "topologySpreadConstraints": [spread],
                    "securityContext": pod_security(cloudflared.USER),
                    "containers": [cloudflared.container(image, metrics_port, resources)],
                    "volumes": cloudflared.volumes(CONFIG_MAP, SECRET),
                },
            },
        },
    }
