"""Bad input, to the real CLI: one clear message, a failing exit code, no traceback, nothing registered, no secret."""

import base64
import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from tests.engine.engine import Answer, Engine
from tests.samples import REQUIRED, SECRET, TUNNEL_SECRET

ACTIONS = {"CI": "true", "GITHUB_ACTIONS": "true"}
CANARY = "canary-value-of-a-secret"


@pytest.fixture(scope="module")
def bare(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The same sandbox, with a program folder and an empty stack of its own."""
    other = Engine(engine.sandbox.home, tmp_path_factory.mktemp("bare") / "program")
    assert other.pulumi("stack", "init", "bare", "--no-select").returncode == 0
    yield other
    other.pulumi("stack", "rm", "bare", "--yes", "--force")


def run(bare: Engine, config: Mapping[str, str], variables: Mapping[str, str | None] | None = None) -> Answer:
    """``pulumi up`` on a configuration; checks what holds of every refusal."""
    salt = yaml.safe_load((bare.folder / "Pulumi.sandbox.yaml").read_text(encoding="utf-8"))["encryptionsalt"]
    plain = {f"oceanid-cluster:{name}": text for name, text in config.items()}
    (bare.folder / "Pulumi.bare.yaml").write_text(
        yaml.safe_dump({"encryptionsalt": salt, "config": plain}), encoding="utf-8"
    )
    answer = bare.pulumi("up", "--yes", "--skip-preview", variables={"PULUMI_STACK": "bare", **(variables or {})})
    text = answer.stdout + answer.stderr
    assert answer.returncode != 0, text
    assert "Traceback" not in text
    assert "unhandled exception" not in text
    for secret in (CANARY, TUNNEL_SECRET, *(config[name] for name in SECRET if config.get(name))):
        assert secret not in text
    exported = bare.pulumi("stack", "export", variables={"PULUMI_STACK": "bare"}).stdout
    resources = json.loads(exported)["deployment"].get("resources") or []
    assert {resource["type"] for resource in resources} <= {"pulumi:pulumi:Stack"}
    return answer


def refused(answer: Answer, *expected: str) -> None:
    text = " ".join((answer.stdout + answer.stderr).split())
    for part in expected:
        assert part in text, text


def test_a_github_hosted_job_goes_no_further(bare: Engine) -> None:
    variables: dict[str, str | None] = {**ACTIONS, "RUNNER_ENVIRONMENT": "github-hosted", "SELF_HOSTED": "true"}
    refused(run(bare, {}, variables), "CLUSTER STACK CANNOT RUN IN GITHUB ACTIONS", "cloud/", "self-hosted")


def test_every_problem_of_a_configuration_is_named_in_one_run_of_a_self_hosted_job(bare: Engine) -> None:
    """One of each kind; tests/components/test_settings.py has the others."""
    config = {
        "tethysIpp": "192.0.2.1", "styxIp": "300.1.1.1", "cloudflare_tunnel_token": CANARY, "nerLabels": CANARY,
        "cloudflareTunnelResources": '{"limits": {"cpu": "1 core"}}', "enableFluxBootstrap": "false",
        "postgres_url": f"postgres://u:{CANARY}@/labels", "migration_phase": "done",
    }  # fmt: skip
    answer = run(bare, config, {**ACTIONS, "SELF_HOSTED": "true"})
    refused(
        answer, "did you mean 'tethysIp'?", "'tethysIp' is missing", "'styxIp' is not an IP address",
        "'cloudflare_tunnel_token' is not a tunnel token", "'nerLabels' is not a JSON list",
        "which Kubernetes does not know",
        "'postgres_url' names no host", "'enableImageAutomation' needs Flux", "'migration_phase' is not one of",
        "pulumi config set ",
    )  # fmt: skip


def kubeconfig(folder: Path, server: str) -> str:
    path = folder / "kubeconfig"
    named = {"name": "x", "cluster": {"server": server}}, {"name": "x", "user": {"token": CANARY}}
    content = {
        "apiVersion": "v1", "kind": "Config", "current-context": "x", "clusters": [named[0]], "users": [named[1]],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
    }  # fmt: skip
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return str(path)


def test_without_a_kubeconfig_it_says_where_to_put_one(bare: Engine) -> None:
    refused(run(bare, REQUIRED, {"KUBECONFIG": None}), "no kubeconfig", "export KUBECONFIG=", "kubeconfigPath")


def test_a_server_that_is_down_is_one_message_that_names_the_tunnel(bare: Engine, tmp_path: Path) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        path = kubeconfig(tmp_path, f"https://127.0.0.1:{held.getsockname()[1]}")
        refused(run(bare, REQUIRED, {"KUBECONFIG": path}), "cannot reach", "ssh -L 16443:localhost:6443 tethys -N")


def test_another_cluster_is_refused_before_anything_is_made_even_on_loopback(bare: Engine) -> None:
    before = [one["metadata"]["uid"] for one in bare.objects("namespaces", "nodes")]
    nodes = '[{"name": "one", "host": "srv-absent", "address": "192.0.2.1"}]'
    answer = run(
        bare, {**REQUIRED, "nodes": nodes, "enableNodeTunnels": "false"}, {"KUBECONFIG": str(bare.sandbox.kubeconfig)}
    )
    refused(answer, "it is another cluster", "no node srv-absent (one)")
    assert [one["metadata"]["uid"] for one in bare.objects("namespaces", "nodes")] == before  # nor was a node made


COMMANDS = {
    "preflight": ("preflight", "--stack", "bare"),
    "health": ("health", "--stack", "bare"),
    "health of everything": ("health", "--all"),
    "leftovers": ("leftovers", "--stack", "bare"),
    "drift": ("drift", "--stack", "bare"),
    "plan": ("plan", "--stack", "bare"),
    **{f"step {name}": ("workflow", name, "--stack", "bare") for name in ("preview", "up", "watch")},
}


@pytest.mark.parametrize(
    ("form", "key"),
    [("as it is", False), ("base64", True), ("on one line", False), ("on one line", True)],
    ids=["KUBECONFIG", "kubeconfigPath in base64", "KUBECONFIG on one line", "kubeconfigPath on one line"],
)
def test_the_content_of_a_kubeconfig_is_refused_unseen_by_the_program_and_by_every_command(
    bare: Engine, form: str, key: bool
) -> None:
    content = bare.sandbox.kubeconfig.read_text(encoding="utf-8")
    document = json.loads(content)
    token = document["users"][0]["user"]["token"]
    secrets = [token, document["clusters"][0]["cluster"]["certificate-authority-data"][:40], "certificate-authority"]
    if form == "on one line":
        content = yaml.safe_dump(document, width=10**6).replace("\n", "  ")
    elif form == "base64":
        content = base64.b64encode(content.encode()).decode()
        secrets += [content[:20], content[-20:]]
    variables = {"KUBECONFIG": "" if key else content}
    config = {**REQUIRED, "kubeconfigPath": content} if key else REQUIRED
    answers = {"the program": run(bare, config, variables)}
    answers |= {name: bare.command(*command, **variables) for name, command in COMMANDS.items()}
    for name, answer in answers.items():
        text = answer.stdout + answer.stderr
        assert answer.returncode != 0, f"{name}: {text}"
        assert "kubeconfig" in text
        assert "Traceback" not in text, f"{name}: {text}"
        assert not [secret for secret in secrets if secret in text], name
