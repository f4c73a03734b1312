"""What both tunnels are made of: cloudflared's Secret, its file and its Service, and its rules at Cloudflare."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import pulumi

from oceanid_cluster.components.base import Component, Context, depends_on, secret
from oceanid_cluster.components.node_tunnels.settings import NodeTunnelSettings
from oceanid_cluster.components.tunnel.settings import TunnelSettings
from oceanid_cluster.config.cloudflare import CloudflareSettings
from oceanid_cluster.config.ingress import IngressRule
from oceanid_cluster.config.origin_request import remote_options
from oceanid_cluster.config.tunnel_token import TunnelToken
from oceanid_cluster.manifests import cloudflared
from oceanid_cluster.manifests.objects import kubernetes_object, pod_template, service
from oceanid_cluster.manifests.pods import Manifest

AnyTunnel = TypeVar("AnyTunnel", bound=TunnelSettings | NodeTunnelSettings)


@dataclass(frozen=True)
class ConnectorArgs(Generic[AnyTunnel]):
    """What a tunnel takes: the ``settings`` of its own, and all of its ``rules``.

    ``provider`` is Cloudflare's; only a tunnel that writes there needs it.
    """

    settings: AnyTunnel
    cloudflare: CloudflareSettings
    rules: Sequence[IngressRule]
    context: Context
    provider: pulumi.ProviderResource | None = None


def create_connector(
    owner: Component,
    args: ConnectorArgs[TunnelSettings] | ConnectorArgs[NodeTunnelSettings],
    names: cloudflared.Names,
    image: str,
    ns: pulumi.Resource,
) -> tuple[Manifest, pulumi.ResourceOptions]:
    """Make all but the workload, as children of ``owner``; returns the template of its pods, and what it waits for."""
    settings, cloudflare, context = args.settings, args.cloudflare, args.context
    data = {cloudflared.TOKEN_KEY: settings.token.connector.output()}
    file = cloudflared.config_file(settings.token.tunnel_id, args.rules, names, settings.metrics_port, cloudflare)
    config = {cloudflared.CONFIG_KEY: file}
    in_ns = depends_on(ns)
    made: list[pulumi.Resource] = [
        owner.create("credentials", secret(names.secret, data), in_ns),
        owner.create("config", kubernetes_object("v1", "ConfigMap", names.config_map, data=config), in_ns),
    ]
    port = settings.metrics_port
    owner.create(names.metrics_part, service(names.metrics, names.selector, "metrics", port), in_ns)
    if args.provider and cloudflare.manage_config:
        write_remote_config(owner, settings.token, args.rules, args.provider)
    pod = cloudflared.pod(names, image, port, settings.resources, settings.placement or context.placement)
    return pod_template(context.rollout.checksum(data, config), pod), pulumi.ResourceOptions(depends_on=made)


def write_remote_config(
    owner: Component, token: TunnelToken, rules: Sequence[IngressRule], cloudflare: pulumi.ProviderResource
) -> None:
    """Write ``rules`` to the tunnel of ``token``, as a child of ``owner``; account and tunnel ids are the token's.

    One PUT replaces all that is configured there, what was set in the dashboard (warp-routing, origin defaults)
    included. It stays at Cloudflare when it is no longer managed here: without rules the tunnel would answer 503.
    """
    import pulumi_cloudflare  # its import is the slowest part of a run

    pulumi_cloudflare.ZeroTrustTunnelCloudflaredConfig(
        f"{owner.name}-remote-config",
        account_id=token.account_id,
        tunnel_id=token.tunnel_id,
        config={"ingresses": [remote_rule(rule) for rule in rules]},
        opts=owner.options(pulumi.ResourceOptions(provider=cloudflare, retain_on_delete=True)),
    )


def remote_rule(rule: IngressRule) -> Any:
    """One rule as Cloudflare's provider takes it."""
    fields = {
        "hostname": rule.hostname,
        "path": rule.path,
        "service": rule.service,
        "origin_request": remote_options(rule.origin) or None,
    }
    return {name: value for name, value in fields.items() if value}
