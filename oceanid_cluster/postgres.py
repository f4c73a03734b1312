"""PostgreSQL connection URLs, taken apart into what Label Studio reads."""

from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from oceanid_cluster.secret import Secret

_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


@dataclass(frozen=True)
class PostgresUrl:
    """A database: decoded user, password and name, host, TCP port, and libpq's sslmode (None: libpq's default)."""

    user: str
    password: Secret
    host: str
    port: int
    database: str
    ssl_mode: str | None


def parse_postgres_url(text: str) -> PostgresUrl:
    """Read ``postgres://user:password@host[:port]/database[?sslmode=mode]`` (libpq, "Connection URIs").

    Percent-escapes in user, password and database are decoded. Raises ValueError, whose message shows nothing of the
    URL: even its user name is part of a secret.
    """
    text = text.strip()
    if any(ch.isspace() for ch in text):
        raise ValueError("contains white space")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("has a host or port that cannot be read; escape special characters of the password") from None
    if parts.scheme not in ("postgres", "postgresql"):
        raise ValueError("does not start with postgres:// or postgresql://")
    if not host:
        raise ValueError("names no host")
    if "," in parts.netloc.rpartition("@")[2]:
        raise ValueError("names several hosts; Label Studio takes one")
    if port == 0:
        raise ValueError("has port 0")
    if not parts.username or not parts.password:
        raise ValueError("lacks a user or a password (postgres://user:password@host/database)")
    database = _decoded(parts.path.removeprefix("/"), "database name")
    if not database or "/" in database:
        raise ValueError("names no database (postgres://user:password@host/database)")
    if parts.fragment:
        raise ValueError("contains '#'; write it as %23")
    ssl_mode: str | None = None
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name != "sslmode":
            raise ValueError("has a parameter other than sslmode, which Label Studio would not be given")
        if value not in _SSL_MODES:
            raise ValueError(f"has an unknown sslmode; libpq knows {', '.join(_SSL_MODES)}")
        ssl_mode = value
    return PostgresUrl(
        user=_decoded(parts.username, "user"),
        password=Secret(_decoded(parts.password, "password")),
        host=host,
        port=port or 5432,
        database=database,
        ssl_mode=ssl_mode,
    )


def _decoded(text: str, what: str) -> str:
    try:
        decoded = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError(f"has percent-escapes in its {what} that are not UTF-8") from None
    if "\0" in decoded:
        raise ValueError(f"has a zero byte in its {what}")
    return decoded
