"""Ingress rules: what cloudflared refuses, and what can never match, is refused with its reason, all at once."""

import json
from typing import Any

import pytest
import yaml

from oceanid_cluster.components.remote_config import remote_rule
from oceanid_cluster.config.errors import StartUpError
from oceanid_cluster.config.ingress import CATCH_ALL, parse_rules
from oceanid_cluster.manifests.cloudflared import config_file
from tests.samples import settings


def rule(**fields: Any) -> dict[str, Any]:
    """A rule that is right, but for the given fields; None leaves one out."""
    full = {"hostname": "a.example.org", "service": "http://a:80", **fields}
    return {name: value for name, value in full.items() if value is not None}


def refusal(*rules: object) -> str:
    """Why a list of rules is refused."""
    with pytest.raises(ValueError, match="rule") as caught:
        parse_rules(json.dumps(rules))
    return str(caught.value)


@pytest.mark.parametrize(
    ("service", "reason"),
    [
        ("htpp://a:80", "unknown scheme 'htpp'"),
        ("postgres://a:5432", "unknown scheme 'postgres'"),
        ("a:80", "has no scheme; write http://a:80"),
        ("app.apps.svc.cluster.local:8080", "has no scheme; write http://app.apps.svc.cluster.local:8080"),
        ("10.43.1.2:80", "has no scheme"),
        ("localhost", "has no scheme"),
        ("//a", "has no scheme; write http://a"),
        ("http:a", "lacks the '//'"),
        ("http:/a:80", "lacks the '//' after 'http:'; write http://a:80"),
        ("http://", "names no host"),
        ("http://:80", "names no host"),
        ("http://a/api", "has a path; cloudflared sends the request's own path to the service: write http://a"),
        ("http://a/", "has a path"),
        ("http://a?b=c", "has a query or a fragment"),
        ("http://user:canary@a", "has a user name or a password"),
        ("http://a:99999", "has a host or port that cannot be read"),
        ("http://a:x", "has a host or port that cannot be read"),
        ("http://a%20b", "has a host that is neither a name nor an address"),
        ("http://a b", "contains white space"),
        ("tcp://a", "has no port"),
        ("http_status:99", "a status that is not from 100 to 999"),
        ("http_status:abc", "a status that is not from 100 to 999"),
        ("unix:", "names no socket"),
        ("hello", "has no scheme"),
        ("", "is not a service such as"),
        (None, "has no service"),
        (80, "has no service"),
    ],
)
def test_a_service_that_cannot_be_used_is_refused_for_what_is_wrong(service: object, reason: str) -> None:
    said = refusal(rule(service=service))
    assert said.startswith("has rule 1 ('a.example.org') has ")
    assert reason in said
    assert "canary" not in said


@pytest.mark.parametrize(
    ("service", "written"),
    [
        ("http://a", "http://a"),
        ("HTTPS://a.b.svc:8443", "HTTPS://a.b.svc:8443"),
        ("ws://a", "ws://a"),
        ("tcp://a:22", "tcp://a:22"),
        ("ssh://a", "ssh://a"),
        ("rdp://a", "rdp://a"),
        ("smb://a", "smb://a"),
        ("http://[2001:db8::1]:80", "http://[2001:db8::1]:80"),
        ("unix:/run/app.sock", "unix:/run/app.sock"),
        ("unix+tls:/run/app.sock", "unix+tls:/run/app.sock"),
        ("http_status:+0404", "http_status:404"),
        ("hello_world", "hello_world"),
        ("hello-world", "hello-world"),
        ("socks-proxy", "socks-proxy"),
        ("bastion", "bastion"),
    ],
)
def test_every_service_that_cloudflared_knows_is_taken(service: str, written: str) -> None:
    assert parse_rules(json.dumps([rule(service=service)]))[0].service == written


@pytest.mark.parametrize(
    ("hostname", "reason"),
    [
        ("https://a.example.org", "has a scheme"),
        ("a.example.org:80", "has a port"),
        ("a.example.org/api", "has a path"),
        ("a.*.org", "has a '*' elsewhere"),
        ("*a.example.org", "has a '*' elsewhere"),
        ("localhost", "is not a host name"),
        ("-a.example.org", "is not a host name"),
        ("a" * 64 + ".org", "is not a host name"),
        ("a b.example.org", "is not a host name"),
        ("\u2460.example.org", "write it in punycode"),
        (5, "has a hostname that is not text"),
        (None, "would catch everything"),
        ("*", "would catch everything"),
    ],
)
def test_a_hostname_that_no_request_has_is_refused(hostname: object, reason: str) -> None:
    assert reason in refusal(rule(hostname=hostname))


@pytest.mark.parametrize(
    ("hostname", "written"),
    [
        ("A.Example.ORG", "a.example.org"),
        ("a.example.org.", "a.example.org"),
        ("*.example.org", "*.example.org"),
        ("my_app.example.org", "my_app.example.org"),
        ("Bücher.example.org", "xn--bcher-kva.example.org"),
        ("日本.example.org", "xn--wgv71a.example.org"),
    ],
)
def test_a_hostname_is_written_as_requests_carry_it(hostname: str, written: str) -> None:
    assert parse_rules(json.dumps([rule(hostname=hostname)]))[0].hostname == written


def test_a_path_alone_may_stand_for_every_host() -> None:
    (only,) = parse_rules(json.dumps([rule(hostname=None, path="^/healthz$")]))
    assert only.document() == {"path": "^/healthz$", "service": "http://a:80"}


def test_a_path_is_a_regular_expression_of_go() -> None:
    assert "has a path that is not a Go regular expression: it has '(?!'" in refusal(rule(path="^/api(?!/x)"))
    assert parse_rules(json.dumps([rule(path=r"\pL\z")]))[0].path == r"\pL\z"


@pytest.mark.parametrize(
    ("earlier", "later", "reason"),
    [
        ({}, {}, "'a.example.org' has two rules, and rule 1 ('a.example.org') comes first"),
        ({}, {"path": "^/api"}, "rule 1 ('a.example.org') catches its requests first"),
        ({"path": "^/x"}, {"path": "^/x"}, "has two rules"),
        ({"path": ".*"}, {"hostname": "a.example.org", "path": ".*"}, "has two rules"),
        ({"hostname": "*.example.org"}, {}, "rule 1 ('*.example.org') catches its requests first"),
        ({"hostname": "*.example.org"}, {"hostname": "*.a.example.org"}, "catches its requests first"),
        ({"hostname": None, "path": "^/x"}, {"path": "^/x"}, "rule 1 catches its requests first"),
        ({"hostname": "A.example.org"}, {}, "has two rules"),
    ],
)
def test_a_rule_that_an_earlier_one_hides_is_refused(
    earlier: dict[str, Any], later: dict[str, Any], reason: str
) -> None:
    said = refusal(rule(**earlier), rule(**later))
    assert "rule 2 ('a.example.org') would never be used" in said or "rule 2 ('*.a.example.org')" in said
    assert reason in said


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ({"path": "^/x"}, {}),
        ({"path": "^/api"}, {"path": "^/api/v2"}),  # paths that differ are not compared, whatever they match
        ({"path": ".*"}, {"path": "^/x"}),
        ({"path": "(.*)"}, {}),
        ({"hostname": "*.example.org"}, {"hostname": "example.org"}),
        ({"hostname": "*.a.example.org"}, {}),
        ({}, {"hostname": "*.example.org"}),
        ({"hostname": "*.example.org", "path": "^/x"}, {"path": "^/y"}),
    ],
)
def test_another_host_or_another_path_is_another_rule(earlier: dict[str, Any], later: dict[str, Any]) -> None:
    assert len(parse_rules(json.dumps([rule(**earlier), rule(**later)]))) == 2


@pytest.mark.parametrize(
    ("changes", "hostname", "owner"),
    [
        ({}, "k3s.boathou.se", "the Kubernetes API's rule (cloudflare_tunnel_hostname)"),
        ({}, "label.boathou.se", "Label Studio's rule (labelStudioHostname)"),
        ({"cloudflare_tunnel_hostname": "api.x.org"}, "api.x.org", "the Kubernetes API's rule"),
    ],
)
def test_a_rule_for_a_name_of_this_program_is_refused(changes: dict[str, str], hostname: str, owner: str) -> None:
    rules = json.dumps([rule(hostname=hostname, path="^/x"), rule(hostname=hostname)])
    with pytest.raises(StartUpError) as caught:
        settings({**changes, "extraIngress": rules})
    for number in (1, 2):
        assert f"rule {number} ('{hostname}') would never be used" in str(caught.value)
    assert owner in str(caught.value)


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
    assert "has 5 wrong rules:" in said
    for text in (
        "rule 1 ('one.example.org') has a service that cannot be used",
        "rule 3 ('three.example.org:80') has a hostname that cannot be used",
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
    written = yaml.safe_load(config_file("id", [only, CATCH_ALL], 2000, "auto"))["ingress"][0]
    assert written["originRequest"] == {**OPTIONS, "tlsTimeout": "10s"}
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
        ({"no_tls_verify": True}, "did you mean 'noTLSVerify'?"),
        ({"connectTimeout": "30"}, "originRequest.connectTimeout that is not a duration such as '30s'"),
        ({"connectTimeout": True}, "is not a duration"),
        ({"noTLSVerify": "true"}, "originRequest.noTLSVerify that is neither true nor false"),
        ({"keepAliveConnections": "5"}, "is not a whole number"),
        ({"proxyPort": 70000}, "is not a whole number from 0 to 65535"),
        ({"proxyType": "http"}, "is neither 'socks' nor empty"),
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
