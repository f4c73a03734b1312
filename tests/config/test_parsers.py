"""Parsers, by property: what is valid comes back whole, anything else is a ValueError that gives nothing away."""

import base64
import json
import re
from decimal import Decimal
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oceanid_cluster.components.settings import all_keys
from oceanid_cluster.config import parsers
from oceanid_cluster.config.postgres import parse_postgres_url
from oceanid_cluster.config.schema import Key
from oceanid_cluster.config.tunnel_token import parse_tunnel_token

ACCOUNTS = st.text("0123456789abcdef", min_size=32, max_size=32)
SECRETS = st.binary(min_size=32, max_size=64).map(lambda data: base64.b64encode(data).decode())
BLANKS = st.sampled_from(["", "\n", " ", "\r\n", "\n\n  "])
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=40)
HOSTS = st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z]([a-z0-9-]{0,10}[a-z0-9])?){0,3}", fullmatch=True)


PREDICATE = re.compile(r"(is|has|contains|holds|lacks|leads|names|requests|takes) |still has ")


def refuses(row: Key, text: str) -> bool:
    """Whether a key refuses a text, and then with the end of a sentence. Anything but a ValueError is a defect."""
    try:
        row.parse(text)
    except ValueError as problem:
        return bool(PREDICATE.match(str(problem)))
    return True


@given(ACCOUNTS, st.uuids(), SECRETS, BLANKS, BLANKS, st.booleans(), st.booleans(), st.booleans())
def test_a_token_of_any_shape_becomes_the_same_connector_token(
    account: str, tunnel: object, secret: str, before: str, after: str, long: bool, encoded: bool, padded: bool
) -> None:
    names = ("AccountTag", "TunnelID", "TunnelSecret") if long else ("a", "t", "s")
    text = json.dumps(dict(zip(names, (account, str(tunnel), secret), strict=True)))
    if encoded or not long:
        text = base64.b64encode(text.encode()).decode()
        text = text if padded else text.rstrip("=")
    token = parse_tunnel_token(before + text + after)
    assert (token.account_id, token.tunnel_id) == (account, str(tunnel))
    connector = json.loads(base64.b64decode(token.connector.value))
    assert connector == {"a": account, "t": str(tunnel), "s": secret}


@given(st.text())
@example("[" * 100_000)
@example(base64.b64encode(b"[" * 100_000).decode())
@example('{"a": 1, "t": 2, "s": 3}')
@example('{"AccountTag": null, "TunnelID": null, "TunnelSecret": null}')
def test_no_other_text_is_a_token_and_none_of_it_is_shown(text: str) -> None:
    with pytest.raises(ValueError, match=r"tunnel|account") as caught:
        parse_tunnel_token(text)
    assert len(text) < 12 or text not in str(caught.value)


@given(TEXT, TEXT, HOSTS, st.integers(1, 65535), TEXT, st.sampled_from([None, "require", "verify-full"]))
def test_a_postgres_url_is_taken_apart_as_it_was_put_together(
    user: str, password: str, host: str, port: int, database: str, mode: str | None
) -> None:
    escaped = [quote(part, safe="") for part in (user, password, database)]
    query = f"?sslmode={mode}" if mode else ""
    url = parse_postgres_url(f"postgresql://{escaped[0]}:{escaped[1]}@{host}:{port}/{escaped[2]}{query}")
    assert {name: secret.value for name, secret in url.secrets.items()} == {
        "POSTGRE_USER": user, "POSTGRE_PASSWORD": password, "POSTGRE_HOST": host, "POSTGRE_PORT": str(port),
        "POSTGRE_NAME": database,
    }  # fmt: skip
    assert url.tls.get("PGSSLMODE") == mode


@given(st.decimals(Decimal("0.001"), 10**9, places=3), st.sampled_from(["", "m", "k", "Ki", "Mi", "Gi", "G", "e3"]))
def test_quantities_grow_with_their_number_and_unit(number: Decimal, unit: str) -> None:
    text = f"{number}{unit}"
    assert parsers.quantity(text) == text
    assert parsers.quantity_value(f"{number}Gi") > parsers.quantity_value(f"{number}G")
    assert parsers.quantity_value(f"{number}e9") == parsers.quantity_value(f"{number}G")


@given(st.sampled_from(all_keys()), st.text())
def test_no_value_of_any_key_ends_in_anything_but_a_clear_refusal(row: Key, text: str) -> None:
    assert refuses(row, text)
