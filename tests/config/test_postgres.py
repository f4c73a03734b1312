"""Database URLs as hosted vendors print them: they work as libpq reads them, or are refused by name."""

import json
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from oceanid_cluster.config.postgres import PostgresUrl, parse_postgres_url

TABLE = json.loads((Path(__file__).parent.parent / "data" / "libpq_urls.json").read_text(encoding="utf-8"))
NAMES = {
    "POSTGRE_USER": "user", "POSTGRE_PASSWORD": "password", "POSTGRE_HOST": "host", "POSTGRE_PORT": "port",
    "POSTGRE_NAME": "dbname", "PGAPPNAME": "application_name", "PGCHANNELBINDING": "channel_binding",
    "PGCONNECT_TIMEOUT": "connect_timeout", "PGOPTIONS": "options", "PGSSLNEGOTIATION": "sslnegotiation",
    "PGTARGETSESSIONATTRS": "target_session_attrs", "PGSSLMODE": "sslmode", "PGSSLROOTCERT": "sslrootcert",
}  # fmt: skip

THE_POD = (
    "localhost", "LocalHost.", "db.localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback.", "127.0.0.2",
    "0.0.0.0", "[::]", "[::1]:5432", "[::ffff:127.0.0.1]", "[::ffff:0.0.0.0]", "%3A%3A1",
)  # fmt: skip
NO_HOST = (
    "127.1", "0x7f.1", "2130706433", "0x7f000001", "0177.0.0.1", "256.1.1.1", "10.0.0.1.", "[zz]", "[h]:5432",
    "[10.0.0.1]", "h..org", ".h", "-h", "h-.org", "h" * 64, ".".join(["h" * 50] * 6), "h\u017f.org",
)  # fmt: skip


def as_libpq_would(url: PostgresUrl) -> dict[str, str]:
    """What libpq ends up with, by its own names."""
    variables = {**url.tls, **{name: secret.value for name, secret in url.secrets.items()}}
    variables.pop("SSL_CERT_FILE", None)
    return {NAMES[name]: value for name, value in variables.items()}


@pytest.mark.parametrize("text", TABLE["urls"])
def test_what_a_vendor_prints_means_what_libpq_makes_of_it(text: str) -> None:
    expected = {"port": "5432", **TABLE["urls"][text]}
    if "verify-full" in expected.get("sslmode", "") or "sslrootcert" in expected:
        expected |= {"sslmode": "verify-full", "sslrootcert": "system"}  # libpq alone would find no certificate
    for pasted in (
        text,
        f'"{text}"',
        f"psql '{text}'",
        f'PGPASSWORD=x psql -d "{text}" -c "select 1";',
        f"psql --dbname='{text}'",
        f"DATABASE_URL={text}\n",
        f"database_url='{text}'",
        f'"export DATABASE_URL={text}"',
        f"\"psql '{text}'\"",
    ):
        assert as_libpq_would(parse_postgres_url(pasted)) == expected


def test_what_libpq_takes_is_taken() -> None:
    url = parse_postgres_url("postgres://user@server:p@server.postgres.database.azure.com/db")
    assert as_libpq_would(url)["user"] == "user@server"
    for host in ("my_db", "H.Example.Org.", "10.0.0.1", "h" * 63, "1password-db"):
        assert as_libpq_would(parse_postgres_url(f"postgres://u:p@{host}/db"))["host"] == host
    assert as_libpq_would(parse_postgres_url("postgres://u:p@[2001:db8::1]:6432/db"))["host"] == "2001:db8::1"
    for query in ("?", "?sslmode=require&", "?ssl=true&"):
        url = parse_postgres_url(f"postgres://u:p@h.example.org/db{query}")
        assert url.tls == ({"PGSSLMODE": "require"} if len(query) > 1 else {})


def test_a_password_stays_as_it_is() -> None:
    for password in ("$ecret", "a'b'c", 'a"b', r"a\\b", "a`b", "%5BYOUR-PASSWORD%5D", "p&q=r"):
        for pasted in ("{}", "'{}'", "DATABASE_URL={}"):
            url = parse_postgres_url(pasted.format(f"postgres://u:{password}@h.example.org/db"))
            assert as_libpq_would(url)["password"] == unquote(password)


def test_a_verified_connection_gets_the_systems_certificates() -> None:
    for query in ("sslmode=verify-full", "sslrootcert=system", "sslmode=verify-full&sslrootcert=system"):
        assert parse_postgres_url(f"postgres://u:p@h.example.org/db?{query}").tls == {
            "PGSSLMODE": "verify-full",
            "PGSSLROOTCERT": "system",
            "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt",
        }


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgres://u:p@h/db?sslmode=verify-ca", "write sslmode=verify-full"),
        ("postgres://u:p@h/db?sslmode=require&sslrootcert=system", "weaker sslmode, which libpq refuses"),
        ("postgres://u:p@h/db?sslmode=verify-full&sslrootcert=/rds.pem", "parameter sslrootcert, a file"),
        ("postgres://u:p@h/db?sslmode=strict", "unknown sslmode; libpq knows disable"),
        ("postgres://u:p@h/db?sslmode=require&canary=1", "(number 2) that Label Studio's libpq cannot be given"),
        ("postgres://u:p@h/db?canary", "is not name=value"),
        ("postgres://u:p@h/db&sslmode=require", "has an & in its database name: its parameters begin with ?"),
        ("postgres://u:p@h1:5432,h2:5432/db", "has no single host"),
        ("postgres://u:p@h]/db", "has no single host"),
        ("postgres://u:p@/db?host=/cloudsql/project:region:instance", "has no single host"),
        ("postgres://u:p@/db", "names no host"),
        *((f"postgres://u:p@{host}/db", "leads to the pod itself") for host in THE_POD),
        *((f"postgres://u:p@{host}/db", "has no single host that is a name or an address") for host in NO_HOST),
        ("postgres://u:p@h:0/db", "has a port that is not a number"),
        ("postgres://u:p@h:port/db", "has a port that is not a number"),
        ("postgres://u@h/db", "names no password"),
        ("postgres://:p@h/db", "names no user"),
        ("postgres://u:[YOUR-PASSWORD]@h/db", "still has a placeholder"),
        ("postgres://u:p@h", "names no database"),
        ("postgres://u:ca/nary@h/db", "has a slash in its database name or password"),
        ("postgres://u:100%@h/db", "has a percent sign in its password"),
        ("postgres://u:%ff@h/db", "that are not UTF-8"),
        ("jdbc:postgresql://h:5432/db", "is not one URL of PostgreSQL such as postgres://"),
        ("PGPASSWORD=canary psql -h h -U u db", "is not one URL of PostgreSQL such as postgres://"),
        ("psql 'postgres://u:canary@h/db", "is not one URL of PostgreSQL such as postgres://"),
        ("postgres://u:p q@h/db", "is not one URL of PostgreSQL such as postgres://"),
    ],
)
def test_what_cannot_connect_is_refused_by_name_and_nothing_of_it_is_shown(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_postgres_url(url)
    assert reason in str(caught.value)
    assert "canary" not in str(caught.value)
    assert not re.search(r"(?<!\w)'", str(caught.value)), "what stands in quotes is hidden in a message of a secret key"
