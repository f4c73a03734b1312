"""The tunnel: its rules, here and at Cloudflare, and how its pods live."""

import pytest

from tests.program import Program, config_file, pod_of
from tests.recorded import plain
from tests.samples import ACCOUNT, EVERYTHING, NODE_TUNNEL, REQUIRED, TUNNEL, connector_token, refused

CONFIG = "cloudflare-config"


def test_the_tunnels_rules_are_in_order_and_verified(program: Program) -> None:
    extra = {"extraIngress": '[{"hostname": "app.example.org", "service": "http://app"}]'}
    document = config_file(program({**REQUIRED, **extra}), "cloudflare-config")
    assert document["tunnel"] == TUNNEL
    assert (document["protocol"], document["no-autoupdate"]) == ("auto", True)
    assert "warp-routing" not in document
    ca = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
    verified = {"caPool": ca, "originServerName": "kubernetes.default.svc"}
    assert document["ingress"] == [
        {
            "hostname": "k3s.boathou.se",
            "service": "https://kubernetes.default.svc.cluster.local:443",
            "originRequest": verified,
        },
        {"hostname": "label.boathou.se", "service": "http://label-studio.apps.svc.cluster.local:8080"},
        {"hostname": "app.example.org", "service": "http://app"},
        {"service": "http_status:404"},
    ]
    pod = pod_of(program(REQUIRED), "cloudflare-deployment")
    assert "/var/run/secrets/kubernetes.io/serviceaccount" in [
        m["mountPath"] for m in pod["containers"][0]["volumeMounts"]
    ]


@pytest.mark.parametrize(
    ("address", "service"),
    [
        (None, "tcp://kubernetes.default.svc.cluster.local:443"),
        ("https://192.0.2.10:6443", "tcp://192.0.2.10:6443"),
        ("https://api.example.org", "tcp://api.example.org:443"),
        ("tcp://[2001:db8::1]:6443", "tcp://[2001:db8::1]:6443"),
    ],
)
def test_kubectl_has_a_rule_of_its_own_that_is_streamed(program: Program, address: str | None, service: str) -> None:
    """The service of the API's rule is HTTP, and what cloudflared proxies as HTTP loses the client's certificate."""
    changes = {"cloudflare_tunnel_service_url": address} if address else {}
    document = config_file(program({**REQUIRED, **changes, "cloudflare_kubectl_hostname": "KUBECTL.x.org"}), CONFIG)
    assert document["ingress"][1] == {"hostname": "kubectl.x.org", "service": service}
    assert "tcp://" not in str(config_file(program(REQUIRED), CONFIG))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cloudflare_tunnel_service_url": "unix:/run/api.sock"}, "names no host and port"),
        ({"cloudflare_kubectl_hostname": "k3s.boathou.se"}, "'cloudflare_kubectl_hostname' is another rule's host"),
        ({"labelStudioHostname": "kubectl.x.org"}, "'labelStudioHostname' is another rule's host name"),
        (
            {"extraIngress": '[{"hostname": "kubectl.x.org", "service": "http://a"}]'},
            "rule 1 ('kubectl.x.org') would never be used: 'kubectl.x.org' has two rules, and kubectl's rule",
        ),
    ],
)
def test_kubectls_rule_needs_an_address_and_a_name_of_its_own(changes: dict[str, str], said: str) -> None:
    assert said in refused({"cloudflare_kubectl_hostname": "kubectl.x.org", **changes})


def test_both_tunnels_use_the_configured_addresses_of_the_edge(program: Program) -> None:
    for given, written in ((REQUIRED, "auto"), ({**REQUIRED, "cloudflareEdgeIpVersion": "6"}, "6")):
        run = program(given)
        for component in ("cloudflare", "node-tunnels"):
            assert config_file(run, f"{component}-config")["edge-ip-version"] == written


def test_with_manage_tunnel_config_cloudflare_gets_the_same_rules(program: Program) -> None:
    run = program(EVERYTHING)
    names = ("hostname", "service", "path")
    for component, tunnel in (("cloudflare", TUNNEL), ("node-tunnels", NODE_TUNNEL)):
        remote = plain(run.resources[f"{component}-remote-config"].inputs)
        assert (remote["accountId"], remote["tunnelId"]) == (ACCOUNT, tunnel)
        local = config_file(run, f"{component}-config")["ingress"]
        picked = [{k: rule[k] for k in names if k in rule} for rule in local]
        assert [{k: rule[k] for k in names if k in rule} for rule in remote["config"]["ingresses"]] == picked
    remote = plain(run.resources["cloudflare-remote-config"].inputs)
    assert remote["config"]["ingresses"][0]["originRequest"]["caPool"].endswith("ca.crt")
    (own,) = (rule for rule in remote["config"]["ingresses"] if rule.get("hostname") == "app.example.org")
    assert own["originRequest"]["noTlsVerify"] is True
    records = [plain(r.inputs) for r in run.resources.values() if r.typ.startswith("cloudflare:index/dnsRecord")]
    assert {r["name"] for r in records} == {"*.nodes.boathou.se", "gpu.boathou.se", "*.pod.boathou.se"}
    assert {r["content"] for r in records} == {f"{NODE_TUNNEL}.cfargotunnel.com"}


def test_rules_and_dns_at_cloudflare_are_each_written_only_when_asked_for(program: Program) -> None:
    dns = {**EVERYTHING, "manageTunnelConfig": "false"}
    assert not [name for name in program(dns).resources if name.endswith("remote-config")]
    assert [name for name in program(dns).resources if "-dns-" in name]
    rules = {**EVERYTHING, "manageNodeTunnelDns": "false"}
    assert not [name for name in program(rules).resources if "-dns-" in name]


def test_cloudflared_outlives_its_drain_and_an_outage_at_the_edge(program: Program) -> None:
    pod = pod_of(program(REQUIRED), "cloudflare-deployment")
    document = config_file(program(REQUIRED), "cloudflare-config")
    assert pod["terminationGracePeriodSeconds"] > int(document["grace-period"].removesuffix("s"))
    (container,) = pod["containers"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/ready"
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthcheck"
    assert container["args"][-2:] == ["--token-file", "/etc/cloudflared/token/token"]
    assert connector_token() not in str(container)
