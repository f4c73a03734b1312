"""Back from a killed run, a lost state and a lost cluster, by the commands that the documentation gives."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import cluster
from sandbox.layout import ROOT
from tests.engine.engine import PODS, WORKLOADS, Engine
from tests.engine.prepared import applied_cluster, bare_cluster
from tests.engine.test_lifecycle import label_studio_values

RUNBOOK = ROOT / "docs" / "runbook.md"


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A cluster of its own, which these tests lose."""
    with applied_cluster(tmp_path_factory.mktemp("recovery")) as engine:
        yield engine


def adopt(engine: Engine) -> dict[str, str]:
    """The runbook's way to adopt what already exists; returns what is left to do after it."""
    engine.configure("adoptExisting", "true")
    engine.up()
    engine.configure("adoptExisting", None)
    return engine.up().changes


def assert_whole(engine: Engine) -> None:
    """Every object is there once."""
    assert len(engine.pods()) == PODS
    assert len(engine.objects("deployments", "daemonsets")) == len(WORKLOADS)


def test_after_a_killed_engine_the_documented_commands_finish_the_run(tmp_path: Path) -> None:
    """Plain pulumi, without the launcher of the sandbox, which would clear the lock itself."""
    with bare_cluster(tmp_path) as bare:
        run = subprocess.Popen(
            [bare.sandbox.bin / "pulumi", "up", "--yes", "--skip-preview", "--non-interactive"], cwd=bare.folder,
            env=bare.environment(checkpoints=True), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert run.stdout
        for line in run.stdout:
            if "cloudflare-deployment creating" in line:
                break
        for pid, role in cluster.processes(bare.sandbox).items():
            if role == "engine":
                os.kill(pid, signal.SIGKILL)
        run.stdout.close()
        run.wait()
        locked = bare.pulumi("up", "--yes", "--skip-preview")
        assert "the stack is currently locked" in locked.stdout + locked.stderr
        assert bare.pulumi("cancel", "--yes").returncode == 0
        answer = bare.pulumi("refresh", "--run-program", "--yes", "--skip-preview", "--clear-pending-creates")
        assert answer.returncode == 0, answer.stdout + answer.stderr
        assert adopt(bare) == {}
        assert_whole(bare)


def test_a_volume_grown_by_hand_as_the_runbook_says_leaves_nothing_to_do(other: Engine) -> None:
    """The lost state below is made again around the larger volume."""
    (patch,) = re.findall(r"^kubectl (.*patch pvc .*)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    other.kubectl("patch", "storageclass", "local-path", "-p", '{"allowVolumeExpansion": true}')
    other.kubectl(*shlex.split(patch))
    other.configure("labelStudioStorage", "20Gi")
    answer = other.up("--refresh", "--run-program")
    assert "labelStudioStorage" not in answer.stdout  # no warning
    assert other.planned("--refresh", "--run-program") == {}
    claim = json.loads(other.kubectl("-n", "apps", "get", "pvc", "label-studio-data", "-o", "json"))
    assert claim["spec"]["resources"]["requests"]["storage"] == "20Gi"
    other.configure("labelStudioStorage", None)


def test_a_lost_state_is_made_again_around_the_living_cluster(other: Engine) -> None:
    def uids() -> set[str]:
        found = other.objects("namespaces", "persistentvolumeclaims", "deployments", "secrets")
        return {one["metadata"]["uid"] for one in found if not one.get("type", "").startswith("helm.sh/")}

    before, values = uids(), label_studio_values(other)
    assert other.pulumi("stack", "rm", "--force", "--yes", "--preserve-config").returncode == 0
    assert other.pulumi("stack", "init", "sandbox", "--no-select").returncode == 0
    refused = other.pulumi("up", "--yes", "--skip-preview")
    assert refused.returncode != 0
    assert " already exists" in refused.stdout
    other.configure("adoptExisting", "true")
    refused = other.pulumi("up", "--yes", "--skip-preview")
    assert "cannot re-use a name that is still in use" in refused.stdout
    for command in re.findall(r"^kubectl (.*delete secret.*)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE):
        other.kubectl(*command.split())
    other.up()
    other.configure("adoptExisting", None)
    assert_whole(other)
    assert before <= uids()
    assert label_studio_values(other) == values
    # From then on they are the state's.
    other.kubectl("-n", "apps", "delete", "secret", "labelstudio-app-credentials")
    assert other.up("--refresh").changes == {"label-studio-app-secret": "create"}
    assert label_studio_values(other) == values


def test_a_lost_cluster_is_made_again_from_the_state(other: Engine) -> None:
    """A new one has other certificates, another port and another token; the state has those from before."""
    before = {o["metadata"]["uid"] for o in other.objects("namespaces")}
    trusted = other.sandbox.kubeconfig.read_text(encoding="utf-8")
    other.configure("clusterUid", other.kubectl("get", "ns", "kube-system", "-o", "jsonpath={.metadata.uid}"))
    assert other.launcher("down").returncode == 0
    for name in ("etcd", "pki"):
        shutil.rmtree(other.sandbox.home / name)
    for name in ("ports.json", "token"):
        (other.sandbox.home / name).unlink()
    assert other.launcher("cluster").returncode == 0
    old, new = (json.loads(text) for text in (trusted, other.sandbox.kubeconfig.read_text(encoding="utf-8")))
    for section, part in (("clusters", "cluster"), ("users", "user")):
        assert all(old[section][0][part][name] != value for name, value in new[section][0][part].items())
    refused = other.pulumi("up", "--yes", "--skip-preview", "--refresh", "--run-program")
    assert "it is another cluster" in refused.stdout
    (fix,) = re.findall(r"pulumi (config set clusterUid \S+)", refused.stdout)
    assert other.pulumi(*fix.split()).returncode == 0
    preflight = other.command("preflight")
    assert preflight.returncode == 0, preflight.stdout
    other.up("--refresh", "--run-program")
    assert other.up().changes == {}
    assert_whole(other)
    assert not before & {o["metadata"]["uid"] for o in other.objects("namespaces")}
