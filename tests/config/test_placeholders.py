"""Placeholders for what is not known."""

from oceanid_cluster.components.settings import all_keys
from oceanid_cluster.config.placeholders import placeholder
from oceanid_cluster.config.tunnel_token import parse_tunnel_token

ROWS = {row.name: row for row in all_keys()}


def test_what_must_differ_differs() -> None:
    addresses = {placeholder(ROWS[name]) for name in ("tethysIp", "styxIp", "calypsoIp")}
    assert len(addresses) == 3
    tokens = [ROWS[name] for name in ("cloudflare_tunnel_token", "cloudflare_node_tunnel_token")]
    assert len({parse_tunnel_token(placeholder(row)).tunnel_id for row in tokens}) == 2
