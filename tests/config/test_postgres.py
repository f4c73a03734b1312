"""Database URLs as hosted vendors print them: they work as libpq reads them, or are refused by name."""

import json
import re
from pathlib import Path

import pytest

from oceanid_cluster.config.postgres import PostgresUrl, parse_postgres_url

TABLE = json.loads((Path(__file__).parent.parent / "data" / "libpq_urls.json").read_text(encoding="utf-8"))
VARIABLES = {
    "PGAPPNAME": "application_name", "PGCHANNELBINDING": "channel_binding", "PGCONNECT_TIMEOUT": "connect_timeout",
    "PGOPTIONS": "options", "PGSSLNEGOTIATION": "sslnegotiation", "PGTARGETSESSIONATTRS": "target_session_attrs",
    "PGSSLMODE": "sslmode", "PGSSLROOTCERT": "sslrootcert",
}  # fmt: skip


def as_libpq_would(url: PostgresUrl) -> dict[str, str]:
    """What libpq ends up with: Label Studio's five settings, and the variables."""
    parts = {"user": url.user, "password": url.password.value, "host": url.host, "port": str(url.port)}
    variables = {**url.tls, **{name: secret.value for name, secret in url.variables.items()}}
    variables.pop("SSL_CERT_FILE", None)
    return {**parts, "dbname": url.database, **{VARIABLES[name]: value for name, value in variables.items()}}


@pytest.mark.parametrize("text", TABLE["urls"])
def test_what_a_vendor_prints_means_what_libpq_makes_of_it(text: str) -> None:
    expected = {"port": "5432", **TABLE["urls"][text]}
    if "verify-full" in expected.get("sslmode", "") or "sslrootcert" in expected:
        expected |= {"sslmode": "verify-full", "sslrootcert": "system"}  # libpq alone would find no certificate
    for pasted in (text, f'"{text}"', f"psql '{text}'", f"DATABASE_URL={text}\n"):
        assert as_libpq_would(parse_postgres_url(pasted)) == expected


def test_a_user_name_with_an_at_sign_is_understood() -> None:
    url = parse_postgres_url("postgres://user@server:p@server.postgres.database.azure.com/db")
    assert (url.user, url.host) == ("user@server", "server.postgres.database.azure.com")


@pytest.mark.parametrize(
    "query", ["sslmode=verify-full", "sslrootcert=system", "sslmode=verify-full&sslrootcert=system"]
)
def test_a_verified_connection_gets_the_systems_certificates(query: str) -> None:
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
        ("postgres://u:p@h/db?sslmode=verify-full&sslrootcert=/rds.pem", "parameter sslrootcert, which names a file"),
        ("postgres://u:p@h/db?sslmode=strict", "unknown sslmode; libpq knows disable"),
        ("postgres://u:p@h/db?sslcert=/c.pem", "parameter sslcert, which names a file"),
        ("postgres://u:p@h/db?pgbouncer=true&connection_limit=1", "parameter pgbouncer, which is Prisma's"),
        ("postgres://u:p@h/db?schema=public", "parameter schema, which is another client's"),
        ("postgres://u:p@h/db?keepalives_idle=30", "parameter keepalives_idle, which is known to libpq, but"),
        ("postgres://u:p@h/db?target_session_attrs=read-only", "parameter target_session_attrs with a value"),
        ("postgres://u:p@h/db?gssencmode=require", "parameter gssencmode with a value"),
        ("postgres://u:p@h/db?connect_timeout=soon", "parameter connect_timeout with a value"),
        ("postgres://u:p@h/db?sslnegotiation=direct", "weak sslmode, which libpq refuses"),
        ("postgres://u:p@h/db?sslmode=require&canary=1", "parameter (number 2) that libpq does not know"),
        ("postgres://u:p@h/db?canary", "is not name=value"),
        ("postgres://u:p@h1:5432,h2:5432/db", "names several hosts"),
        ("postgres://u:p@/db?host=/cloudsql/project:region:instance", "names a Unix socket"),
        ("postgres://u:p@%2Fvar%2Frun/db", "names a Unix socket"),
        ("postgres://u:p@/db", "names no host"),
        ("postgres://u:p@localhost/db", "leads to the pod itself"),
        ("postgres://u:p@127.0.0.1/db", "leads to the pod itself"),
        ("postgres://u:p@h:0/db", "has a port that is not a number"),
        ("postgres://u:p@h:port/db", "has a port that is not a number"),
        ("postgres://u@h/db", "lacks a user or a password"),
        ("postgres://u:[YOUR-PASSWORD]@h/db", "still has a placeholder"),
        ("postgres://u:<password>@h/db", "still has a placeholder"),
        ("postgres://u:****@h/db", "still has a placeholder"),
        ("postgres://u:p@h", "names no database"),
        ("postgres://u:p@h?sslmode=require", "names no database"),
        ("postgres://u:ca/nary@h/db", "has a slash in its database name or password"),
        ("postgres://u:100%@h/db", "has a percent sign in its password"),
        ("postgres://u:%ff@h/db", "that are not UTF-8"),
        ("jdbc:postgresql://h:5432/db", "is a JDBC URL"),
        ("postgresql+psycopg2://u:p@h/db", "is an SQLAlchemy URL"),
        ("host=h user=canary password=canary dbname=db", "is a list of keywords"),
        ("mysql://u:p@h/db", "does not start with postgres://"),
        ("postgres://u:p q@h/db", "contains white space"),
    ],
)
def test_what_cannot_connect_is_refused_by_name_and_nothing_of_it_is_shown(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_postgres_url(url)
    assert reason in str(caught.value)
    assert "canary" not in str(caught.value)
    assert not re.search(r"(?<!\w)'", str(caught.value)), "what stands in quotes is hidden in a message of a secret key"
