"""The start-up checks on the configuration: every problem in one message, and no secret in it."""

import dataclasses
import json

import pytest

from oceanid_cluster.components.settings import all_keys
from oceanid_cluster.config.errors import StartUpError
from oceanid_cluster.config.placeholders import placeholder
from oceanid_cluster.config.schema import ConfigErrors, Reader, camel_case, snake_case
from oceanid_cluster.config.tunnel_token import parse_tunnel_token
from oceanid_cluster.startup.configuration import load
from tests.samples import (
    ACCOUNT,
    EVERYTHING,
    KNOWN_HOSTS,
    NODE_TUNNEL,
    REQUIRED,
    SECRET,
    TUNNEL,
    TUNNEL_SECRET,
    connector_token,
    refused,
    settings,
    ssh_key,
)


def test_the_six_keys_of_the_readme_are_enough() -> None:
    assert len(REQUIRED) == 6
    assert settings().warnings == ()


def test_everything_at_once_is_valid() -> None:
    assert load(EVERYTHING, frozenset(EVERYTHING), "dev").warnings == ()
    assert settings(EVERYTHING).tunnel.extra_ingress[0].path == "^/api"


def test_all_missing_keys_are_named_at_once_with_the_commands_that_set_them() -> None:
    said = refused(without=tuple(REQUIRED))
    assert "has 6 problems:" in said
    for key in REQUIRED:
        assert f"'{key}' is missing: " in said
        assert (f"config set --secret {key}   # asks for" if key in SECRET else f"config set {key} <") in said


def test_the_github_token_may_be_absent_with_ssh_keys() -> None:
    keys = {"flux.ssh_private_key": ssh_key(), "flux.known_hosts": KNOWN_HOSTS}
    assert settings(keys, without=("github_token",)).flux.uses_ssh


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"tethysIp": "157.173.210"}, "'tethysIp' is not an IP address"),
        ({"styxIp": "192.0.2.10"}, "'styxIp' and 'tethysIp' are the same address"),
        ({"cloudflare_tunnel_token": "not a token"}, "'cloudflare_tunnel_token' is not a tunnel token"),
        ({"cloudflare_node_tunnel_token": connector_token()}, "belong to the same tunnel"),
        ({"cloudflare_tunnel_id": NODE_TUNNEL}, "'cloudflare_tunnel_id' does not agree with the tunnel id inside"),
        (
            {"cloudflare_account_id": "0" * 32, "enableNodeTunnels": "false"},
            "'cloudflare_account_id' does not agree with the account id inside 'cloudflare_tunnel_token'",
        ),
        ({"extraIngress": "{}"}, "is not a list of"),
        ({"labelStudioHostname": "*.example.org"}, "'labelStudioHostname' is not a host name"),
        ({"postgres_url": "postgres://u:p@/labels"}, "'postgres_url' names no host"),
        ({"nerLabels": "O,VESSEL"}, "'nerLabels' is not a JSON list"),
        ({"nerLabels": '{"O": 1}'}, "'nerLabels' is not a JSON list"),
        ({"nerLabels": '["\\ud800"]'}, "'nerLabels' is not a JSON list"),  # half a character
        ({"cloudflareTunnelResources": '{"limits": {"memory": "512MB"}}'}, "has the quantity '512MB'"),
        ({"cloudflareTunnelResources": '{"requests": {"cpu": "2"}}'}, "requests more cpu than its limit"),
        ({"gitRepositoryIntervalSeconds": "-5"}, "'gitRepositoryIntervalSeconds' is not a whole number"),
        ({"enableFluxBootstrap": "false"}, "'enableImageAutomation' needs Flux, but 'enableFluxBootstrap' is false"),
        ({"enableFluxBootstrap": "yes"}, "'enableFluxBootstrap' is neither true nor false"),
        ({"cloudflare_tunnel_service_url": "k3s:6443"}, "'cloudflare_tunnel_service_url' is not a service such as"),
        ({"nodes": '[{"name": "a"}]'}, "'nodes' has wrong entries:\n      node 1 has no host"),
        ({"sentry.release": "2025-01-30 00:00:00 +0000 UTC"}, "'sentry.release' has '2025-01-30' without quotes"),
        ({"sentry.release": "2025-01-30 10:00:00.5 +0200 +0200"}, "'sentry.release' has '2025-01-30' without quotes"),
        ({"labelStudioNodeSelector": '{"a": "2025-01-30 00:00:00 +0000 UTC"}'}, "has '2025-01-30' without quotes"),
        ({"migration_phase": "halfway"}, "'migration_phase' is not one of preparation"),
        ({"ghcrUsername": "u"}, "'ghcrToken' is missing"),
        ({"clusterDomain": "https://cluster.local"}, "'clusterDomain' is not a domain"),
        ({"aws.labelStudio.accessKeyId": "u"}, "'aws.labelStudio.secretAccessKey' is missing"),
        ({"cfAccessClientSecret": "u"}, "'cfAccessClientId' is missing"),
        (
            {"manageNodeTunnelDns": "true", "cloudflare_api_token": "t"},
            "'cloudflare_zone_id' is missing: zone of <base>, for node DNS (needed while manageNodeTunnelDns is true)",
        ),
        ({"manageTunnelConfig": "true"}, "(needed while manageTunnelConfig is true)"),
        ({"labelStudioImage": "docker.io/heartexlabs/label-studio:latest"}, "is not pinned"),
        ({"gitRepositoryPath": "../outside"}, "is not a folder inside the repository"),
        ({"tethys_ip": "192.0.2.99"}, "'tethysIp' and 'tethys_ip' name the same setting with different values"),
    ],
)
def test_bad_input_is_named(changes: dict[str, str], expected: str) -> None:
    said = refused(changes)
    assert expected in said
    assert "has 1 problem:" in said


def test_no_secret_appears_in_a_refused() -> None:
    broken = {
        "cloudflare_tunnel_token": f"canary-{TUNNEL_SECRET}",
        "cloudflare_node_tunnel_token": json.dumps({"a": "canary", "t": "canary", "s": "canary"}),
        "postgres_url": "postgres://canary:canary@/canary?canary=1",
        "nerLabels": "canary",
        "github_token": "canary\nwith a line break",
        "tethysIp": "canary",  # stored as a secret by mistake
    }
    with pytest.raises(StartUpError) as caught:
        settings(broken, stored_secret=frozenset(broken))
    assert "canary" not in str(caught.value)


def test_a_key_that_is_wrong_is_not_missing_to_its_partner() -> None:
    said = refused({"flux.ssh_private_key": "k"})
    assert "'flux.ssh_private_key' is not one whole private key" in said
    assert "'flux.known_hosts' is missing: " in said
    assert "it goes together with 'flux.ssh_private_key'" in said


def test_a_wrong_value_is_one_problem_in_every_spelling_of_its_key() -> None:
    text = refused({"github.token": "***"}, without=("github_token",))
    assert "has 1 problem:" in text
    assert "'github.token' is not a token" in text


def test_ids_that_agree_with_the_token_are_accepted() -> None:
    assert settings({"cloudflare_tunnel_id": TUNNEL.upper(), "cloudflare_account_id": ACCOUNT})


def test_partial_resources_are_merged_field_by_field() -> None:
    merged = settings({"cloudflareTunnelResources": '{"limits": {"memory": "1Gi"}}'}).tunnel.resources
    assert merged == {
        "requests": {"cpu": "200m", "memory": "256Mi"},
        "limits": {"cpu": "500m", "memory": "1Gi"},
    }


def test_the_node_tunnel_runs_the_tunnels_image_unless_told_otherwise() -> None:
    image = "registry.example.org/cloudflared:1"
    assert settings({"cloudflared_image": image}).node_tunnels.image == image
    assert settings({"cloudflare_node_tunnel_image": image}).cloudflare.image != image


def test_a_wrong_base_domain_is_reported_once() -> None:
    assert "has 1 problem:" in refused({"cloudflare_node_tunnel_hostname": "not a host"})


def test_host_names_follow_the_base_domain() -> None:
    changed = settings({"cloudflare_node_tunnel_hostname": "example.org"})
    assert changed.tunnel.hostname == "k3s.example.org"
    assert changed.label_studio.hostname == "label.example.org"
    assert changed.adapter.triton_base_url == "https://gpu.example.org"


def test_every_key_is_read_in_every_spelling() -> None:
    for row in all_keys():
        assert {row.name, snake_case(row.name), camel_case(row.name), *row.old} <= set(row.spellings)
        text, bare = placeholder(row), dataclasses.replace(row, default=None)
        for spelling in row.spellings:
            problems = ConfigErrors()
            found = Reader({spelling: text}, frozenset(), problems, {}).read(bare)
            assert (found, bool(problems)) == (row.read(text), False), spelling


def test_a_wrong_key_that_need_not_be_there_may_be_removed() -> None:
    for given, removal in (
        ({"metricsPort": "x"}, "metricsPort"),
        ({"metrics_port": "x"}, "metrics_port"),
        ({"pulumi": '{"access_token": "<token>"}'}, "--path pulumi.access_token"),
    ):
        assert f"\n      or: pulumi config rm {removal}" in refused(given)
    assert "pulumi config rm" not in refused({"tethysIp": "x"})


def test_a_flag_that_cannot_be_read_turns_nothing_off() -> None:
    said = refused({"enableLabelStudio": "yess", "labelStudioStorage": "10GB"})
    assert "'enableLabelStudio' is neither true nor false" in said
    assert "  - 'labelStudioStorage' has the quantity '10GB'" in said


def test_old_names_and_objects_are_read() -> None:
    assert settings({"github.token": "t"}, without=("github_token",)).flux.github_token
    assert settings({"pulumi": '{"access_token": "t"}'}).operator.access_token
    assert settings({"labelStudioDbUrl": REQUIRED["postgres_url"]}, without=("postgres_url",)).label_studio.database


def test_a_key_that_is_one_edit_away_from_a_known_one_is_a_warning() -> None:
    for typo in ("tethysIpp", "tethysIP", "tehtysIp", "tethysI", "tethysXp"):
        (warning,) = settings({typo: "192.0.2.1"}).warnings
        assert warning == f"config key '{typo}' is not read by this program; did you mean 'tethysIp'?"
    for other in ("unrelated", "extraEgress", "tethyIpp", "pIsyhtet"):
        assert settings({other: "192.0.2.1"}).warnings == ()


def test_a_secret_stored_in_clear_is_a_warning() -> None:
    warnings = load(REQUIRED, frozenset(REQUIRED) - {"github_token"}, "dev").warnings
    assert warnings == (
        "'github_token' is stored in clear; run: pulumi config set --secret github_token   # asks for the token",
    )


def test_placeholders_of_what_must_differ_differ() -> None:
    rows = {row.name: row for row in all_keys()}
    assert len({placeholder(rows[name]) for name in ("tethysIp", "styxIp", "calypsoIp")}) == 3
    tokens = [placeholder(rows[name]) for name in ("cloudflare_tunnel_token", "cloudflare_node_tunnel_token")]
    assert len({parse_tunnel_token(token).tunnel_id for token in tokens}) == 2
