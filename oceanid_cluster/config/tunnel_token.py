"""Cloudflare tunnel tokens: every shape in which operators hold one becomes one connector token."""

import base64
import json
import re
import uuid
from dataclasses import dataclass

from oceanid_cluster.config.entries import json_object
from oceanid_cluster.config.parsers import unwrapped
from oceanid_cluster.config.secret import Secret

_SHAPES = (
    "a connector token (what `cloudflared tunnel token` prints), the tunnel's credentials JSON, or that JSON in base64"
)
_MIN_SECRET_BYTES = 32


@dataclass(frozen=True)
class TunnelToken:
    """One tunnel's credentials: 32 hex digits of account id, the tunnel's UUID, and the connector token."""

    account_id: str
    tunnel_id: str
    connector: Secret


def parse_tunnel_token(text: str) -> TunnelToken:
    """Read a tunnel token of any accepted shape; white space and missing padding do not matter.

    Shapes (connection/connection.go of cloudflared): base64 of ``{"a", "t", "s"}``; the credentials file
    ``{"AccountTag", "TunnelID", "TunnelSecret"}``; that file in base64. Around it may stand what Cloudflare's dashboard
    shows it in: quotes, ``TUNNEL_TOKEN=``, ``cloudflared service install …`` or ``… tunnel run --token …``. Raises
    ValueError, whose message shows nothing of the token.
    """
    stripped = unwrapped(text)
    # Base64 of JSON begins with eyJ ('{"'); in a command it ends at a space, on its own it may be wrapped.
    inside = re.findall(r"eyJ[A-Za-z0-9+/=]+", stripped) if re.search(r"cloudflared|[-=]", stripped) else []
    for candidate in (stripped, *(inside if len(set(inside)) == 1 else ())):
        document = _document(candidate)
        if document is not None:
            return _token(document)
    raise ValueError(f"is not a tunnel token: expected {_SHAPES}; it may have been cut short while copying")


def _document(text: str) -> dict[str, object] | None:
    for candidate in (text, (_base64(text) or b"").decode("utf-8", "replace")):
        try:
            return json_object(candidate, "a tunnel's credentials")
        except ValueError:
            continue
    return None


def _token(document: dict[str, object]) -> TunnelToken:
    if {"AccountTag", "TunnelID", "TunnelSecret"} <= document.keys():
        account, tunnel, secret = document["AccountTag"], document["TunnelID"], document["TunnelSecret"]
        endpoint = document.get("Endpoint")
    elif {"a", "t", "s"} <= document.keys():
        account, tunnel, secret, endpoint = document["a"], document["t"], document["s"], document.get("e")
    else:
        raise ValueError(f"is JSON, but not a tunnel token: expected {_SHAPES}")
    if not isinstance(account, str) or not re.fullmatch(r"[0-9a-fA-F]{32}", account):
        raise ValueError("has an account id that is not 32 hexadecimal digits")
    try:
        tunnel_id = str(uuid.UUID(tunnel if isinstance(tunnel, str) else ""))
    except ValueError:
        raise ValueError("has a tunnel id that is not a UUID") from None
    key = _base64(secret) if isinstance(secret, str) else None
    if key is None or len(key) < _MIN_SECRET_BYTES:
        raise ValueError(f"has a tunnel secret that is not base64 of at least {_MIN_SECRET_BYTES} bytes")
    fields: dict[str, str] = {"a": account.lower(), "t": tunnel_id, "s": base64.b64encode(key).decode()}
    if isinstance(endpoint, str) and endpoint:
        fields["e"] = endpoint
    connector = base64.b64encode(json.dumps(fields, separators=(",", ":")).encode()).decode()
    return TunnelToken(fields["a"], tunnel_id, Secret(connector))


def _base64(text: str) -> bytes | None:
    compact = "".join(text.split()).rstrip("=")
    try:
        return base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
    except ValueError:
        return None
