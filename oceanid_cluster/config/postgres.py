"""PostgreSQL connection URLs, read as libpq reads them, and taken apart into what Label Studio is given."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from oceanid_cluster.config.secret import Secret

# In Label Studio's image, which is Debian with ca-certificates.
_CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_VERSIONS = r"TLSv1(\.[123])?"
_TEXT = r"[^\0]*"
# Parameters that reach Label Studio's libpq as its own variables ("Environment Variables" of its documentation), and
# the values with which a connection can work.
_PASSED = {
    "application_name": ("PGAPPNAME", _TEXT),
    "channel_binding": ("PGCHANNELBINDING", "disable|prefer|require"),
    "client_encoding": ("PGCLIENTENCODING", r"auto|[Uu][Tt][Ff]-?8"),
    "connect_timeout": ("PGCONNECT_TIMEOUT", r"[0-9]{1,9}"),
    "gssdelegation": ("PGGSSDELEGATION", "0"),
    "gssencmode": ("PGGSSENCMODE", "disable|prefer"),
    "load_balance_hosts": ("PGLOADBALANCEHOSTS", "disable|random"),
    "max_protocol_version": ("PGMAXPROTOCOLVERSION", r"3\.0|3\.2|latest"),
    "min_protocol_version": ("PGMINPROTOCOLVERSION", r"3\.0|3\.2|latest"),
    "options": ("PGOPTIONS", _TEXT),
    "require_auth": ("PGREQUIREAUTH", r"[a-z0-9!,-]+"),
    "ssl_max_protocol_version": ("PGSSLMAXPROTOCOLVERSION", _VERSIONS),
    "ssl_min_protocol_version": ("PGSSLMINPROTOCOLVERSION", _VERSIONS),
    "sslcertmode": ("PGSSLCERTMODE", "disable|allow"),
    "sslcompression": ("PGSSLCOMPRESSION", "[01]"),
    "sslnegotiation": ("PGSSLNEGOTIATION", "postgres|direct"),
    "sslsni": ("PGSSLSNI", "[01]"),
    "target_session_attrs": ("PGTARGETSESSIONATTRS", "any|read-write|primary"),
}
_NO_FILE = "names a file that Label Studio's pod does not have"
_NO_VARIABLE = "is known to libpq, but there is no variable by which Label Studio could be given it; leave it out"
_REFUSED = {
    **dict.fromkeys(("passfile", "service", "sslcert", "sslkey", "sslcrl", "sslcrldir", "sslkeylogfile"), _NO_FILE),
    **dict.fromkeys(
        (
            "fallback_application_name", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count",
            "tcp_user_timeout", "sslpassword", "scram_client_key", "scram_server_key",
        ),
        _NO_VARIABLE,
    ),
    "hostaddr": "overrides the host; write the address as the host",
    "krbsrvname": "is for Kerberos, which Label Studio's libpq cannot use",
    "gsslib": "is for Kerberos, which Label Studio's libpq cannot use",
    "replication": "is for replication, not for an application",
    "requirepeer": "is for Unix sockets, and the pod has none",
    **dict.fromkeys(
        (
            "pgbouncer", "connection_limit", "pool_timeout", "statement_cache_size", "socket_timeout", "sslaccept",
            "sslidentity", "supa", "workaround",
        ),
        "is Prisma's, not libpq's; leave it out",
    ),
    **dict.fromkeys(
        (
            "prepareThreshold", "sslfactory", "loginTimeout", "socketTimeout", "ApplicationName", "targetServerType",
            "autosave", "reWriteBatchedInserts", "ssl",
        ),
        "is JDBC's, not libpq's; leave it out",
    ),
    **dict.fromkeys(
        (
            "pool", "pool_mode", "pool_min_conns", "pool_max_conns", "pool_max_conn_lifetime", "prepared_statements",
            "binary_parameters", "default_query_exec_mode", "uselibpqcompat", "encoding", "charset", "serverVersion",
            "reaping_frequency", "timeout", "command_timeout", "server_settings", "prepared_statement_cache_size",
        ),
        "is another client's, not libpq's; leave it out",
    ),
    **dict.fromkeys(
        (
            "schema", "currentSchema", "search_path", "statement_timeout", "lock_timeout", "timezone",
            "idle_in_transaction_session_timeout",
        ),
        "is another client's; libpq takes settings of the server as options=-c%20name%3Dvalue",
    ),
}  # fmt: skip
_PLACEHOLDER = re.compile(
    r"[\[{<(]?\s*(your|my|the|db|database)?[-_ ]?pass(word)?\s*[\]}>)]|\*+|\$\{?\w+\}?", re.IGNORECASE
)


@dataclass(frozen=True)
class PostgresUrl:
    """A database: decoded user, password and name, host, TCP port, and what libpq is told beside them.

    ``tls`` are libpq's variables for TLS, with values from fixed lists; ``variables`` its others, part of a secret.
    """

    user: str
    password: Secret
    host: str
    port: int
    database: str
    tls: Mapping[str, str] = field(default_factory=dict[str, str])
    variables: Mapping[str, Secret] = field(default_factory=dict[str, Secret])


def parse_postgres_url(text: str) -> PostgresUrl:
    """Read ``postgres://user:password@host[:port]/database[?parameter=value&…]`` (libpq, "Connection URIs").

    Quotes, ``psql`` or ``NAME=`` around the URL are ignored. Raises ValueError, whose message shows no value of the
    URL: even its user name is part of a secret.
    """
    url = _bare(text)
    authority, slash, rest = url.partition("//")[2].partition("/")
    path, mark, query = rest.partition("?")
    if not slash:
        authority, mark, query = authority.partition("?")
    credentials, at, location = authority.rpartition("@")
    user, _, password = credentials.partition(":")
    if at and "?" in location:  # a query without a path before it
        location, mark, query = location.partition("?")
    parts = {
        "user": _decoded(user, "user"),
        "password": _decoded(password, "password"),
        "dbname": _decoded(path, "database name"),
        **_location(location),
    }
    if "/" in path:
        raise ValueError("has a slash in its database name or password; write it as %2F")
    parameters = _parameters(query) if mark else {}
    for name in ("user", "password", "dbname", "host", "port"):
        parts[name] = parameters.pop(name, parts[name])
    _check_parts(parts)
    tls = _tls(parameters)
    return PostgresUrl(
        user=parts["user"],
        password=Secret(parts["password"]),
        host=parts["host"],
        port=_port(parts["port"]),
        database=parts["dbname"],
        tls=tls,
        variables={_PASSED[name][0]: Secret(_passed(name, value)) for name, value in parameters.items() if value},
    )


def _bare(text: str) -> str:
    """The URL without what people copy with it. Raises ValueError for what is not PostgreSQL's URL."""
    url = text.strip()
    url = re.sub(r"^(export\s+)?[A-Z][A-Z0-9_]*=|^psql\s+(-d\s+)?", "", url).strip().removesuffix(";")
    if len(url) > 1 and url[0] == url[-1] and url[0] in "'\"`":
        url = url[1:-1].strip()
    if any(ch.isspace() or not ch.isprintable() for ch in url):
        if re.match(r"\w+\s*=", url):
            raise ValueError("is a list of keywords; write it as a URL: postgres://user:password@host:5432/database")
        raise ValueError("contains white space; write a space as %20")
    scheme = re.match(r"([A-Za-z0-9:+.-]*?)://", url)
    if scheme and scheme[1].startswith("jdbc:"):
        raise ValueError("is a JDBC URL; write postgres://user:password@host:5432/database")
    if scheme and re.match(r"postgres(ql)?\+", scheme[1]):
        raise ValueError("is an SQLAlchemy URL; leave out the plus sign and the driver after it")
    if not scheme or scheme[1] not in ("postgres", "postgresql"):
        raise ValueError("does not start with postgres:// or postgresql://")
    return url


def _location(text: str) -> dict[str, str]:
    """Host and port, a pair of texts."""
    if "," in text:
        raise ValueError("names several hosts; Label Studio takes one")
    bracketed = re.fullmatch(r"\[([^\]]*)\](?::([^:]*))?", text)
    host, colon, port = (bracketed[1], ":", bracketed[2] or "") if bracketed else text.partition(":")
    if (colon and ":" in port) or (not bracketed and any(bracket in host for bracket in "[]")):
        raise ValueError("has a host or port that cannot be read; escape special characters of the password")
    return {"host": _decoded(host, "host"), "port": _decoded(port, "port")}


def _parameters(query: str) -> dict[str, str]:
    """The query's parameters, decoded; of a repeated one the last counts. A '+' is a '+' to libpq."""
    parameters: dict[str, str] = {}
    for number, pair in enumerate(query.split("&") if query else [], start=1):
        raw_name, equals, raw_value = pair.partition("=")
        name, value = _decoded(raw_name, "parameters"), _decoded(raw_value, "parameters")
        if not equals or "=" in raw_value:
            raise ValueError("has a parameter that is not name=value; write an equals sign inside a value as %3D")
        if (name, value) == ("ssl", "true"):  # libpq's one concession to JDBC
            name, value = "sslmode", "require"
        if name in _REFUSED:
            raise ValueError(f"has the parameter {name}, which {_REFUSED[name]}")
        if name not in {*_PASSED, "sslmode", "sslrootcert", "user", "password", "dbname", "host", "port"}:
            # Not by its name, which may be a part of a password with a question mark.
            raise ValueError(f"has a parameter (number {number}) that libpq does not know; leave it out")
        parameters[name] = value
    return parameters


def _check_parts(parts: Mapping[str, str]) -> None:
    host = parts["host"]
    if not host:
        raise ValueError("names no host")
    if "," in host:
        raise ValueError("names several hosts; Label Studio takes one")
    if host.startswith(("/", "@")):
        raise ValueError("names a Unix socket (as Cloud SQL does), and the pod has none; write the host or address")
    if not re.fullmatch(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9._])?", host) and not _is_address(host):
        raise ValueError("has a host that is no name and no address; escape special characters of the password")
    if host.lower() == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback):
        raise ValueError("leads to the pod itself; write the database's own host name")
    if not parts["user"] or not parts["password"]:
        raise ValueError("lacks a user or a password (postgres://user:password@host/database)")
    if _PLACEHOLDER.fullmatch(parts["password"]):
        raise ValueError("still has a placeholder where the password belongs")
    if not parts["dbname"]:
        raise ValueError("names no database (postgres://user:password@host/database)")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _port(text: str) -> int:
    if not text:
        return 5432
    if not re.fullmatch(r"[0-9]{1,5}", text, re.ASCII) or not 1 <= int(text) <= 65535:
        raise ValueError("has a port that is not a number from 1 to 65535; escape special characters of the password")
    return int(text)


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
        raise ValueError(f"has the parameter sslrootcert, which {_NO_FILE}; write sslrootcert=system")
    if root == "system" and mode not in ("", "verify-full"):
        raise ValueError("has sslrootcert=system with a weaker sslmode, which libpq refuses; write sslmode=verify-full")
    if mode == "verify-ca" and not root:
        raise ValueError("has sslmode=verify-ca, for which the pod has no root certificate; write sslmode=verify-full")
    if mode == "verify-full" or root == "system":
        mode, root = "verify-full", root or "system"
    if parameters.get("sslnegotiation") == "direct" and mode in ("", "disable", "allow", "prefer"):
        raise ValueError("has sslnegotiation=direct with a weak sslmode, which libpq refuses; write sslmode=require")
    if parameters.get("channel_binding") == "require" and mode == "disable":
        raise ValueError("has channel_binding=require with sslmode=disable; channel binding needs TLS")
    variables = {"PGSSLMODE": mode, "PGSSLROOTCERT": root, "SSL_CERT_FILE": _CA_BUNDLE if root == "system" else ""}
    return {name: value for name, value in variables.items() if value}


def _passed(name: str, value: str) -> str:
    pattern = _PASSED[name][1]
    if not re.fullmatch(pattern, value, re.ASCII if pattern != _TEXT else re.DOTALL):
        takes = f"; it can be {pattern.replace('|', ', ')}" if re.fullmatch(r"[a-z|-]+", pattern) else ""
        raise ValueError(f"has the parameter {name} with a value that cannot work here{takes}")
    return value


def _decoded(text: str, what: str) -> str:
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise ValueError(f"has a percent sign in its {what} that is no escape; write it as %25")
    try:
        decoded = unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise ValueError(f"has percent-escapes in its {what} that are not UTF-8") from None
    if "\0" in decoded:
        raise ValueError(f"has a zero byte in its {what}")
    return decoded
