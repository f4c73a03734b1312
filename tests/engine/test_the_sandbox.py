"""The sandbox itself: what it starts it stops, beside another one too, and a killed run can be run again."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from sandbox import cluster
from sandbox.layout import Sandbox
from tests.engine.engine import Engine, bare_cluster

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


def take(port: int) -> socket.socket:
    """Listen on a port as soon as its killed owner has let go of it, which takes a moment."""
    end = time.monotonic() + 20
    while True:
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError:
            assert time.monotonic() < end


def test_when_a_port_is_taken_the_cluster_moves_and_its_controllers_follow(tmp_path: Path) -> None:
    with bare_cluster(tmp_path) as other:
        ports = other.sandbox.home / "ports.json"
        taken: int = json.loads(ports.read_text(encoding="utf-8"))["api"]
        (server,) = [pid for pid, role in cluster.processes(other.sandbox).items() if role == "kube-apiserver"]
        os.kill(server, signal.SIGKILL)
        with take(taken):
            answer = other.launcher("cluster")
        assert answer.returncode == 0, answer.stderr
        assert json.loads(ports.read_text(encoding="utf-8"))["api"] != taken
        other.kubectl("create", "deployment", "any", "--image=example.org/any:1")
        other.kubectl("rollout", "status", "deployment/any", "--timeout=60s")
