"""The rules that a tunnel has at Cloudflare, read before a deploy replaces them (``manageTunnelConfig``)."""

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

from oceanid_cluster.commands.objects import Object, entries
from oceanid_cluster.commands.report import Row
from oceanid_cluster.config.secret import Secret
from oceanid_cluster.config.tunnel_token import TunnelToken
from oceanid_cluster.startup.processes import CommandError

API = "https://api.cloudflare.com/client/v4"
API_VARIABLE = "CLOUDFLARE_BASE_URL"  # that of Cloudflare's own clients and provider
_TIMEOUT_SECONDS = 20
_SHOWN = 10


class Route(NamedTuple):
    """What a rule matches: a host name and a path, of which either may be empty."""

    hostname: str
    path: str

    def __str__(self) -> str:
        """As an operator reads it."""
        return f"{self.hostname or '*'}{f' ({self.path})' if self.path else ''}"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: it would carry the token to another host."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


def remote_routes(tunnel: TunnelToken, api_token: Secret, api: str = API) -> list[Route]:
    """What the tunnel's rules at Cloudflare match, in their order and without the last one, which takes the rest.

    Asks ``GET /accounts/{account}/cfd_tunnel/{tunnel}/configurations`` (Cloudflare's API reference, "Get
    configuration"); ``config`` is null for a tunnel that was never configured there. Raises CommandError, which shows
    nothing of the token.
    """
    parts = urlsplit(api)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise CommandError(f"{API_VARIABLE} is not an https address; the token is not sent there")
    url = f"{api.rstrip('/')}/accounts/{tunnel.account_id}/cfd_tunnel/{tunnel.tunnel_id}/configurations"
    headers = {"Authorization": f"Bearer {api_token.value}"}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the scheme was looked at
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=_TIMEOUT_SECONDS) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as problem:
        with problem:
            raise CommandError(f"Cloudflare's API answers HTTP {problem.code}{_errors(problem.read())}") from None
    except urllib.error.URLError as problem:
        raise CommandError(f"Cloudflare's API cannot be reached: {problem.reason}") from None
    except (OSError, http.client.HTTPException) as problem:
        raise CommandError(f"Cloudflare's API cannot be reached: {problem}") from None
    except ValueError:  # not JSON; or a token that is not a header, which Python's message would show
        raise CommandError("Cloudflare's API was not asked, or gave no JSON: check cloudflare_api_token") from None
    return _routes(answer)


def _routes(answer: object) -> list[Route]:
    rules = entries(cast("Object", answer), "result", "config", "ingress") if isinstance(answer, dict) else []
    found = [Route(str(rule.get("hostname") or ""), str(rule.get("path") or "")) for rule in rules]
    return [route for route in found if route != Route("", "")]


def _errors(body: bytes) -> str:
    """What Cloudflare says in the ``errors`` of its answer."""
    try:
        errors: Sequence[Mapping[str, Any]] = json.loads(body)["errors"]
        said = "; ".join(f"{one.get('message')} ({one.get('code')})" for one in errors)
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    return f": {said[:200]}" if said else ""


def check_routes(name: str, ours: Sequence[Route], remote: Sequence[Route]) -> Row:
    """The row of one tunnel: how many rules it has at Cloudflare, and which of them a deploy removes."""
    lost = [route for route in remote if route not in ours]
    count = f"{len(remote)} rules at Cloudflare"
    if not lost:
        return Row("tunnel", name, "ok", f"{count}; a deploy keeps what they match")
    shown = ", ".join(map(str, lost[:_SHOWN])) + (f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else "")
    fix = "copy them to extraIngress, or leave manageTunnelConfig off"
    return Row("tunnel", name, "warning", f"{count}; a deploy removes {len(lost)}: {shown}; {fix}")
