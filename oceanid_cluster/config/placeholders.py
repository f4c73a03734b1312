"""Values of the right form for keys whose own value is not known: the same in every run, and of no use to anybody."""

import base64
import json
import uuid
import zlib
from collections.abc import Iterator

from oceanid_cluster.config.schema import Key
from oceanid_cluster.config.ssh_keys import parse_known_hosts

_WORD = "placeholder"
_ACCOUNT = "0" * 32
_ZEROS = base64.b64encode(bytes(32)).decode()


def placeholder(row: Key, tunnel: str | None = None, account: str | None = None) -> str:
    """A text that the key's own parser takes: its default, else the first of a few forms.

    ``tunnel`` and ``account`` are the ids that a tunnel's token must have; without them each key has a tunnel of its
    own, and all have one account. Raises ValueError when no form fits.
    """
    if row.default is not None and "{" not in row.default:
        return row.default
    if row.parse is parse_known_hosts:  # it takes any text, and Flux wants a line for its host
        return f"* ssh-ed25519 {_ZEROS}"
    for text in _forms(row.name, tunnel or str(uuid.uuid5(uuid.NAMESPACE_URL, row.name)), account or _ACCOUNT):
        try:
            row.parse(text)
        except ValueError:
            continue
        return text
    raise ValueError(f"there is no placeholder for '{row.name}'")


def _forms(name: str, tunnel: str, account: str) -> Iterator[str]:
    """What a key may hold, from the plainest form to the strictest."""
    host = f"{_WORD}.invalid"
    yield _WORD
    yield "1"
    yield "generic"  # a type of alert
    yield _token(tunnel, account)
    yield f"postgres://{_WORD}:{_WORD}@{host}:5432/{_WORD}?sslmode=require"
    yield f"https://{host}"
    yield host
    yield f"192.0.2.{zlib.crc32(name.encode()) % 250 + 1}"  # RFC 5737; another one for each key
    yield _ACCOUNT
    yield str(uuid.UUID(int=0))
    yield f"{_WORD}/{_WORD}:1"
    yield json.dumps([{"name": _WORD, "host": _WORD, "address": "192.0.2.254"}])
    yield "{}"
    yield f"AGE-SECRET-KEY-1{'Q' * 58}"
    for label in ("RSA PRIVATE KEY", "CERTIFICATE", "PGP PUBLIC KEY BLOCK"):
        yield f"-----BEGIN {label}-----\n\nMAA=\n-----END {label}-----\n"  # an empty SEQUENCE of DER


def _token(tunnel: str, account: str) -> str:
    """A connector token, as ``cloudflared tunnel token`` prints it, with a secret of zeros."""
    return base64.b64encode(json.dumps({"a": account, "t": tunnel, "s": _ZEROS}).encode()).decode()
