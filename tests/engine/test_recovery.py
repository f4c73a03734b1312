"""Back from a killed run, a lost state and a lost cluster, by the commands that the documentation gives."""

import json
import re
import shlex
from collections.abc import Iterator

import pytest

from sandbox.layout import ROOT
from tests.engine.engine import FAILS, PODS, WORKLOADS, Engine
from tests.engine.history import kill_at, lose_cluster
from tests.engine.prepared import started
from tests.engine.test_lifecycle import label_studio_values

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A cluster of its own, which these tests lose."""
    with started("applied", tmp_path_factory.mktemp("recovery")) as engine:
        yield engine


def assert_whole(engine: Engine) -> None:
    """Every object is there once."""
    assert len(engine.pods()) == PODS
    assert len(engine.objects("deployments", "daemonsets")) == len(WORKLOADS)


def test_after_a_killed_engine_the_documented_commands_finish_the_run(bare: Engine) -> None:
    """Plain pulumi, without the launcher of the sandbox, which would clear the lock itself."""
    kill_at(bare, "cloudflare-deployment creating")
    locked = bare.pulumi("up", code=FAILS)
    assert "the stack is currently locked" in locked.stdout + locked.stderr
    bare.pulumi("cancel", "--yes")
    bare.pulumi("refresh", "--run-program", "--clear-pending-creates")
    bare.configure("adoptExisting", "true")
    bare.up()
    bare.configure("adoptExisting", None)
    assert bare.up().changes == {}
    assert_whole(bare)


def test_a_volume_grown_by_hand_as_the_runbook_says_leaves_nothing_to_do(other: Engine) -> None:
    """The lost state below is made again around the larger volume."""
    (patch,) = re.findall(r"^kubectl (.*patch pvc .*)$", RUNBOOK, re.MULTILINE)
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
    other.pulumi("stack", "rm", "--force", "--yes", "--preserve-config")
    other.pulumi("stack", "init", "sandbox", "--no-select")
    assert " already exists" in other.pulumi("up", code=FAILS).stdout
    other.configure("adoptExisting", "true")
    assert "cannot re-use a name that is still in use" in other.pulumi("up", code=FAILS).stdout
    for command in re.findall(r"^kubectl (.*delete secret.*)$", RUNBOOK, re.MULTILINE):
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
    other.configure("clusterUid", other.kubectl("get", "ns", "kube-system", "-o", "jsonpath={.metadata.uid}"))
    old = other.kubeconfig()
    lose_cluster(other)
    new = other.kubeconfig()
    for section, part in (("clusters", "cluster"), ("users", "user")):
        assert all(old[section][0][part][name] != value for name, value in new[section][0][part].items())
    refused = other.pulumi("up", "--refresh", "--run-program", code=FAILS)
    assert "it is another cluster" in refused.stdout
    (fix,) = re.findall(r"pulumi (config set clusterUid \S+)", refused.stdout)
    other.pulumi(*fix.split())
    other.command("preflight")
    other.up("--refresh", "--run-program")
    assert other.up().changes == {}
    assert_whole(other)
    assert not before & {o["metadata"]["uid"] for o in other.objects("namespaces")}
