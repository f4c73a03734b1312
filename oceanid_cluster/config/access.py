"""Cloudflare Access: whose tokens cloudflared accepts for a host name (its ingress/middleware/jwtvalidator.go)."""

import json
import re
from typing import Any, cast

from oceanid_cluster.config.ingress import check_hostname

_TEAM = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_AUDIENCE = re.compile(r"[0-9a-f]{64}")
_SHAPE = 'is not an object such as {"k3s.example.org": "<audience tag>"}'


def parse_team(text: str) -> str:
    """The name of an Access team, without ``.cloudflareaccess.com``. Raises ValueError."""
    team = text.strip().lower()
    if not _TEAM.fullmatch(team):
        raise ValueError("is not the name of an Access team: write 'example' for https://example.cloudflareaccess.com")
    return team


def parse_audiences(text: str) -> dict[str, str]:
    """A JSON object: the audience tag of the Access application of each host name. Raises ValueError."""
    try:
        given: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(_SHAPE) from None
    if not isinstance(given, dict):
        raise ValueError(_SHAPE)
    return dict(_entry(name, tag) for name, tag in cast("dict[str, object]", given).items())


def _entry(name: str, tag: object) -> tuple[str, str]:
    try:
        hostname = check_hostname(name, wildcard=True)
    except ValueError as problem:
        raise ValueError(f"has a host name that cannot be used: {problem}") from None
    audience = tag.strip().lower() if isinstance(tag, str) else ""
    if not _AUDIENCE.fullmatch(audience):
        raise ValueError(
            f"has for '{hostname}' a value that is not an audience tag of an Access application"
            " (64 hexadecimal digits; not its id)"
        )
    return hostname, audience
