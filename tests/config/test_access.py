"""Cloudflare Access: the team and the audience tags, and what they do to the rules of both tunnels."""

import json
from collections.abc import Mapping

import pytest

from oceanid_cluster.config.cloudflare import parse_audiences, parse_team
from tests.samples import refused, settings

TAG = "0123456789abcdef" * 4


def access(audiences: Mapping[str, str], **others: str) -> dict[str, str]:
    """The keys of Access."""
    return {"cloudflareAccessTeam": "reef", "cloudflareAccessAudiences": json.dumps(audiences), **others}


def test_a_team_is_its_name_as_the_issuer_of_its_tokens_writes_it() -> None:
    assert parse_team(" Reef\n") == "reef"
    for given in ("", "https://reef.cloudflareaccess.com", "reef.cloudflareaccess.com", "-x"):
        with pytest.raises(ValueError, match="is not the name of an Access team: write example"):
            parse_team(given)


def test_host_names_and_tags_are_written_as_they_are_compared() -> None:
    given = {"K3s.Boathou.se.": f" {TAG.upper()}\n", "*.nodes.boathou.se": TAG}
    assert parse_audiences(json.dumps(given)) == {"k3s.boathou.se": TAG, "*.nodes.boathou.se": TAG}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("x", "is not an object such as"),
        ({"https://k3s.boathou.se": TAG}, "'https://k3s.boathou.se' is not a host name alone"),
        ({"k3s.boathou.se": "6f1b3c2e-1111-4222-8333-444455556666"}, "not its id"),
        ({"k3s.boathou.se": TAG[:-1]}, "'k3s.boathou.se' has no audience tag"),
        ({"k3s.boathou.se": [TAG]}, "64 hexadecimal digits"),
    ],
)
def test_an_object_that_protects_nothing_is_refused(given: object, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_audiences(given if isinstance(given, str) else json.dumps(given))


def test_a_tag_puts_access_before_the_rules_of_its_host_name_and_before_no_other() -> None:
    names = ("k3s.boathou.se", "kubectl.boathou.se", "label.boathou.se", "gpu.boathou.se", "*.nodes.boathou.se")
    for name in names:
        found = settings(access({name: TAG}, cloudflare_kubectl_hostname="kubectl.boathou.se"))
        rules = [*found.tunnel_rules, *found.node_tunnel_rules]
        assert [rule.hostname for rule in rules if rule.requires_access] == [name]
        (rule,) = [rule for rule in rules if rule.hostname == name]
        assert rule.document()["originRequest"]["access"] == {"required": True, "teamName": "reef", "audTag": [TAG]}
    api, *_ = settings(access({names[0]: TAG})).tunnel_rules
    assert api.origin["originServerName"] == "kubernetes.default.svc"  # beside what the rule had


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cloudflareAccessTeam": "reef"}, "'cloudflareAccessAudiences' is missing"),
        (access({}), "'cloudflareAccessAudiences' is missing"),
        ({"cloudflareAccessAudiences": json.dumps({"k3s.boathou.se": TAG})}, "'cloudflareAccessTeam' is missing"),
        (access({"k3.boathou.se": TAG}), "has 'k3.boathou.se', which Access cannot protect here: it knows k3s.boathou"),
        (
            access(
                {"flux.example.org": TAG}, **{"flux.webhook_hostname": "flux.example.org", "flux.webhook_token": "t"}
            ),
            "has 'flux.example.org', which Access cannot protect here",  # GitHub has no token of Access
        ),
    ],
)
def test_a_team_and_a_tag_go_together_and_a_tag_has_a_rule(changes: dict[str, str], said: str) -> None:
    told = refused(changes)
    assert said in told
    assert "pulumi config set cloudflareAccess" in told


def test_a_wrong_tag_is_said_once() -> None:
    assert "has 1 problem:" in refused(access({"k3s.boathou.se": "x"}))


def test_a_tag_and_a_team_are_kept_while_their_rules_are_turned_off() -> None:
    for flag, name in (
        ("enableLabelStudio", "label.boathou.se"),
        ("enableNodeTunnels", "gpu.boathou.se"),
        ("enableCloudflareTunnel", "k3s.boathou.se"),
        ("exposeKubelet", "*.pod.boathou.se"),
    ):
        assert settings(access({name: TAG}, **{flag: "false"}))
    off = {"enableCloudflareTunnel": "false", "enableNodeTunnels": "false"}
    assert settings({**off, "cloudflareAccessTeam": "reef"})
