"""What a change does to the cluster: two renders compared."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from oceanid_cluster.commands.render import Rendered
from sandbox.diff.compare import Change, compare, read
from sandbox.diff.report import as_text
from tests.recorded import ROOT

PLACE = "apps/Deployment.web"


def workload(image: str = "a:1", app: str = "web", kind: str = "Deployment") -> dict[str, Any]:
    containers = [{"name": "web", "image": image, "args": ["--a"]}]
    template = {"metadata": {"labels": {"app": app}}, "spec": {"containers": containers}}
    return {
        "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "web", "namespace": "apps"},
        "spec": {"selector": {"matchLabels": {"app": app}}, "template": template},
    }  # fmt: skip


def changes(before: dict[str, Any] | None, after: dict[str, Any] | None, **facts: str) -> list[Change]:
    old, new = ({PLACE: Rendered(one, facts)} if one else {} for one in (before, after))
    return compare(old, new)[0]


def meaning(before: dict[str, Any], after: dict[str, Any], **facts: str) -> tuple[str, ...]:
    (change,) = changes(before, after, **facts)
    assert change.operation == "changed"
    return change.meaning


def test_the_same_objects_are_not_a_change() -> None:
    assert changes(workload(), dict(reversed(workload().items()))) == []
    assert as_text("prod", *compare({}, {})) == "prod: nothing changes"


def test_what_a_change_means_for_the_cluster_is_said() -> None:
    (change,) = changes(workload("a:1"), workload("a:2"))
    assert [field.path for field in change.fields] == ["spec.template.spec.containers[web].image"]
    assert change.meaning == ("its pods are replaced",)
    assert meaning(workload(app="web"), workload(app="other")) == (
        "replaced instead of updated: spec.selector.matchLabels.app cannot change", "its pods are replaced",
    )  # fmt: skip
    refused = meaning(workload(app="web"), workload(app="other"), release="pko-helm")
    assert refused[0] == "refused: Helm cannot change spec.selector.matchLabels.app"
    assert changes(workload(), None)[0].meaning == ("deleted",)
    assert changes(workload(), None, retained="yes")[0].meaning[0].startswith("retained: it stays")
    assert changes(None, workload())[0].operation == "added"
    levels = [
        {"kind": "Namespace", "metadata": {"name": "x", "labels": {"pod-security.kubernetes.io/enforce": level}}}
        for level in ("baseline", "privileged")
    ]
    assert meaning(*levels) == ("its Pod Security level changes from baseline to privileged",)
    claims = [{"kind": "PersistentVolumeClaim", "metadata": {}, "spec": {"storageClassName": one}} for one in "ab"]
    (said,) = meaning(*claims, ignored="spec.storageClassName, spec.resources.requests.storage")
    assert said == "no effect on the one that is there (only a new one gets it): spec.storageClassName"
    crds = [{"kind": "CustomResourceDefinition", "metadata": {}, "spec": {"scope": one}} for one in "ab"]
    assert "Helm does not update CRDs" in meaning(*crds, ignored="spec", release="pko-helm")[0]


def test_a_chart_that_is_known_on_one_side_is_not_compared() -> None:
    known = {PLACE: Rendered(workload(), {"release": "pko-helm"})}
    unknown = {"x/Release.y": Rendered({"kind": "Release"}, {"unknown": "pko-helm"})}
    assert compare(known, unknown) == ([], ["pko-helm"])
    assert "chart pko-helm are known on one side only" in as_text("prod", [], ["pko-helm"])


def test_what_render_writes_is_read_with_its_facts(tmp_path: Path) -> None:
    (tmp_path / "apps").mkdir()
    text = f"# retained: yes\n# ignored: a, b\n{json.dumps(workload())}\n"
    (tmp_path / "apps" / "Deployment.web.yaml").write_text(text, encoding="utf-8")
    assert read(tmp_path) == {PLACE: Rendered(workload(), {"retained": "yes", "ignored": "a, b"})}
    assert read(tmp_path / "nowhere") == {}


class Repository:
    """A clone of the program, as it is here, in which a test commits changes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ignored = shutil.ignore_patterns(".*", "__pycache__", "docs", "tests")
        shutil.copytree(ROOT, folder, ignore=ignored, dirs_exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit()

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
        command = ["git", *identity, *arguments]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=True).stdout

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=x")

    def edit(self, path: str, before: str, after: str) -> None:
        text = (self.folder / path).read_text(encoding="utf-8")
        assert before in text
        (self.folder / path).write_text(text.replace(before, after), encoding="utf-8")

    def diff(self, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PATH": "/usr/bin:/bin", "PULUMI_OPTION_CWD": "/", **variables}
        command = [sys.executable, "-m", "sandbox.diff"]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_two_commits_are_rendered_each_by_its_own_code_and_nothing_stays(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    settings = "oceanid_cluster/components/node_tunnels/settings.py"
    repository.edit(settings, "node_rules", "rules_of_nodes")
    repository.edit("oceanid_cluster/components/settings.py", "node_rules", "rules_of_nodes")
    repository.commit()
    summary = tmp_path / "summary.md"
    refactored = repository.diff(BASE="HEAD^1", GITHUB_STEP_SUMMARY=str(summary))
    assert (refactored.returncode, refactored.stdout) == (0, "prod: nothing changes\n"), refactored.stderr
    assert refactored.stderr.startswith("diff: rendering prod, at both commits")
    assert summary.read_text(encoding="utf-8") == "### prod: nothing changes\n\n"

    repository.edit("Pulumi.prod.yaml", "config:", "config:\n  oceanid-cluster:exposeKubelet: true")
    repository.edit("oceanid_cluster/versions.yaml", "version: 2.9.0", "version: 2.10.0")
    repository.commit()
    changed = repository.diff(BASE="HEAD^1", GITHUB_STEP_SUMMARY=str(summary))
    assert changed.stdout.startswith("prod: 3 changed\n")
    assert "~ node-tunnels/DaemonSet.cloudflared-tunnel: its pods are replaced" in changed.stdout
    assert "    + - hostname: '*.pod.boathou.se'" in changed.stdout
    assert '    ! spec.version: "2.9.0" -> "2.10.0"' in changed.stdout
    told = summary.read_text(encoding="utf-8").partition("### prod: 3 changed\n\n")[2]
    assert told == f"~~~~diff\n{changed.stdout.partition(chr(10))[2]}~~~~\n\n"

    repository.edit("Pulumi.prod.yaml", "exposeKubelet: true", "exposeKubelet: perhaps")
    repository.commit()
    wrong = repository.diff(BASE="HEAD^1")
    assert wrong.returncode == 1
    assert "'exposeKubelet' is neither true nor false" in wrong.stdout

    same = repository.diff(BASE="HEAD")
    assert "both commits are the same; name another one" in same.stderr

    unknown = repository.diff(BASE="nowhere")
    assert unknown.returncode == 1
    assert "there is no commit 'nowhere' here" in unknown.stderr
    assert repository.git("status", "--porcelain") == ""
