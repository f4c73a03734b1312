"""Every bad value is named, with the command that sets it and without any secret; the engine shows the same text."""

import json
from collections.abc import Mapping
from pathlib import Path

import pulumi
import pytest

from oceanid_cluster.config.errors import StartUpError
from oceanid_cluster.startup.configuration import load_from_engine
from tests.samples import NODE_TUNNEL, REQUIRED, TUNNEL_SECRET, connector_token, settings

CANARY = "canary-value-of-a-secret"
BAD_VALUES: Mapping[str, tuple[dict[str, str], str]] = {
    "no database": ({"postgres_url": ""}, "'postgres_url' is missing"),
    "no address": ({"tethysIp": "300.1.1.1"}, "'tethysIp' is not an IP address"),
    "one address twice": ({"styxIp": REQUIRED["tethysIp"]}, "are the same address"),
    "no token": ({"cloudflare_tunnel_token": CANARY}, "'cloudflare_tunnel_token' is not a tunnel token"),
    "half a token": ({"cloudflare_tunnel_token": connector_token()[:50]}, "is not a tunnel token"),
    "one tunnel twice": ({"cloudflare_node_tunnel_token": connector_token()}, "belong to the same tunnel"),
    "another tunnel's id": ({"cloudflare_tunnel_id": NODE_TUNNEL}, "does not agree with the tunnel id inside"),
    "a rule with a path": (
        {"extraIngress": '[{"hostname": "a.example.org", "service": "http://a/b"}]'}, "has more than a scheme"
    ),
    "a database without a host": ({"postgres_url": f"postgres://u:{CANARY}@/labels"}, "'postgres_url' names no host"),
    "no JSON": ({"nerLabels": CANARY}, "'nerLabels' is not a JSON list"),
    "no quantity": ({"cloudflareTunnelResources": '{"limits": {"cpu": "1 core"}}'}, "which Kubernetes does not know"),
    "a negative number": ({"gitReconciliationSeconds": "-1"}, "is not a whole number"),
    "a component without its prerequisite": ({"enableFluxBootstrap": "false"}, "'enableImageAutomation' needs Flux"),
    "an unknown phase": ({"migration_phase": "done"}, "'migration_phase' is not one of"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD_VALUES)
def test_a_bad_value_is_named(what: str) -> None:
    changes, expected = BAD_VALUES[what]
    with pytest.raises(StartUpError) as refused:
        settings(changes)
    message = " ".join(str(refused.value).split())
    assert expected in message
    assert "has 1 problem" in message
    assert "pulumi config " in message
    for secret in (CANARY, TUNNEL_SECRET, *changes.values()):
        assert not secret or secret not in message or secret in (NODE_TUNNEL, "300.1.1.1", "-1", "done", "false")


def test_all_missing_keys_are_named_at_once() -> None:
    with pytest.raises(StartUpError) as refused:
        settings(without=tuple(REQUIRED))
    assert "has 6 problems" in str(refused.value)
    assert all(f"'{name}' is missing" in str(refused.value) for name in REQUIRED)


def test_the_file_is_named_where_the_engine_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be in another folder than the program (``main`` in Pulumi.yaml, as in a sandbox)."""
    told, variable = tmp_path / "told", tmp_path / "variable"
    monkeypatch.setenv("PULUMI_OPTION_CWD", str(variable))
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps({"oceanid-cluster:metricsPort": "nowhere"}))
    monkeypatch.setattr(pulumi, "get_stack", lambda: "dev")
    for folder, by_the_host in ((told, str(told)), (variable, None)):  # the sandbox's language host is an old one
        monkeypatch.setattr(pulumi.runtime, "get_root_directory", lambda said=by_the_host: said)
        with pytest.raises(StartUpError, match=rf"^the configuration of stack 'dev' \({folder}/Pulumi.dev.yaml\) has "):
            load_from_engine()
