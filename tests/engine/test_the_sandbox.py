"""The sandbox itself: what it starts it stops, beside another one too, and a killed run can be run again."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from sandbox import cluster
from sandbox.layout import ROOT, Sandbox
from tests.engine.conftest import Engine

CONTROL_PLANE = {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"}


def test_a_second_sandbox_runs_beside_and_down_stops_only_its_own(engine: Engine, tmp_path: Path) -> None:
    other = Sandbox(tmp_path / "other")
    assert engine.launcher("cluster", home=other.home).returncode == 0
    bystander = subprocess.Popen([sys.executable, "-c", f"# {other.home} etcd\nimport time; time.sleep(600)"])
    try:
        assert set(cluster.processes(other).values()) == CONTROL_PLANE
        own = cluster.processes(engine.sandbox)
        down = engine.launcher("down", home=other.home)
        assert down.returncode == 0
        assert cluster.processes(other) == {}
        assert cluster.processes(engine.sandbox) == own
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
    assert "nothing was running" in engine.launcher("down", home=other.home).stderr


def test_verbs_that_need_a_running_sandbox_say_how_to_start_it(engine: Engine, tmp_path: Path) -> None:
    for verb in ("preview", "outputs", "env", "kubectl"):
        answer = engine.launcher(verb, home=tmp_path)
        assert answer.returncode == 1
        assert answer.stdout == ""
        assert "start it with: make up" in answer.stderr


def test_down_and_up_again_bring_back_the_same_cluster(engine: Engine) -> None:
    uids = {o["metadata"]["uid"] for o in engine.objects("namespaces", "persistentvolumeclaims")}
    assert engine.launcher("down").returncode == 0
    assert cluster.processes(engine.sandbox) == {}
    answer = engine.launcher("up")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    summary = answer.stdout.partition("Resources:")[2]
    assert "unchanged" in summary
    assert "created" not in summary
    assert uids <= {o["metadata"]["uid"] for o in engine.objects("namespaces", "persistentvolumeclaims")}


def test_an_up_that_is_killed_half_way_is_finished_by_the_next(tmp_path: Path) -> None:
    """Every process of the run is killed at once, as by a machine that lost its power."""
    other = Engine(tmp_path / "home", tmp_path / "program")
    environment = {**os.environ, "SANDBOX_DIR": str(other.sandbox.home)}
    try:
        run = subprocess.Popen(
            [sys.executable, "-m", "sandbox", "up"], cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert run.stdout
        for line in run.stdout:
            if "cloudflare-deployment creating" in line or "pko-helm creating" in line:
                break
        run.kill()
        for pid, role in cluster.processes(other.sandbox).items():
            if role == "engine":
                os.kill(pid, signal.SIGKILL)
        run.stdout.close()
        run.wait()
        again = other.launcher("up")
        assert again.returncode == 0, again.stdout + again.stderr
        other.up()
        assert other.planned() == {}
        assert len(other.objects("pods")) == 12
    finally:
        other.launcher("down")
