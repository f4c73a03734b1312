"""The sandbox itself: what it starts it stops, beside another one too, and a killed run can be run again."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sandbox import cluster, download, releases, tools
from sandbox.layout import ROOT, Sandbox, cache
from tests.engine.engine import Engine, launch, run
from tests.published import serving

CONTROL_PLANE = {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"}


def test_a_second_sandbox_runs_beside_and_down_stops_only_its_own(engine: Engine, tmp_path: Path) -> None:
    other = Sandbox(tmp_path / "other")
    launch(other.home, "cluster")
    bystander = subprocess.Popen([sys.executable, "-c", f"# {other.home} etcd\nimport time; time.sleep(600)"])
    try:
        assert set(cluster.processes(other).values()) == CONTROL_PLANE
        own = cluster.processes(engine.sandbox)
        launch(other.home, "down")
        assert cluster.processes(other) == {}
        assert cluster.processes(engine.sandbox) == own
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
    assert "nothing was running" in launch(other.home, "down").stderr


def test_down_and_up_again_bring_back_the_same_cluster_and_change_nothing(engine: Engine) -> None:
    uids = {o["metadata"]["uid"] for o in engine.objects("namespaces", "persistentvolumeclaims")}
    engine.launcher("down")
    assert cluster.processes(engine.sandbox) == {}
    answer = engine.launcher("up")
    summary = answer.stdout.partition("Resources:")[2]
    assert "unchanged" in summary
    assert not any(word in summary for word in ("created", "updated", "deleted", "replaced"))
    assert uids <= {o["metadata"]["uid"] for o in engine.objects("namespaces", "persistentvolumeclaims")}


def test_the_language_host_is_told_what_pip_says_and_pip_is_asked_once(engine: Engine) -> None:
    kept = (engine.sandbox.home / "packages.json").read_text(encoding="utf-8")  # the first run asked
    question = ["-m", "pip", "list", "-v", "--format", "json"]
    for python in (engine.sandbox.bin / "python3", sys.executable):
        assert json.loads(run([python, *question], ROOT, os.environ).stdout) == json.loads(kept)


def take(port: int) -> socket.socket:
    """Listen on a port as soon as its killed owner has let go of it, which takes a moment."""
    end = time.monotonic() + 20
    while True:
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError:
            assert time.monotonic() < end


def test_when_a_port_is_taken_the_cluster_moves_and_its_controllers_follow(bare: Engine) -> None:
    ports = bare.sandbox.home / "ports.json"
    taken: int = json.loads(ports.read_text(encoding="utf-8"))["api"]
    (server,) = [pid for pid, role in cluster.processes(bare.sandbox).items() if role == "kube-apiserver"]
    os.kill(server, signal.SIGKILL)
    with take(taken):
        bare.launcher("cluster")
    assert json.loads(ports.read_text(encoding="utf-8"))["api"] != taken
    bare.kubectl("create", "deployment", "any", "--image=example.org/any:1")
    bare.kubectl("rollout", "status", "deployment/any", "--timeout=60s")


# ``python -m sandbox cluster``, with the projects' addresses on this machine.
START = """
import json, sys
from sandbox import download
from sandbox.__main__ import main
download.BASES = json.loads(sys.argv[1])
sys.exit(main(["cluster"]))
"""


def test_a_first_start_with_downloaded_tools_needs_no_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOOLS", "build")
    built = tools.get(tools.TOOLS)
    exec_ = "pulumi-language-python-exec"
    content = {name: path.read_bytes() for name, path in built.items()}
    content[exec_] = built["pulumi-language-python"].with_name(exec_).read_bytes()
    fresh, fakes = tmp_path / "cache", tmp_path / "bin"
    fresh.mkdir()
    fakes.mkdir()
    for entry in cache().iterdir():  # charts and providers are not what this is about
        if entry.name.startswith(("charts-", "kubernetes-provider-", "random-provider-")):
            (fresh / entry.name).symlink_to(entry)
    tools.script(fakes / "go", f'echo "$@" >> {tmp_path}/go-was-asked; exit 1')
    other = Sandbox(tmp_path / "home")
    with serving() as site:
        monkeypatch.setattr(download, "BASES", site.bases)
        for release in dict.fromkeys(releases.BY_PROGRAM.values()):
            site.publish(release, content)
        path = f"{fakes}{os.pathsep}{os.environ.get('PATH', '')}"
        environment = {**os.environ, "PATH": path, "OCEANID_CACHE": str(fresh), "SANDBOX_DIR": str(other.home)}
        environment |= {"TOOLS": "download", "CHARTS": "local"}
        try:
            command = [sys.executable, "-c", START, json.dumps(site.bases)]
            subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
            assert set(cluster.processes(other).values()) == CONTROL_PLANE
            version = json.loads(cluster.kubectl(other, "version", "-o", "json"))
        finally:
            cluster.stop(other)
    assert {version[end]["gitVersion"] for end in ("clientVersion", "serverVersion")} == {f"v{tools.KUBERNETES}"}
    assert not (tmp_path / "go-was-asked").exists()
    downloaded = [tool for tool in tools.TOOLS if tool.release and not tools.on_path(tool, path)]
    assert {(other.bin / tool.name).resolve().parent.parent for tool in downloaded} == {fresh.resolve()}
