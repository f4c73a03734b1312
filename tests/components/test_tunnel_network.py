"""The tunnel's pods reach what its rules name, and no more."""

import json
from typing import Any

import pytest

from oceanid_cluster.components.tunnel.network import access, namespace_of
from tests.program import in_namespace
from tests.samples import EVERYTHING, settings

MANAGED = {"manageTunnelConfig": "true", "cloudflare_api_token": "canary-cloudflare-token"}
EDGE = {("UDP", 7844), ("TCP", 7844), ("TCP", 443), ("TCP", 853)}
DNS = {("UDP", 53), ("TCP", 53)}
LABEL_STUDIO = in_namespace("apps", app="label-studio")


def policy(**changes: str) -> dict[str, Any]:
    found = settings(changes)
    port, managed = found.tunnel.metrics_port, found.cloudflare.manage_config
    return access(port, found.tunnel_rules, found.cluster.domain, sole_rules=managed)["spec"]


def egress(**changes: str) -> list[dict[str, Any]]:
    spec = policy(**changes)
    assert spec["podSelector"] == {"matchLabels": {"app.kubernetes.io/name": "cloudflared"}}
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    return spec["egress"]


def ports(rules: list[dict[str, Any]]) -> set[tuple[str, int]]:
    """What is open to every address."""
    return {(port["protocol"], port["port"]) for rule in rules if "to" not in rule for port in rule["ports"]}


def peers(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The pods of which every port is open."""
    assert all(rule.keys() <= {"to"} for rule in rules if "to" in rule)
    return [peer for rule in rules for peer in rule.get("to", [])]


def rules_for(*services: str) -> str:
    return json.dumps([{"hostname": f"h{n}.example.org", "service": one} for n, one in enumerate(services)])


def test_only_the_metrics_of_the_tunnel_can_be_reached() -> None:
    assert policy(metricsPort="2001")["ingress"] == [{"ports": [{"protocol": "TCP", "port": 2001}]}]


def test_the_tunnel_reaches_dns_the_edge_the_api_server_and_the_pods_behind_its_rules() -> None:
    found = egress(**MANAGED)
    assert ports(found) == DNS | EDGE | {("TCP", 443), ("TCP", 6443)}
    assert peers(found) == [LABEL_STUDIO]
    webhook = in_namespace("flux-system", app="notification-controller")
    assert peers(egress(**EVERYTHING)) == [LABEL_STUDIO, webhook, in_namespace("apps")]


def test_rules_that_may_be_in_the_dashboard_may_name_every_service() -> None:
    assert peers(egress()) == [LABEL_STUDIO, {"namespaceSelector": {}}]


@pytest.mark.parametrize(
    ("service", "namespace", "port"),
    [
        ("http://app.web.svc", "web", None),
        ("http://app.web.svc.cluster.local:8080", "web", None),
        ("http://app.web.svc.cluster.local.:8080", "web", None),
        ("http://app-0.app.web.svc.cluster.local:8080", "web", None),
        ("tcp://app.web:5432", "web", 5432),  # or a host outside
        ("http://app:81", "cloudflared", 81),
        ("http://nas.lan.:5000", "lan", 5000),
        ("http://nas.lan.example.org:5000", None, 5000),
        ("https://192.168.2.5", None, 443),
        ("ssh://[2001:db8::1]", None, 22),
        ("unix:/run/app.sock", None, None),
        ("http_status:503", None, None),
    ],
)
def test_a_rule_opens_the_way_to_its_service(service: str, namespace: str | None, port: int | None) -> None:
    found = egress(**MANAGED, extraIngress=rules_for(service))
    assert peers(found) == [LABEL_STUDIO, *([in_namespace(namespace)] if namespace else [])]
    assert ports(found) == DNS | EDGE | {("TCP", 443), ("TCP", 6443), *([("TCP", port)] if port else [])}


@pytest.mark.parametrize("service", ["bastion", "socks-proxy"])
def test_a_rule_whose_client_says_where_to_opens_every_way(service: str) -> None:
    assert {} in egress(**MANAGED, extraIngress=rules_for(service))


def test_an_api_server_at_another_address_is_reached_there() -> None:
    changed = egress(**MANAGED, cloudflare_tunnel_service_url="https://192.0.2.10:7443")
    assert ports(changed) == DNS | EDGE | {("TCP", 6443), ("TCP", 7443)}


def test_a_namespace_is_one_that_can_exist() -> None:
    """Anything else would be refused as a label, and with it the whole policy."""
    assert namespace_of("app.-_-", "cluster.local") is None
    assert namespace_of(f"app.{'a' * 64}", "cluster.local") is None
    assert namespace_of("app.web.svc.reef.example", "reef.example") == "web"
    assert namespace_of("nas.reef.example", "reef.example") is None
