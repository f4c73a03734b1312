"""Preflight says whom the tunnels let in."""

import json

from oceanid_cluster.commands.preflight import access_rows
from tests.samples import settings

TAG = "0123456789abcdef" * 4
WEBHOOK = {"flux.webhook_hostname": "flux.example.org", "flux.webhook_token": "t"}
OPEN = "open to the internet unless cloud/ protects it"
CHECKED = "cloudflared rejects requests without an Access token"


def access(**audiences: str) -> dict[str, str]:
    return {"cloudflareAccessTeam": "reef", "cloudflareAccessAudiences": json.dumps(audiences)}


def test_a_name_that_cloudflared_does_not_check_is_said_to_answer_the_internet() -> None:
    (row,) = access_rows(settings(WEBHOOK))
    assert row.state == "warning"
    names = "k3s.boathou.se, label.boathou.se, *.nodes.boathou.se, gpu.boathou.se"
    assert row.detail == f'{names}: {OPEN} (docs/runbook.md, "Who may use a host name")'
    (row,) = access_rows(settings(access(**{"k3s.boathou.se": TAG})))
    assert f"k3s.boathou.se: {CHECKED}; label.boathou.se, " in row.detail
    assert row.state == "warning"


def test_a_rule_of_the_operator_is_read_too() -> None:
    access_of_its_own = {"access": {"required": True, "teamName": "reef", "audTag": [TAG]}}
    rules = [
        {"hostname": "one.example.org", "service": "http://a"},
        {"hostname": "two.example.org", "service": "http://a", "originRequest": access_of_its_own},
    ]
    (row,) = access_rows(settings({"extraIngress": json.dumps(rules)}))
    checked, unchecked = row.detail.split("; ")
    assert checked == f"two.example.org: {CHECKED}"
    assert "one.example.org" in unchecked


def test_when_every_name_is_checked_nothing_answers_the_internet() -> None:
    names = ("k3s.boathou.se", "label.boathou.se", "*.nodes.boathou.se", "gpu.boathou.se")
    (row,) = access_rows(settings({**WEBHOOK, **access(**dict.fromkeys(names, TAG))}))
    assert (row.state, row.detail) == ("ok", f"{', '.join(names)}: {CHECKED}")


def test_what_is_turned_off_lets_nobody_in() -> None:
    assert "gpu" not in access_rows(settings({"enableNodeTunnels": "false"}))[0].detail
    assert access_rows(settings({"enableNodeTunnels": "false", "enableCloudflareTunnel": "false"})) == []
