"""Bad input, to the real CLI: one clear message, a failing exit code, no traceback, nothing registered, no secret."""

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from tests.engine.engine import FAILS, Engine
from tests.samples import REQUIRED, SECRET, TUNNEL_SECRET

ACTIONS = {"CI": "true", "GITHUB_ACTIONS": "true"}
CANARY = "canary-value-of-a-secret"
BARE = {"PULUMI_STACK": "bare"}


@pytest.fixture(scope="module")
def bare(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The same sandbox, with a program folder and an empty stack of its own."""
    other = Engine(engine.sandbox.home, tmp_path_factory.mktemp("bare") / "program")
    other.pulumi("stack", "init", "bare", "--no-select")
    yield other
    other.pulumi("stack", "rm", "bare", "--yes", "--force")


def refused(
    bare: Engine, config: Mapping[str, str], *expected: str, variables: Mapping[str, str | None] | None = None
) -> None:
    """Run ``pulumi up`` on a configuration: it says what is expected, and what holds of every refusal is checked."""
    salt = yaml.safe_load((bare.folder / "Pulumi.sandbox.yaml").read_text(encoding="utf-8"))["encryptionsalt"]
    plain = {f"oceanid-cluster:{name}": text for name, text in config.items()}
    (bare.folder / "Pulumi.bare.yaml").write_text(
        yaml.safe_dump({"encryptionsalt": salt, "config": plain}), encoding="utf-8"
    )
    answer = bare.pulumi("up", code=FAILS, variables={**BARE, **(variables or {})})
    text = " ".join((answer.stdout + answer.stderr).split())
    secrets = (CANARY, TUNNEL_SECRET, *(config[name] for name in SECRET if config.get(name)))
    for word in ("Traceback", "unhandled exception", *secrets):
        assert word not in text
    for part in expected:
        assert part in text, text
    exported = bare.pulumi("stack", "export", variables=BARE).stdout
    resources = json.loads(exported)["deployment"].get("resources") or []
    assert {resource["type"] for resource in resources} <= {"pulumi:pulumi:Stack"}


def test_a_github_hosted_job_goes_no_further(bare: Engine) -> None:
    variables = {**ACTIONS, "RUNNER_ENVIRONMENT": "github-hosted", "SELF_HOSTED": "true"}
    said = ("CLUSTER STACK CANNOT RUN IN GITHUB ACTIONS", "cloud/", "self-hosted")
    refused(bare, {}, *said, variables=variables)


def test_every_problem_of_a_configuration_is_named_in_one_run_of_a_self_hosted_job(bare: Engine) -> None:
    """One of each kind; tests/components/test_settings.py has the others."""
    config = {
        "tethysIpp": "192.0.2.1", "styxIp": "300.1.1.1", "cloudflare_tunnel_token": CANARY, "nerLabels": CANARY,
        "cloudflareTunnelResources": '{"limits": {"cpu": "1 core"}}', "enableFluxBootstrap": "false",
        "postgres_url": f"postgres://u:{CANARY}@/labels", "migration_phase": "done",
    }  # fmt: skip
    refused(
        bare, config, "did you mean 'tethysIp'?", "'tethysIp' is missing", "'styxIp' is not an IP address",
        "'cloudflare_tunnel_token' is not a tunnel token", "'nerLabels' is not a JSON list",
        "which Kubernetes does not know",
        "'postgres_url' names no host", "'enableImageAutomation' needs Flux", "'migration_phase' is not one of",
        "pulumi config set ", variables={**ACTIONS, "SELF_HOSTED": "true"},
    )  # fmt: skip


def test_without_a_kubeconfig_it_says_where_to_put_one(bare: Engine) -> None:
    said = ("no kubeconfig", "export KUBECONFIG=", "kubeconfigPath")
    refused(bare, REQUIRED, *said, variables={"KUBECONFIG": None})


def test_a_server_that_is_down_is_one_message_that_names_the_tunnel(bare: Engine, tmp_path: Path) -> None:
    said = ("cannot reach", "ssh -L 16443:localhost:6443 tethys -N")
    refused(bare, REQUIRED, *said, variables={"KUBECONFIG": str(bare.unreachable(tmp_path))})


def test_another_cluster_is_refused_before_anything_is_made_even_on_loopback(bare: Engine) -> None:
    before = [one["metadata"]["uid"] for one in bare.objects("namespaces", "nodes")]
    nodes = '[{"name": "one", "host": "srv-absent", "address": "192.0.2.1"}]'
    config = {**REQUIRED, "nodes": nodes, "enableNodeTunnels": "false"}
    refused(bare, config, "it is another cluster", "no node srv-absent (one)")
    assert [one["metadata"]["uid"] for one in bare.objects("namespaces", "nodes")] == before  # nor was a node made


@pytest.mark.parametrize("form", ["KUBECONFIG", "kubeconfigPath in base64"])
def test_the_content_of_a_kubeconfig_is_refused_unseen_by_the_program_and_by_every_command(
    bare: Engine, form: str
) -> None:
    """Two forms; tests/config/test_kubeconfig_path.py has the others."""
    content = bare.sandbox.kubeconfig.read_text(encoding="utf-8")
    document = bare.kubeconfig()
    token = document["users"][0]["user"]["token"]
    secrets = [token, document["clusters"][0]["cluster"]["certificate-authority-data"][:40], "certificate-authority"]
    config, variables = {**REQUIRED}, {"KUBECONFIG": content}
    if form != "KUBECONFIG":
        content = base64.b64encode(content.encode()).decode()
        secrets += [content[:20], content[-20:]]
        config, variables = {**REQUIRED, "kubeconfigPath": content}, {"KUBECONFIG": ""}
    refused(bare, config, "kubeconfig", variables=variables)
    for command in (
        "preflight", "health", "health --all", "leftovers", "drift", "plan",
        "workflow preview", "workflow up", "workflow watch",
    ):  # fmt: skip
        answer = bare.command(*command.split(), code=FAILS, **BARE, **variables)
        text = answer.stdout + answer.stderr
        assert "kubeconfig" in text
        assert not [word for word in ("Traceback", *secrets) if word in text], command
