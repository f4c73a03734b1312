"""PostgreSQL connection URLs, read as libpq reads them, and taken apart into what Label Studio is given."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from oceanid_cluster.config.parsers import check_not_the_pod, is_host, unwrapped
from oceanid_cluster.config.secret import Secret

# In Label Studio's image, which is Debian with ca-certificates.
_CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
# What libpq is told beside the address: parameters, and the variables of its own by which Label Studio's libpq gets
# them (libpq, "Environment Variables"). It has no variable for others. Their values are libpq's to judge, which says in
# the pod's log what is wrong: each release of it knows others.
_VARIABLES = {
    "application_name": "PGAPPNAME",
    "channel_binding": "PGCHANNELBINDING",
    "client_encoding": "PGCLIENTENCODING",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "gssdelegation": "PGGSSDELEGATION",
    "gssencmode": "PGGSSENCMODE",
    "load_balance_hosts": "PGLOADBALANCEHOSTS",
    "max_protocol_version": "PGMAXPROTOCOLVERSION",
    "min_protocol_version": "PGMINPROTOCOLVERSION",
    "options": "PGOPTIONS",
    "require_auth": "PGREQUIREAUTH",
    "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
    "sslcertmode": "PGSSLCERTMODE",
    "sslcompression": "PGSSLCOMPRESSION",
    "sslnegotiation": "PGSSLNEGOTIATION",
    "sslsni": "PGSSLSNI",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}
_ADDRESS = ("user", "password", "dbname", "host", "port")
_ACCEPTED = ("sslmode", "sslrootcert", *_ADDRESS, *_VARIABLES)
_SCHEME = re.compile("postgres(?:ql)?://")
# User, password, host with port, database, parameters. A password may have an @ or a question mark, unlike for libpq.
_URL = re.compile(rf"{_SCHEME.pattern}(?:([^:/?]*)(?::([^/]*?))?@)?([^/?@]*)(?:/([^?]*))?(?:\?(.*))?")
_PSQL = re.compile(r"(\w+=\S*\s+)*psql\s")
_EXAMPLE = "postgres://user:password@host:5432/database"
_NO_HOST = (
    "no single host that is a name or an address (Label Studio takes no list of hosts and no Unix socket); escape"
    " special characters of the password"
)
# In a URL these characters would be escaped if they belonged to a password.
_PLACEHOLDER = re.compile(r"\[.*\]|<.*>|\$?\{.*\}|\*+")


@dataclass(frozen=True)
class PostgresUrl:
    """A database, as variables of Label Studio (core/settings/base.py) and of its libpq.

    ``tls`` are libpq's variables for TLS, with values from fixed lists; ``secrets`` all others: even the user's name is
    part of the secret that the URL is. ``port`` is a TCP port.
    """

    port: int
    secrets: Mapping[str, Secret]
    tls: Mapping[str, str]


def parse_postgres_url(text: str) -> PostgresUrl:
    """Read ``postgres://user:password@host[:port]/database[?parameter=value&…]`` (libpq, "Connection URIs").

    Quotes, ``psql`` or ``NAME=`` around the URL are ignored. Raises ValueError, whose message shows no value of the
    URL: even its user name is part of a secret.
    """
    user, password, location, path, query = _split(text)
    if "/" in path:
        raise ValueError("has a slash in its database name or password; write it as %2F")
    if "&" in path:
        raise ValueError("has an & in its database name: its parameters begin with ?, and an & in a name is %26")
    if _PLACEHOLDER.fullmatch(password):
        raise ValueError("still has a placeholder where the password belongs; write such characters as %-escapes")
    parts = {
        "user": _decoded(user, "user"),
        "password": _decoded(password, "password"),
        "dbname": _decoded(path, "database name"),
        **_location(location),
    }
    parameters = _parameters(query)
    parts |= {name: parameters.pop(name) for name in _ADDRESS if name in parameters}
    _check_parts(parts)
    tls, port = _tls(parameters), _port(parts["port"])
    variables = {
        "POSTGRE_USER": parts["user"],
        "POSTGRE_PASSWORD": parts["password"],
        "POSTGRE_NAME": parts["dbname"],
        "POSTGRE_HOST": parts["host"],
        "POSTGRE_PORT": str(port),
        **dict(sorted((_VARIABLES[name], value) for name, value in parameters.items() if value)),
    }
    return PostgresUrl(port, {name: Secret(value) for name, value in variables.items()}, tls)


def _split(text: str) -> tuple[str, ...]:
    """The parts of the URL, without what people copy with it: quotes, ``NAME=``, or ``psql``. Raises ValueError."""
    text = text.strip().removesuffix(";")
    text = text if _PSQL.match(text) else unwrapped(text)
    if _PSQL.match(text):
        try:
            words = [word.removeprefix("--dbname=") for word in shlex.split(text)]
        except ValueError:
            words = []
        urls = [word for word in words if _SCHEME.match(word)]
        text = urls[0] if len(urls) == 1 else ""
    found = _URL.fullmatch(unwrapped(text))
    if not found or " " in found[0] or not found[0].isprintable():
        raise ValueError(f"is not one URL of PostgreSQL such as {_EXAMPLE} (a space in it is %20)")
    return found.groups("")


def _location(text: str) -> dict[str, str]:
    """Host and port, a pair of texts."""
    bracketed = re.fullmatch(r"\[([^\]]*:[^\]]*)\](?::([^:]*))?", text)
    host, colon, port = (bracketed[1], ":", bracketed[2] or "") if bracketed else text.partition(":")
    if colon and ":" in port:
        raise ValueError(f"has {_NO_HOST}")
    return {"host": _decoded(host, "host"), "port": _decoded(port, "port")}


def _parameters(query: str) -> dict[str, str]:
    """The query's parameters, decoded; the last of a repeated one takes precedence. A '+' is a '+' to libpq."""
    parameters: dict[str, str] = {}
    query = query.removesuffix("&")
    for number, pair in enumerate(query.split("&") if query else [], start=1):
        raw_name, equals, raw_value = pair.partition("=")
        name, value = _decoded(raw_name, "parameters"), _decoded(raw_value, "parameters")
        if not equals or "=" in raw_value:
            raise ValueError("has a parameter that is not name=value; write an equals sign inside a value as %3D")
        if (name, value) == ("ssl", "true"):  # libpq's one concession to JDBC
            name, value = "sslmode", "require"
        if name not in _ACCEPTED:
            # Not by its name, which may be a part of a password with a question mark.
            raise ValueError(
                f"has a parameter (number {number}) that Label Studio's libpq cannot be given; leave it out. It takes"
                f" {', '.join(_ACCEPTED)}"
            )
        parameters[name] = value
    return parameters


def _check_parts(parts: Mapping[str, str]) -> None:
    host = parts["host"]
    if not host:
        raise ValueError("names no host")
    if not is_host(host):
        raise ValueError(f"has {_NO_HOST}")
    check_not_the_pod(host)
    for name, what in (("user", "user"), ("password", "password"), ("dbname", "database")):
        if not parts[name]:
            raise ValueError(f"names no {what} ({_EXAMPLE})")


def _port(text: str) -> int:
    port = text or "5432"
    if not re.fullmatch(r"[0-9]{1,5}", port, re.ASCII) or not 1 <= int(port) <= 65535:
        raise ValueError("has a port that is not a number from 1 to 65535; escape special characters of the password")
    return int(port)


def _tls(parameters: dict[str, str]) -> dict[str, str]:
    """Take ``sslmode`` and ``sslrootcert`` out of the parameters, as variables.

    ``verify-full`` needs root certificates, and libpq looks for a file that the pod does not have: it gets the
    system's. Label Studio's libpq (psycopg's binary wheel) has an OpenSSL that looks for them in a folder of its own
    making, unless SSL_CERT_FILE says where they are.
    """
    mode, root = parameters.pop("sslmode", ""), parameters.pop("sslrootcert", "")
    if mode and mode not in _SSL_MODES:
        raise ValueError(f"has an unknown sslmode; libpq knows {', '.join(_SSL_MODES)}")
    if root not in ("", "system", _CA_BUNDLE):
        raise ValueError(
            "has the parameter sslrootcert, a file that Label Studio's pod does not have; write sslrootcert=system"
        )
    if root == "system" and mode not in ("", "verify-full"):
        raise ValueError("has sslrootcert=system with a weaker sslmode, which libpq refuses; write sslmode=verify-full")
    if mode == "verify-ca" and not root:
        raise ValueError("has sslmode=verify-ca, for which the pod has no root certificate; write sslmode=verify-full")
    if mode == "verify-full" or root == "system":
        mode, root = "verify-full", root or "system"
    variables = {"PGSSLMODE": mode, "PGSSLROOTCERT": root, "SSL_CERT_FILE": _CA_BUNDLE if root == "system" else ""}
    return {name: value for name, value in variables.items() if value}


def _decoded(text: str, what: str) -> str:
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise ValueError(f"has a percent sign in its {what} that is not an escape; write it as %25")
    try:
        decoded = unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise ValueError(f"has percent-escapes in its {what} that are not UTF-8") from None
    if "\0" in decoded:
        raise ValueError(f"has a zero byte in its {what}")
    return decoded
