"""Kinds of configuration that cannot work are refused with the right reason; what people paste is understood."""

import json

import pytest

from oceanid_cluster.components.settings import all_keys
from oceanid_cluster.config.errors import StartUpError
from oceanid_cluster.config.secret import Secret
from tests.samples import NODE_TUNNEL, connector_token, refused, settings


def test_a_fix_never_takes_a_secret_as_an_argument() -> None:
    for row in all_keys():
        if row.secret:
            command = row.fix.partition("#")[0].strip()
            assert command.startswith(f"pulumi config set --secret {row.name}")
            assert command.endswith(row.name) or " < " in command


@pytest.mark.parametrize(
    ("flags", "wrong"),
    [
        (("enableCloudflareTunnel", "enableNodeTunnels"), {"cloudflareProtocol": "http3"}),
        (("enableCloudflareTunnel", "enableNodeTunnels"), {"cloudflare_account_id": "0" * 32}),
        (("enableCloudflareTunnel", "enableNodeTunnels"), {"manageTunnelConfig": "true"}),
        (("enableCloudflareTunnel", "enableNodeTunnels"), {"cloudflared_image": "a/cloudflared:latest"}),
        (("enableCloudflareTunnel",), {"cloudflare_tunnel_token": ""}),
        (("enableFluxBootstrap", "enableImageAutomation"), {"github_token": ""}),
        (("enableCloudflareTunnel",), {"cloudflare_node_tunnel_token": connector_token()}),
        (("enableCloudflareTunnel",), {"cloudflare_tunnel_id": NODE_TUNNEL}),
        (("enableCloudflareTunnel",), {"extraIngress": '[{"hostname": "k3s.boathou.se", "service": "http://a"}]'}),
        (("enableNodeTunnels",), {"manageNodeTunnelDns": "true"}),
        (("enableLabelStudio",), {"postgres_url": "mysql://u:p@h/d", "aws.labelStudio.accessKeyId": "id"}),
        (("enableTritonAdapter",), {"nerLabels": "O", "ghcrUsername": "u", "cfAccessClientId": "id"}),
        (("enableFluxBootstrap", "enableImageAutomation"), {"gitRepositoryUrl": "http://h/r", "github_token": "a b"}),
        (("enableFluxBootstrap", "enableImageAutomation"), {"flux.webhook_token": "t"}),
    ],
)
def test_what_is_turned_off_demands_and_checks_nothing(flags: tuple[str, ...], wrong: dict[str, str]) -> None:
    assert settings({**dict.fromkeys(flags, "false"), **wrong})
    assert refused(wrong)


def test_a_wrong_value_of_what_is_turned_off_is_a_warning_without_its_secret() -> None:
    (warning,) = settings({"enableLabelStudio": "false", "postgres_url": "canary://u:p@h/d"}).warnings
    assert "'postgres_url' is not one URL of PostgreSQL" in warning
    assert "turned off" in warning
    assert "canary" not in warning
    assert settings({"enableCloudflareTunnel": "false", "metricsPort": "x"}).tunnel.metrics_port == 2000


def test_a_key_of_both_tunnels_is_checked_while_one_is_enabled() -> None:
    assert "'cloudflareProtocol' is not one of" in refused(
        {"enableCloudflareTunnel": "false", "cloudflareProtocol": "http3"}
    )


def test_both_node_selectors_take_both_notations_and_nothing_else() -> None:
    for text in ('{"a/b": "c", "d": "e"}', "a/b=c,d=e", " a/b = c , d=e "):
        changed = settings({"labelStudioNodeSelector": text, "trainingNodeSelector": text})
        assert changed.label_studio.node_selector == changed.adapter.training_node_selector == {"a/b": "c", "d": "e"}
    for name in ("labelStudioNodeSelector", "trainingNodeSelector"):
        for text in ("a", "a=b,c", "a=b,a=c", "[]", "=b", "a=b c", '{"a": [1]}'):
            assert f"'{name}' " in refused({name: text})


def test_a_cloudflared_that_cannot_read_a_token_file_is_refused() -> None:
    for name in ("cloudflared_image", "cloudflare_node_tunnel_image"):
        for tag in ("2025.2.1", "2024.12.2@sha256:" + "0" * 64, "v2024.1.0", "2024", "2025.3", "2024-amd64"):
            assert "cannot read its token from a file" in refused({name: f"cloudflare/cloudflared:{tag}"})
    for tag in ("2025.4.0", "v2026.1.0", "2025", "2025.11", "20240101", "main"):
        assert settings({"cloudflared_image": f"docker.io/cloudflare/cloudflared:{tag}"})


def test_a_token_is_taken_out_of_what_it_was_pasted_with() -> None:
    for value in ("ghp_Abc123", "glpat-a.b~c", "ATCTT3x+/yA1B2=="):
        for around in (
            "{}", '"{}"', "'{}'", "token {}", "Bearer {}", "bearer '{}'", "Authorization: Bearer {}", " {}\n",
            "GITHUB_TOKEN={}", "export GITHUB_TOKEN='{}'", '"GITHUB_TOKEN={}"', "github_token={}", "`'{}'`",
            "TOKEN='Bearer {}'", "\"Authorization: token '{}'\"",
        ):  # fmt: skip
            token = settings({"github_token": around.format(value)}).flux.github_token
            assert token == Secret(value), around


def test_a_secret_in_the_wrong_key_is_not_shown() -> None:
    for secret in ("ghp_Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2", "postgres://u:canary@db.example.org/d"):
        for name in ("labelStudioStorage", "labelStudioHostname", "nodes", "cloudflareProtocol"):
            for text in (secret, f'["{secret}"]'):
                said = refused({name: text})
                assert secret.lower() not in said.lower()
                assert "canary@" not in said


@pytest.mark.parametrize(
    ("name", "text", "shown"),
    [
        (
            "nodes",
            '[{"name": "b", "host": "b", "address": "canary"}]',
            "node 1 has an address that is not an IP address",
        ),
        (
            "nodes",
            '[{"name": "canary_", "host": "b", "address": "192.0.2.1"}]',
            "the name [secret], which is not a DNS",
        ),
        ("cloudflareTunnelResources", '{"limits": {"memory": "canary"}}', "which Kubernetes does not know (500m, 2"),
        ("cloudflareTunnelResources", '{"limits": {"canary": 1}}', "takes cpu and memory under limits, not [secret]"),
        ("extraIngress", '[{"hostname": "canary.example.org"}]', "rule 1 ([secret]) has no service"),
        (
            "cloudflared_image",
            "cloudflare/cloudflared:2024.1.canary",
            "is cloudflared [secret], which cannot read its token",
        ),
        ("labelStudioAdminPassword", "2025-01-30 00:00:00 +0000 UTC", "has [secret] without quotes in the stack file"),
        ("kubeContext", "canary\ncontext", "contains a line break or a control character"),
    ],
)
def test_a_message_about_an_encrypted_key_hides_its_value_and_no_word_of_ours(name: str, text: str, shown: str) -> None:
    with pytest.raises(StartUpError) as caught:
        settings({name: text}, stored_secret=frozenset({name}))
    assert shown in str(caught.value)
    assert not [part for part in ("canary", "2025-01-30") if part in str(caught.value)]


def test_what_is_plainly_no_token_is_refused_without_showing_it() -> None:
    for text in (
        "null", "undefined", "REDACTED",
        "***", "<your-token>", "${GITHUB_TOKEN}", "$GITHUB_TOKEN", "{{ secrets.TOKEN }}", "git:ghp_Abc123",
        "https://github.com/settings/tokens", "Basic Z2l0OmdocF9BYmM=", "Authorization: Basic Z2l0OmdocF9BYmM=",
        "ghp_Abc 123", "ghp_Abc\n123", "ghp_Abc…", "ghp_Äbc", "a=b",
    ):  # fmt: skip
        said = refused({"github_token": text})
        assert "'github_token' is not a token" in said
        assert text not in said


def test_half_a_character_is_refused_in_every_key() -> None:
    for row in all_keys():
        for odd in ("\ud800", "\ufeff", "\u200b"):
            assert f"'{row.name}' has a character that nobody sees, or half of one" in refused({row.name: f"a{odd}"})
    assert not settings({"nodes\ud800": "x", "gpu": '{"\\ud800": "x"}'}).warnings


def test_the_secret_of_a_webhook_is_any_text() -> None:
    given = {"flux.webhook_token": "any: <text> on one line", "flux.webhook_hostname": "hook.example.org"}
    assert settings(given).flux.webhook_token == Secret(given["flux.webhook_token"])


@pytest.mark.parametrize(
    ("key", "good", "bad"),
    [
        (
            "aws.labelStudio.bucketName",
            ("a-b.c", "abc", "a" * 63),
            ("s3://name", "ab", "Name", "a_b", "a/b", "a..b", "192.0.2.1"),
        ),
        (
            "aws.labelStudio.region",
            ("eu-central-1", "us-gov-west-1", "eusc-de-east-1"),
            ("eu-central-1a", "EU", "eu_central_1"),
        ),
        ("labelStudioStorageClass", ("local-path", "a.b"), ("Local-Path", '"local-path"', "local_path")),
        (
            "allowedApiHosts",
            ("api.example.org", '["192.0.2.1", "2001:db8::1"]'),
            ("api.example.org:6443", "https://a", "[::1]:6443", '["a", ""]', "a..b", "256.1.1.1"),
        ),
        (
            "labelStudioImage",
            ("a/b:1", "a@sha512:" + "0" * 128, "a:latest@sha256:" + "0" * 64, f"ghcr.io/{'a' * 255}:1"),
            ("https://a/b:1", "a//b:1", "a@sha256:0", f"ghcr.io/{'a' * 256}:1", f"org/{'a' * 252}:1"),
        ),
        ("clusterDomain", ("cluster.local", "1.example"), ("1", "cluster.1", "0x7f", "a_b")),
        ("cloudflare_node_tunnel_metrics_port", ("2200", "65535"), ("6443", "10250", "8000", "30000", "80")),
        *(
            (key, ("https://k3s:6443",), [f"https://{host}:6443" for host in ("localhost.", "127.0.0.2", "[::]")])
            for key in ("tritonBaseUrl", "cloudflare_tunnel_service_url")
        ),
        ("labelStudioStorage", ("4e9", "+5", ".5Gi"), ("10GB", "0")),
        (
            "gitRepositoryBranch",
            ("main", "feature/origin"),
            ("refs/heads/main", "origin/main", "tags/v1", "f" * 40, "HEAD", "a/.b", "a.lock/b", "ma in"),
        ),
    ],
)
def test_a_name_follows_the_grammar_of_what_it_names(key: str, good: tuple[str, ...], bad: tuple[str, ...]) -> None:
    for text in good:
        assert settings({key: text})
    for text in bad:
        assert f"'{key}' " in refused({key: text})


def test_what_pulumi_made_a_boolean_or_a_number_of_is_its_text() -> None:
    """``pulumi config set --path 'nodes[0].labels.tunnel-enabled' true`` stores a boolean."""
    labels = {"tunnel-enabled": True, "rank": 1}
    nodes = json.dumps([{"name": 1, "host": "host-1", "address": "192.0.2.1", "labels": labels}])
    changed = settings(
        {
            "nodes": nodes,
            "labelStudioNodeSelector": '{"gpu": false}',
            "adapterIngressFrom": '[{"namespace": 7, "labels": {"app": 1.5}}]',
        }
    )
    (node,) = changed.cluster.nodes
    assert (node.name, node.labels) == ("1", {"tunnel-enabled": "true", "rank": "1"})
    assert changed.label_studio.node_selector == {"gpu": "false"}
    (peer,) = changed.adapter.ingress_from
    assert (peer.namespace, peer.labels) == ("7", {"app": "1.5"})


def test_a_tunnel_token_is_found_in_the_command_that_cloudflare_shows() -> None:
    for around in (
        "{}", '"{}"', "'{}'", "Bearer {}", "TUNNEL_TOKEN={}", "export TUNNEL_TOKEN='{}'", '"tunnel_token={}"',
        "cloudflared service install {}", "sudo cloudflared service install {}", "cloudflared.exe service install {}",
        "cloudflared tunnel run --token {}", "cloudflared tunnel --no-autoupdate run --token={}",
        "brew install cloudflared && sudo cloudflared service install {}",
        "docker run cloudflare/cloudflared:latest tunnel --no-autoupdate run --token {}", "--token {}",
        "docker run -e TUNNEL_TOKEN={} cloudflare/cloudflared tunnel run",
    ):  # fmt: skip
        found = settings({"cloudflare_tunnel_token": around.format(connector_token())}).tunnel.token
        assert found.connector.value == connector_token(), around


def test_a_token_that_was_cut_is_still_called_that() -> None:
    cut = connector_token()[:-31]
    for around in ("{}", "cloudflared service install {}", "TUNNEL_TOKEN={}"):
        said = refused({"cloudflare_tunnel_token": around.format(cut)})
        assert "it may have been cut short while copying" in said
        assert cut not in said
