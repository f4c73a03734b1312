"""Cloudflare: what both tunnels share. The account, cloudflared, and what is behind Cloudflare Access."""

import re
from dataclasses import dataclass

from oceanid_cluster import versions
from oceanid_cluster.config import images, parsers
from oceanid_cluster.config.entries import json_object, parse_entries
from oceanid_cluster.config.ingress import check_hostname, check_service, endpoint
from oceanid_cluster.config.schema import key
from oceanid_cluster.config.secret import Secret

parse_team = parsers.matching(
    r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
    "the name of an Access team: write example for https://example.cloudflareaccess.com",
    lower=True,
)
_AUDIENCE = re.compile(r"[0-9a-f]{64}")


def parse_audiences(text: str) -> dict[str, str]:
    """A JSON object: the audience tag of the Access application of each host name. Raises ValueError."""
    given = json_object(text, 'an object such as {"k3s.example.org": "<audience tag>"}')
    named = {f"'{name}'": (name, tag) for name, tag in given.items()}
    return dict(parse_entries(named, _entry).values())


def _entry(entry: tuple[str, object]) -> tuple[str, str]:
    name, tag = entry
    hostname = check_hostname(name, wildcard=True)
    audience = tag.strip().lower() if isinstance(tag, str) else ""
    if not _AUDIENCE.fullmatch(audience):
        raise ValueError("has no audience tag of an Access application (64 hexadecimal digits; not its id)")
    return hostname, audience


@dataclass(frozen=True)
class CloudflareSettings:
    """Cloudflare, as both tunnels use it."""

    account_id: str | None = key(
        "cloudflare_account_id",
        parsers.hexadecimal_id,
        "account of the tunnels; must agree with their tokens",
        shown_default="from the token",
    )
    service_url: str = key(
        "cloudflare_tunnel_service_url", check_service, "URL of the Kubernetes API",
        default="https://kubernetes.default.svc.{cluster_domain}:443",
    )  # fmt: skip
    access_team: str | None = key(
        "cloudflareAccessTeam", parse_team,
        "Access team (`<team>.cloudflareaccess.com`), for cloudflareAccessAudiences",
        value="team",
    )  # fmt: skip
    access_audiences: dict[str, str] | None = key(
        "cloudflareAccessAudiences", parse_audiences,
        "audience tags of Access applications, {hostname: tag}: cloudflared rejects requests without an Access token",
        value="json",
    )  # fmt: skip
    api_token: Secret | None = key(
        "cloudflare_api_token", parsers.token,
        "Cloudflare API token for manageTunnelConfig and manageNodeTunnelDns", secret=True,
        value="token",
    )  # fmt: skip
    manage_config: bool = key(
        "manageTunnelConfig", parsers.boolean,
        "replace all rules of both tunnels at Cloudflare (needs cloudflare_api_token)",
        default="false",
    )  # fmt: skip
    image: str = key(
        "cloudflared_image",
        images.cloudflared_image,
        "image of cloudflared",
        default=versions.image("cloudflared"),
    )
    protocol: str = key(
        "cloudflareProtocol",
        parsers.choice("auto", "http2", "quic"),
        "protocol to Cloudflare's edge: auto, http2 or quic",
        default="auto",
    )
    edge_ip_version: str = key(
        "cloudflareEdgeIpVersion", parsers.choice("auto", "4", "6"),
        "IP version to Cloudflare's edge: auto, 4 or 6", default="auto",
    )  # fmt: skip

    @property
    def api_server(self) -> str | None:
        """Host and port of the Kubernetes API; None when ``cloudflare_tunnel_service_url`` names none."""
        found = endpoint(self.service_url)
        if not found:
            return None
        host, port = found
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
