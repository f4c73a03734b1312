"""Bad input, to the real CLI: one clear message, a failing exit code, no traceback, nothing registered, no secret."""

import base64
import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from tests.engine.engine import Answer, Engine
from tests.samples import NODE_TUNNEL, REQUIRED, SECRET, TUNNEL_SECRET, connector_token

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


@pytest.mark.parametrize(
    "variables",
    [ACTIONS, {**ACTIONS, "RUNNER_ENVIRONMENT": "github-hosted", "SELF_HOSTED": "true"}],
    ids=["no runner", "hosted with SELF_HOSTED"],
)
def test_a_github_hosted_job_goes_no_further(bare: Engine, variables: dict[str, str]) -> None:
    refused(run(bare, {}, variables), "CLUSTER STACK CANNOT RUN IN GITHUB ACTIONS", "cloud/", "self-hosted")


def test_a_self_hosted_job_gets_past_the_guard(bare: Engine) -> None:
    for variables in ({"SELF_HOSTED": "true"}, {"RUNNER_ENVIRONMENT": "self-hosted"}):
        refused(run(bare, {}, {**ACTIONS, **variables}), "has 6 problems")


def test_all_missing_keys_are_named_at_once(bare: Engine) -> None:
    refused(run(bare, {}), "has 6 problems", *(f"'{name}' is missing" for name in REQUIRED))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"postgres_url": ""}, "'postgres_url' is missing"),
        ({"tethysIp": "300.1.1.1"}, "'tethysIp' is not an IP address"),
        ({"styxIp": REQUIRED["tethysIp"]}, "are the same address"),
        ({"cloudflare_tunnel_token": CANARY}, "'cloudflare_tunnel_token' is not a tunnel token"),
        ({"cloudflare_tunnel_token": connector_token()[:50]}, "'cloudflare_tunnel_token' is not a tunnel token"),
        ({"cloudflare_node_tunnel_token": connector_token()}, "belong to the same tunnel"),
        ({"cloudflare_tunnel_id": NODE_TUNNEL}, "does not agree with the tunnel id inside"),
        ({"extraIngress": '[{"hostname": "a.example.org", "service": "http://a/b"}]'}, "has a path"),
        ({"postgres_url": f"postgres://u:{CANARY}@/labels"}, "'postgres_url' names no host"),
        ({"nerLabels": CANARY}, "'nerLabels' is not valid JSON"),
        ({"cloudflareTunnelResources": '{"limits": {"cpu": "1 core"}}'}, "has no known unit"),
        ({"gitReconciliationSeconds": "-1"}, "is not a whole number"),
        ({"enableFluxBootstrap": "false"}, "enableImageAutomation needs Flux"),
        ({"migration_phase": "done"}, "'migration_phase' is not one of"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_value_is_named(bare: Engine, changes: dict[str, str], expected: str) -> None:
    refused(run(bare, {**REQUIRED, **changes}), expected, "has 1 problem", "pulumi config ")


def test_a_misspelt_key_is_a_warning_beside_the_problem(bare: Engine) -> None:
    answer = run(bare, {"tethysIpp": "192.0.2.1"})
    refused(answer, "did you mean 'tethysIp'?", "'tethysIp' is missing")


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


def test_a_folder_is_no_kubeconfig(bare: Engine, tmp_path: Path) -> None:
    refused(run(bare, REQUIRED, {"KUBECONFIG": str(tmp_path)}), "is not a file")


def test_two_sources_with_different_servers_are_refused(bare: Engine, tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, "https://192.0.2.10:6443")
    refused(run(bare, {**REQUIRED, "kubeconfigPath": path}), "lead to different API servers", path)


def test_a_cluster_that_is_not_ours_is_refused(bare: Engine, tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, "https://somebody-elses.example.org")
    refused(run(bare, REQUIRED, {"KUBECONFIG": path}), "refusing to touch https://somebody-elses.example.org")


def test_a_server_that_is_down_is_one_message_that_names_the_tunnel(bare: Engine, tmp_path: Path) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        path = kubeconfig(tmp_path, f"https://127.0.0.1:{held.getsockname()[1]}")
        refused(run(bare, REQUIRED, {"KUBECONFIG": path}), "cannot reach", "ssh -L 16443:localhost:6443 tethys -N")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"nodes": '[{"name": "one", "host": "srv-absent", "address": "192.0.2.1"}]'}, "no node srv-absent (one)"),
        ({"clusterUid": "0f4b6a1e-3c5d-4f2a-9b8c-7d6e5f4a3b2c"}, "clusterUid is 0f4b6a1e-3c5d-4f2a-9b8c-7d6e5f4a3b2c"),
    ],
    ids=["other nodes", "another UID"],
)
def test_another_cluster_is_refused_before_anything_is_made_even_on_loopback(
    bare: Engine, config: dict[str, str], expected: str
) -> None:
    before = [one["metadata"]["uid"] for one in bare.objects("namespaces", "nodes")]
    answer = run(bare, {**REQUIRED, **config}, {"KUBECONFIG": str(bare.sandbox.kubeconfig)})
    refused(answer, "it is another cluster", expected)
    assert [one["metadata"]["uid"] for one in bare.objects("namespaces", "nodes")] == before  # nor was a node made


COMMANDS = {
    "preflight": ("preflight", "--stack", "bare"),
    "health": ("health", "--stack", "bare"),
    "health of everything": ("health", "--all"),
    "leftovers": ("leftovers", "--stack", "bare"),
    "drift": ("drift", "--stack", "bare"),
    **{
        f"step {name}": ("workflow", name, "--stack", "bare")
        for name in ("preflight", "preview", "up", "health", "drift")
    },
}


@pytest.mark.parametrize("form", ["as it is", "on one line", "base64"])
@pytest.mark.parametrize("key", [False, True], ids=["KUBECONFIG", "kubeconfigPath"])
def test_the_content_of_a_kubeconfig_is_refused_unseen_by_the_program_and_by_every_command(
    bare: Engine, form: str, *, key: bool
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
