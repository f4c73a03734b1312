"""What both tunnels are made of: cloudflared's Secret, its file and its Service, and its rules at Cloudflare."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from oceanid_cluster.components.base import Component, Context, depends_on, secret
from oceanid_cluster.components.remote_config import write_remote_config
from oceanid_cluster.config.cloudflare import CloudflareSettings
from oceanid_cluster.config.ingress import IngressRule
from oceanid_cluster.manifests import cloudflared
from oceanid_cluster.manifests.objects import config_map, pod_template, service
from oceanid_cluster.manifests.pods import Manifest


@dataclass(frozen=True)
class ConnectorArgs:
    """What a tunnel takes: the ``settings`` of its own, and all of its ``rules``.

    ``provider`` is Cloudflare's; only a tunnel that writes there needs it.
    """

    settings: Any
    cloudflare: CloudflareSettings
    rules: Sequence[IngressRule]
    context: Context
    provider: pulumi.ProviderResource | None = None


def create_connector(
    owner: Component,
    args: ConnectorArgs,
    names: cloudflared.Names,
    image: str,
    object_labels: Mapping[str, str],
    ns: pulumi.Resource,
) -> tuple[Manifest, pulumi.ResourceOptions]:
    """Make all but the workload, as children of ``owner``; returns the template of its pods, and what it waits for."""
    settings, cloudflare, context = args.settings, args.cloudflare, args.context
    data = {cloudflared.TOKEN_KEY: settings.token.connector.output()}
    file = cloudflared.config_file(settings.token.tunnel_id, args.rules, names, settings.metrics_port, cloudflare)
    config = {cloudflared.CONFIG_KEY: file}
    in_ns = depends_on(ns)
    made: list[pulumi.Resource] = [
        owner.create("credentials", secret(names.secret, names.namespace, data, object_labels), in_ns),
        owner.create("config", config_map(names.config_map, names.namespace, config, object_labels), in_ns),
    ]
    port = settings.metrics_port
    metrics = service(names.metrics, names.namespace, names.selector, "metrics", port, object_labels)
    owner.create(names.metrics_part, metrics, in_ns)
    if args.provider and cloudflare.manage_config:
        write_remote_config(owner, settings.token, args.rules, args.provider)
    pod = cloudflared.pod(names, image, port, settings.resources, settings.placement or context.placement)
    rollout = context.rollout.checksum(data, config)
    return pod_template(object_labels, rollout, pod), pulumi.ResourceOptions(depends_on=made)
