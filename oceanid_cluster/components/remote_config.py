"""The rules of a tunnel at Cloudflare: what a tunnel made in its dashboard follows, instead of its local file."""

from collections.abc import Sequence
from typing import Any

import pulumi

from oceanid_cluster.components.base import Component
from oceanid_cluster.config.ingress import IngressRule
from oceanid_cluster.config.origin_request import remote_options
from oceanid_cluster.config.tunnel_token import TunnelToken


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
