"""The workflows as files: what may run where, and with which rights.

zizmor (``make lint``) checks that every action is pinned, that a workflow has no rights beside those of its jobs, that
no checkout keeps credentials, and that no trigger runs foreign code with our rights.
"""

import re
from typing import Any

import pytest

from oceanid_cluster.components.settings import all_keys
from sandbox import tools
from sandbox.layout import ROOT
from tests.github_job import WORKFLOWS, load

NAMES = sorted(path.name for path in WORKFLOWS.glob("*.yml"))


def steps(name: str) -> list[dict[str, Any]]:
    return [step for job in load(name)["jobs"].values() for step in job["steps"]]


def test_a_job_has_no_more_rights_than_it_uses() -> None:
    for name in NAMES:
        for job in load(name)["jobs"].values():
            rights = {right: level for right, level in job["permissions"].items() if right != "id-token"}
            assert rights in ({"contents": "read"}, {"contents": "read", "issues": "write"})


def test_a_pull_request_never_reaches_the_self_hosted_runner() -> None:
    for name in NAMES:
        document = load(name)
        for job in document["jobs"].values():
            if "pull_request" in document["on"]:
                assert job["runs-on"] == "ubuntu-24.04"
            else:
                assert job["if"] == "github.ref == 'refs/heads/main'"


def test_the_diff_of_a_pull_request_runs_its_code_without_any_token() -> None:
    (job,) = load("diff.yml")["jobs"].values()
    assert job["permissions"] == {"contents": "read"}
    assert job["steps"][0]["with"]["fetch-depth"] == 2  # the merge, and what it is merged into
    assert job["steps"][-1]["env"] == {"BASE": "HEAD^1"}
    text = (WORKFLOWS / "diff.yml").read_text(encoding="utf-8")
    assert not re.search(r"secrets\.|github\.token|GITHUB_TOKEN|GH_TOKEN", text)


def test_deploys_and_comparisons_wait_for_each_other_and_none_is_cancelled() -> None:
    for name in ("deploy-cluster.yml", "watch.yml"):
        document = load(name)
        assert "concurrency" not in document  # a run on another branch would enter the group, and push out a deploy
        (job,) = document["jobs"].values()
        group = {"group": "cluster-${{ matrix.stack }}", "cancel-in-progress": False, "queue": "max"}
        assert job["concurrency"] == group


def test_a_cluster_is_one_line_in_the_matrix_of_both_workflows() -> None:
    deploy, watch = (next(iter(load(name)["jobs"].values())) for name in ("deploy-cluster.yml", "watch.yml"))
    assert deploy["strategy"] == watch["strategy"]
    assert deploy["strategy"]["fail-fast"] is False
    assert [cluster["stack"] for cluster in deploy["strategy"]["matrix"]["include"]] == [
        path.name.split(".")[1]
        for path in ROOT.glob("Pulumi.*.yaml")
        if path.name not in ("Pulumi.sandbox.yaml", "Pulumi.example.yaml")
    ]
    assert deploy["env"] == watch["env"]


def test_a_deploy_that_waits_as_long_as_it_may_is_not_killed() -> None:
    longest, chain = 60, 5  # minutes; __main__.py: Flux, the operator, the tunnel, Label Studio, the adapter
    (row,) = [row for row in all_keys() if row.name == "readyTimeoutMinutes"]
    with pytest.raises(ValueError, match=str(longest)):
        row.parse(str(longest + 1))
    (deploy,) = load("deploy-cluster.yml")["jobs"].values()
    (gate,) = [step["run"] for step in deploy["steps"] if "oceanid_cluster health" in step.get("run", "")]
    waits = longest * chain + int(gate.rpartition(" ")[2]) / 60
    assert deploy["timeout-minutes"] >= waits + 60
    (login,) = [step["with"] for step in deploy["steps"] if "auth-actions" in step.get("uses", "")]
    assert login["token-expiration"] >= deploy["timeout-minutes"] * 60


@pytest.mark.parametrize("name", ["deploy-cluster.yml", "watch.yml"])
def test_nothing_is_installed_with_the_pulumi_token_and_all_else_is_removed(name: str) -> None:
    names = [step["name"] for step in steps(name)]
    assert names.index("Install the program's packages") < names.index("Log in to Pulumi Cloud")
    assert names.index("Keep temporary files together") < names.index("Get the kubeconfig")
    last = steps(name)[-1]
    assert last["if"] == "always()"
    assert last["run"] == 'rm -f -- "$RUNNER_TEMP"/kubeconfig*'


def test_no_step_hides_how_it_ended() -> None:
    for name in NAMES:
        for step in steps(name):
            assert "continue-on-error" not in step
            assert "|| true" not in step.get("run", "")
            assert "shell" not in step


def test_a_change_of_the_program_or_of_its_locks_is_deployed() -> None:
    paths = load("deploy-cluster.yml")["on"]["push"]["paths"]
    assert {"__main__.py", "oceanid_cluster/**", "requirements.txt", "Pulumi.yaml", "Pulumi.prod.yaml"} < set(paths)
    for path in paths:
        assert (ROOT / path.removesuffix("/**")).exists(), path


def test_the_steps_run_the_pinned_cli() -> None:
    assert f"pulumi=={tools.PULUMI} " in (ROOT / "requirements.txt").read_text(encoding="utf-8")
    for name in ("deploy-cluster.yml", "watch.yml"):
        (step,) = [step for step in steps(name) if "pulumi/actions@" in step.get("uses", "")]
        assert step["with"]["pulumi-version"] == tools.PULUMI
