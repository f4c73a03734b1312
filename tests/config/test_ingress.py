"""Ingress rules: what cloudflared refuses, and what can never match, is refused with its reason, all at once."""

import json
from typing import Any

import pytest

from oceanid_cluster.components.connector import remote_rule
from oceanid_cluster.config.ingress import parse_rules
from tests.samples import refused, settings


def rule(**fields: Any) -> dict[str, Any]:
    """A rule that is right, but for the given fields; None leaves one out."""
    full = {"hostname": "a.example.org", "service": "http://a:80", **fields}
    return {name: value for name, value in full.items() if value is not None}


def refusal(*rules: object) -> str:
    """Why a list of rules is refused."""
    with pytest.raises(ValueError, match="rule") as caught:
        parse_rules(json.dumps(rules))
    return str(caught.value)


FORMS = "is not a service such as http://app.namespace.svc:8080 (or https"


@pytest.mark.parametrize(
    ("service", "reason"),
    [
        ("htpp://a:80", FORMS),
        ("app.apps.svc.cluster.local:8080", FORMS),
        ("http://:80", FORMS),
        ("http_status:99", FORMS),
        ("", FORMS),
        ("http://a/api", "has more than a scheme, a host and a port"),
        ("http://user:canary@a", "has more than a scheme, a host and a port"),
        ("http://a\n:80", "has more than a scheme, a host and a port"),
        ("http://a:x", "has a host or port that cannot be read"),
        ("http://a b", "has a host that is"),
        ("http://a..b:80", "has a host that is"),
        ("http://256.1.1.1:80", "has a host that is"),
        ("tcp://a", "has no port"),
        ("http://localhost:8080", "has a service that leads to the pod itself"),
        (80, "has no service"),
    ],
)
def test_a_service_that_cannot_be_used_is_refused_for_what_is_wrong(service: object, reason: str) -> None:
    said = refusal(rule(service=service))
    assert said.startswith("has wrong entries:\n      rule 1 ('a.example.org') has ")
    assert reason in said
    assert "canary" not in said


def test_every_service_that_cloudflared_knows_is_taken() -> None:
    for service in (
        "http://a", "HTTPS://a.b.svc:8443", "tcp://a:22", "smb://a", "http://[2001:db8::1]:80", "http://a_b.svc.:80",
        "unix:/run/app.sock",
        "unix+tls:/run/app.sock", "http_status:404", "hello_world", "bastion",
    ):  # fmt: skip
        assert parse_rules(json.dumps([rule(service=service)]))[0].service == service
    assert parse_rules(json.dumps([rule(service="http_status:+0404")]))[0].service == "http_status:404"


@pytest.mark.parametrize(
    ("hostname", "reason"),
    [
        ("https://a.example.org", "is not a host name alone"),
        ("a.example.org:80", "is not a host name alone"),
        ("a.example.org/api", "is not a host name alone"),
        ("a.*.org", "*.example.org for all names under it"),
        ("*a.example.org", "*.example.org for all names under it"),
        ("localhost", "is not a host name alone"),
        ("a" * 64 + ".org", "is not a host name alone"),
        ("\u2460.example.org", "write it in punycode"),
        ("stra\u00dfe.example.org", "write it in punycode"),  # two names, by the version of IDNA
        (5, "has a hostname that is not text"),
        ("*", "would catch everything"),
    ],
)
def test_a_hostname_that_no_request_has_is_refused(hostname: object, reason: str) -> None:
    assert reason in refusal(rule(hostname=hostname))


def test_a_hostname_is_written_as_requests_carry_it() -> None:
    for hostname, written in (
        ("A.Example.ORG.", "a.example.org"),
        ("*.example.org", "*.example.org"),
        ("my_app.example.org", "my_app.example.org"),
        ("Bücher.example.org", "xn--bcher-kva.example.org"),
    ):
        assert parse_rules(json.dumps([rule(hostname=hostname)]))[0].hostname == written


def test_a_path_alone_may_stand_for_every_host() -> None:
    (only,) = parse_rules(json.dumps([rule(hostname=None, path="^/healthz$")]))
    assert only.document() == {"path": "^/healthz$", "service": "http://a:80"}


def test_a_path_is_a_regular_expression_of_go() -> None:
    assert "rule 1 ('a.example.org') has a path that has '(?!'" in refusal(rule(path="^/api(?!/x)"))
    assert parse_rules(json.dumps([rule(path=r"\pL\z")]))[0].path == r"\pL\z"


ANY = "*.example.org"


@pytest.mark.parametrize(
    ("rules", "hidden"),
    [
        ([("a.example.org", None), ("a.example.org", "^/x")], "rule 1 ('a.example.org') catches its requests first"),
        ([("a.example.org", "^/x"), ("a.example.org", "^/x")], "has two rules, and rule 1 ('a.example.org') comes"),
        ([(ANY, None), ("a.example.org", None)], "rule 1 ('*.example.org') catches its requests first"),
        ([(ANY, "^/x"), ("b.a.example.org", "^/x")], "rule 1 ('*.example.org') catches its requests first"),
        ([(ANY, None), ("*.a.example.org", "^/x")], "rule 1 ('*.example.org') catches its requests first"),
        ([(None, "^/x"), ("a.example.org", "^/x")], "rule 1 catches its requests first"),
        ([("a.example.org", "^/x"), ("a.example.org", None)], ""),
        ([("a.example.org", "^/x"), ("a.example.org", "^/y")], ""),
        ([("a.example.org", None), (ANY, None)], ""),
        ([(ANY, None), ("example.org", None)], ""),
        ([(ANY, "^/x"), ("a.example.org", None)], ""),
        ([(None, "^/x"), ("a.example.org", None)], ""),
    ],
)
def test_a_rule_is_refused_where_an_earlier_one_gets_all_of_its_requests(
    rules: list[tuple[str | None, str | None]], hidden: str
) -> None:
    """As cloudflared matches them: ingress/rule.go, Matches."""
    given = [rule(hostname=host, path=path) for host, path in rules]
    if hidden:
        said = refusal(*given)
        assert hidden in said
        assert "rule 2" in said
    else:
        assert len(parse_rules(json.dumps(given))) == len(given)


def test_a_rule_for_a_name_of_this_program_is_refused() -> None:
    for hostname, owner in (
        ("api.example.org", "the Kubernetes API's rule (cloudflare_tunnel_hostname)"),
        ("label.boathou.se", "Label Studio's rule (labelStudioHostname)"),
    ):
        rules = json.dumps([rule(hostname=hostname, path="^/x"), rule(hostname=hostname)])
        said = refused({"cloudflare_tunnel_hostname": "api.example.org", "extraIngress": rules})
        for number in (1, 2):
            assert f"rule {number} ('{hostname}') would never be used" in said
        assert owner in said


def test_the_name_of_label_studio_is_free_while_it_is_turned_off() -> None:
    rules = json.dumps([rule(hostname="label.boathou.se")])
    assert settings({"enableLabelStudio": "false", "extraIngress": rules}).tunnel.extra_ingress


def test_every_wrong_rule_is_named_at_once() -> None:
    said = refusal(
        rule(hostname="one.example.org", service="htpp://a"),
        rule(hostname="two.example.org"),
        rule(hostname="three.example.org:80"),
        rule(hostname="two.example.org"),
        "four",
        rule(hostname="five.example.org", pathh="x"),
    )
    for text in (
        "has wrong entries:\n      rule 1 ('one.example.org') has a service that is not a service",
        "rule 3 ('three.example.org:80') has a hostname that is not a host name",
        "rule 4 ('two.example.org') would never be used: 'two.example.org' has two rules, and rule 2",
        "rule 5 is not an object",
        "rule 6 ('five.example.org') has the unknown field 'pathh'",
    ):
        assert text in said
    assert "rule 2 (" not in said.replace("and rule 2 (", "")


OPTIONS = {
    "connectTimeout": "1m30s", "tlsTimeout": 10, "tcpKeepAlive": "500ms", "noHappyEyeballs": True,
    "keepAliveConnections": 10, "keepAliveTimeout": "90s", "httpHostHeader": "b.example.org",
    "originServerName": "c.example.org", "matchSNItoHost": True, "noTLSVerify": True,
    "caPool": "/etc/ssl/certs/ca-certificates.crt", "disableChunkedEncoding": True, "proxyType": "socks",
    "http2Origin": True,
    "access": {"required": True, "teamName": "team", "audTag": ["tag"]},
}  # fmt: skip


def test_the_options_of_cloudflared_are_written_to_its_file_and_to_cloudflare() -> None:
    (only,) = parse_rules(json.dumps([rule(originRequest=OPTIONS)]))
    assert only.document()["originRequest"] == {**OPTIONS, "tlsTimeout": "10s"}
    assert remote_rule(only)["origin_request"] == {
        "connect_timeout": 90, "tls_timeout": 10, "tcp_keep_alive": 1, "no_happy_eyeballs": True,
        "keep_alive_connections": 10, "keep_alive_timeout": 90, "http_host_header": "b.example.org",
        "origin_server_name": "c.example.org", "match_sn_ito_host": True, "no_tls_verify": True,
        "ca_pool": "/etc/ssl/certs/ca-certificates.crt", "disable_chunked_encoding": True, "proxy_type": "socks",
        "http2_origin": True,
        "access": {"required": True, "team_name": "team", "aud_tags": ["tag"]},
    }  # fmt: skip


@pytest.mark.slow
def test_cloudflares_provider_knows_every_option_that_it_is_given() -> None:
    import pulumi_cloudflare

    (only,) = parse_rules(json.dumps([rule(originRequest=OPTIONS)]))
    options = remote_rule(only)["origin_request"]
    access = options.pop("access")
    pulumi_cloudflare.ZeroTrustTunnelCloudflaredConfigConfigIngressOriginRequestArgs(**options)
    pulumi_cloudflare.ZeroTrustTunnelCloudflaredConfigConfigIngressOriginRequestAccessArgs(**access)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"connectionTimeout": "30s"}, "the unknown originRequest option 'connectionTimeout'; cloudflared knows"),
        ({"connectTimeout": "30"}, "originRequest.connectTimeout that is not a duration such as 30s"),
        ({"noTLSVerify": "true"}, "originRequest.noTLSVerify that is neither true nor false"),
        ({"proxyPort": -1}, "is not a whole number from 0 to 65535"),
        ({"proxyPort": 70000}, "is not a whole number from 0 to 65535"),
        ({"proxyType": "http"}, "is neither socks nor empty"),
        ({"caPool": "/etc/ca.pem"}, "names a file that the pod does not have"),
        ({"ipRules": {"prefix": "10.0.0.0/8"}}, "is not a list"),
        ({"access": {"required": True, "audTag": ["x"]}}, "has an audTag but no teamName"),
        ({"bastionMode": True}, "write bastion as its service"),
        ([], "has an originRequest that is not an object of options"),
    ],
)
def test_an_option_that_cannot_work_is_named(options: object, reason: str) -> None:
    assert reason in refusal(rule(originRequest=options))


def test_two_values_for_one_option_are_refused() -> None:
    assert "two values for noTLSVerify" in refusal(rule(noTLSVerify=True, originRequest={"noTLSVerify": False}))
    assert parse_rules(json.dumps([rule(noTLSVerify=True)]))[0].origin == {"noTLSVerify": True}
