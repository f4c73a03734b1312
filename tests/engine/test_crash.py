"""Crash and carry on: an `up` is broken at a random point, and the next one finishes it.

The points are drawn from a seed, so that a failure can be repeated. ``make soak`` runs more of them (SOAK=number).
"""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import cluster
from sandbox.layout import ROOT, Sandbox
from sandbox.progress import follow
from tests.engine.engine import PODS, WORKLOADS, Engine, launch
from tests.engine.history import processes_of

# Who is hit, by a word of its command line, and with which signal.
BLOWS = (
    ("engine stopped by Ctrl-C", "bin/pulumi", signal.SIGINT),
    ("engine told to end", "bin/pulumi", signal.SIGTERM),
    ("engine killed", "bin/pulumi", signal.SIGKILL),
    ("language host killed", "pulumi-language-python", signal.SIGKILL),
    ("provider killed", "kubernetes", signal.SIGKILL),
    ("API server killed", "kube-apiserver", signal.SIGKILL),
    ("everything killed", "", signal.SIGKILL),
)
# And when: after so many resources, drawn from the seed, or while a resource is being made.
CASES: list[tuple[str, str, signal.Signals, int | str]] = [
    (*BLOWS[seed % len(BLOWS)], random.Random(seed).randint(3, 80))
    for seed in range(max(len(BLOWS), int(os.environ.get("SOAK", "0"))))
]
CASES.append(("everything killed", "", signal.SIGKILL, "pko-helm creating"))  # Helm then knows half a release


def start(sandbox: Sandbox, output: Path, *verb: str) -> subprocess.Popen[bytes]:
    """``python -m sandbox``, whose output goes to a file."""
    with output.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "sandbox", *verb], cwd=ROOT, env={**os.environ, "SANDBOX_DIR": str(sandbox.home)},
            stdout=file, stderr=file,
        )  # fmt: skip


@pytest.mark.parametrize(("what", "word", "blow", "when"), CASES, ids=[f"{case[0]}, {case[3]}" for case in CASES])
def test_the_next_up_finishes_what_a_broken_one_began(
    bare: Engine, tmp_path: Path, what: str, word: str, blow: signal.Signals, when: int | str
) -> None:
    # What is broken may lose the ServiceAccount of a Deployment, which then never gets ready: a minute, here.
    # The next run has the default time: by then the ReplicaSet controller tries again only after as long as it failed.
    bare.configure("readyTimeoutMinutes", "1")
    output = tmp_path / "output"
    run = start(bare.sandbox, output, "up", "--config-file", str(bare.folder / "Pulumi.sandbox.yaml"))
    created, broken = 0, False
    for line in follow(run, bare.sandbox.log / "up.log"):
        created += " created (" in line
        if not broken and (created == when if isinstance(when, int) else when in line):
            broken = True
            servers = [pid for pid, role in cluster.processes(bare.sandbox).items() if role == word]
            hit = servers or processes_of(bare, word)
            assert hit, f"{what}: nobody there\n{output.read_text(encoding='utf-8')}"
            for pid in hit:
                os.kill(pid, blow)
            if word == "kube-apiserver":
                cluster.stop_role(bare.sandbox, word)  # until it is gone: start leaves alone what runs
                cluster.start(bare.sandbox)
            if not word:
                run.kill()
    assert broken, f"it ended before it could be broken\n{output.read_text(encoding='utf-8')}"
    assert not list((bare.sandbox.home / "state").rglob("*.attrs"))
    bare.reset_configuration()
    bare.launcher("up")
    assert bare.planned() == {}
    assert len(bare.pods()) == PODS
    assert len(bare.objects("deployments", "daemonsets")) == len(WORKLOADS)


def test_make_gitops_killed_at_several_places_is_finished_by_the_next_one(tmp_path: Path) -> None:
    """As a power cut does it: everything of the sandbox, controllers and Git server included."""
    home, output = tmp_path / "home", tmp_path / "output"
    other = Sandbox(home)
    places = {
        "control plane ready": output,
        "gitops-git-repo creating": other.log / "up.log",
        "waiting for Flux": output,
    }
    try:
        for place, log in places.items():
            run = start(other, output, "gitops")
            assert any(place in line for line in follow(run, log)), output.read_text(encoding="utf-8")
            run.kill()
            for pid in cluster.processes(other):
                os.kill(pid, signal.SIGKILL)
            run.wait()
        launch(home, "gitops")
        launch(home, "health", "--wait", "60")
    finally:
        launch(home, "down")
