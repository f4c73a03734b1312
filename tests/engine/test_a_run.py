"""From nothing to a Git-driven cluster, and a second time: promises about whole runs."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from oceanid_cluster.components.settings import CHAIN
from sandbox import cluster
from tests import fuzz
from tests.engine.engine import PODS, Engine, run
from tests.engine.history import processes_of
from tests.engine.prepared import FIRST_RUN
from tests.program import ORDER
from tests.recorded import manifests, run_program
from tests.samples import EVERYTHING


def test_all_components_are_ready_after_the_first_run(engine: Engine) -> None:
    pods = engine.pods()
    ready = {
        pod["metadata"]["namespace"]
        for pod in pods
        if any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"]["conditions"])
    }
    assert ready == {pod["metadata"]["namespace"] for pod in pods}
    assert ready == {facts.namespace for facts in CHAIN}
    assert {o["metadata"]["name"] for o in engine.objects("imagepolicies.image.toolkit.fluxcd.io")} >= {
        "cloudflared", "cert-manager",
    }  # fmt: skip
    assert len(pods) == PODS


def test_the_node_with_the_gpu_runs_its_tunnel_and_nothing_else_of_ours(engine: Engine) -> None:
    placed = {pod["metadata"]["namespace"] for pod in engine.pods() if pod["spec"]["nodeName"] == "calypso"}
    assert placed == {"node-tunnels"}


def test_it_says_which_provider_and_which_charts_are_in_use(engine: Engine) -> None:
    log = (engine.sandbox.home / FIRST_RUN).read_text(encoding="utf-8")
    assert "sandbox: charts: " in log
    said = re.search(r"sandbox: provider kubernetes: v?(\d+)\.(\d+)\.\d+, (.*)", log)
    assert said, log
    is_complete = (int(said[1]), int(said[2])) >= (4, 29)
    assert is_complete != ("upsertExistingObjects and enablePatchForce added" in said[3])


@pytest.mark.parametrize(
    ("number", "kill"),
    [(signal.SIGINT, os.killpg), (signal.SIGTERM, os.kill)],
    ids=["Ctrl-C in a terminal", "the end of a job"],
)
def test_an_interrupted_comparison_leaves_no_process_behind(
    engine: Engine, number: signal.Signals, kill: Callable[[int, int], None]
) -> None:
    """An engine that loses its reader dies, and its plugins live on."""
    command = [sys.executable, "-m", "oceanid_cluster", "drift", "--stack", "sandbox"]
    process = subprocess.Popen(
        command, cwd=engine.folder, env=engine.environment(), text=True, process_group=0,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert cluster.wait_for(lambda: bool(processes_of(engine, "pulumi-language-python-exec")), 60)
    kill(process.pid, number)
    output, errors = process.communicate()
    assert process.returncode == 128 + number, output + errors
    assert "Traceback" not in errors
    assert cluster.wait_for(lambda: not processes_of(engine, "pulumi"), 10)


def test_the_engine_writes_no_logs_of_its_own_in_a_sandbox(engine: Engine) -> None:
    """They would be half of what a run costs."""
    assert (engine.sandbox.home / "pulumi" / "logs").read_bytes() == b""


def test_the_outputs_answer_as_the_readme_says(engine: Engine) -> None:
    assert engine.pulumi("stack", "output", "labelStudioHostname").stdout == "label.boathou.se\n"
    assert engine.pulumi("stack", "output", "kubeconfigPath").stdout.strip() == str(engine.sandbox.kubeconfig)
    outputs = json.loads(engine.pulumi("stack", "output", "--json").stdout)
    expected = {
        "fluxNamespace": "flux-system", "pkoNamespace": "pulumi-system", "cloudflareNamespace": "cloudflared",
        "labelStudioAdminPassword": "[secret]",
    }  # fmt: skip
    assert expected.items() <= outputs.items()
    assert outputs["migrationStatus"]["phase"] == "preparation"


def test_the_chain_can_be_proved_from_the_state(engine: Engine) -> None:
    state = engine.state()

    def after(name: str) -> set[str]:
        direct = {urn.rpartition("::")[2] for urn in state[name].get("dependencies", [])}
        return direct.union(*map(after, direct))

    for name, earlier in ORDER.items():
        assert earlier <= after(name), name


def test_the_launcher_answers_for_scripts(engine: Engine) -> None:
    assert engine.launcher("outputs", "labelStudioHostname").stdout == "label.boathou.se\n"
    exports = engine.launcher("env").stdout
    script = f"set -e\n{exports}\npulumi stack output labelStudioHostname\nkubectl get nodes -o name\nhelm list -A -q\n"
    answer = run(["sh", "-c", script], engine.folder, os.environ)
    releases = sorted(name for facts in CHAIN for name in facts.releases)
    nodes = ["node/calypso", "node/srv712429", "node/srv712695"]
    assert answer.stdout.split() == ["label.boathou.se", *nodes, *releases]


def assert_strictly_valid(engine: Engine, manifests: list[dict[str, Any]]) -> None:
    """Let the API server judge: its schemas, those of the CRDs, and its own rules, without writing anything."""
    command = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "--force-conflicts", "-f", "-"]
    document = {"apiVersion": "v1", "kind": "List", "items": manifests}  # as JSON: YAML has several truths about "y"
    answer = engine.kubectl(*command, "-o", "name", stdin=json.dumps(document))
    assert len(answer.split()) == len(manifests)


def test_every_object_passes_strict_validation_by_the_api_server(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = manifests(run_program(EVERYTHING, tmp_path, monkeypatch))
    assert len(made) > 45
    assert_strictly_valid(engine, made)


@settings(max_examples=10, derandomize=True)
@given(config=fuzz.valid())
def test_random_configurations_give_objects_that_the_api_server_takes(engine: Engine, config: dict[str, str]) -> None:
    # What is installed already: a claim does not shrink, and a port of another field manager stays beside ours.
    config = {name: text for name, text in config.items() if name not in ("labelStudioStorage", "metricsPort")}
    with pytest.MonkeyPatch.context() as monkeypatch:
        assert_strictly_valid(engine, manifests(run_program(config, engine.folder.parent, monkeypatch)))


def test_strict_validation_would_see_a_misspelt_field(engine: Engine) -> None:
    with pytest.raises(AssertionError, match="dataa"):
        assert_strictly_valid(
            engine, [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "dataa": {}}]
        )
