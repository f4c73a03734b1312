"""Placeholders for what is not known."""

from oceanid_cluster.components.settings import all_keys
from oceanid_cluster.config.placeholders import placeholder
from oceanid_cluster.config.tunnel_token import parse_tunnel_token
from tests.samples import ACCOUNT, NODE_TUNNEL

ROWS = {row.name: row for row in all_keys()}


def test_every_key_has_a_placeholder_that_its_own_parser_takes() -> None:
    for row in ROWS.values():
        text = placeholder(row)
        row.parse(text)
        assert text == placeholder(row)


def test_what_must_differ_differs() -> None:
    addresses = {placeholder(ROWS[name]) for name in ("tethysIp", "styxIp", "calypsoIp")}
    assert len(addresses) == 3
    tokens = [ROWS[name] for name in ("cloudflare_tunnel_token", "cloudflare_node_tunnel_token")]
    assert len({parse_tunnel_token(placeholder(row)).tunnel_id for row in tokens}) == 2


def test_a_tunnels_token_has_the_ids_that_are_known() -> None:
    token = parse_tunnel_token(placeholder(ROWS["cloudflare_tunnel_token"], NODE_TUNNEL, ACCOUNT))
    assert (token.tunnel_id, token.account_id) == (NODE_TUNNEL, ACCOUNT)
