"""The workflows as files: what may run where, with which rights, and pinned to what."""

import re
from typing import Any

import pytest

from sandbox import tools
from sandbox.layout import ROOT
from tests.github_job import WORKFLOWS, load

NAMES = sorted(path.name for path in WORKFLOWS.glob("*.yml"))


def steps(name: str) -> list[dict[str, Any]]:
    return [step for job in load(name)["jobs"].values() for step in job["steps"]]


def test_there_are_the_three_workflows() -> None:
    assert NAMES == ["ci.yml", "deploy-cluster.yml", "drift.yml"]


@pytest.mark.parametrize("name", NAMES)
def test_every_action_is_pinned_to_a_commit_with_its_version_beside_it(name: str) -> None:
    text = (WORKFLOWS / name).read_text(encoding="utf-8")
    used = re.findall(r"uses: (.*)", text)
    assert used
    for one in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one), one


@pytest.mark.parametrize("name", NAMES)
def test_every_job_has_the_least_rights_and_keeps_no_credentials(name: str) -> None:
    document = load(name)
    assert document["permissions"] == {}
    for job in document["jobs"].values():
        rights = {right: level for right, level in job["permissions"].items() if right != "id-token"}
        assert rights in ({"contents": "read"}, {"contents": "read", "issues": "write"})
    for step in steps(name):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"] == {"persist-credentials": False}


@pytest.mark.parametrize("name", NAMES)
def test_every_step_is_one_line_into_which_nothing_is_pasted(name: str) -> None:
    lines = [step["run"] for step in steps(name) if "run" in step]
    assert lines
    assert not [line for line in lines if "\n" in line.strip() or "${{" in line]


@pytest.mark.parametrize("name", NAMES)
def test_a_pull_request_never_reaches_the_self_hosted_runner(name: str) -> None:
    document = load(name)
    triggers = set(document["on"])
    hosts = [job["runs-on"] for job in document["jobs"].values()]
    if any(trigger.startswith("pull_request") for trigger in triggers):
        assert triggers == {"push", "pull_request"}  # pull_request_target would run with our rights
        assert hosts == ["ubuntu-24.04"]
    else:
        assert all(job["if"] == "github.ref == 'refs/heads/main'" for job in document["jobs"].values())


def test_a_running_deploy_is_never_cancelled_and_there_is_one_at_a_time() -> None:
    assert load("deploy-cluster.yml")["concurrency"] == {"group": "deploy-cluster", "cancel-in-progress": False}


def test_a_change_of_the_program_or_of_its_locks_is_deployed() -> None:
    paths = load("deploy-cluster.yml")["on"]["push"]["paths"]
    assert {"__main__.py", "oceanid_cluster/**", "requirements.txt", "Pulumi.yaml", "Pulumi.prod.yaml"} < set(paths)
    for path in paths:
        assert (ROOT / path.removesuffix("/**")).exists(), path


def test_the_steps_run_the_pinned_cli() -> None:
    assert f"pulumi=={tools.PULUMI} " in (ROOT / "requirements.txt").read_text(encoding="utf-8")
    for name in ("deploy-cluster.yml", "drift.yml"):
        (version,) = [
            step["with"]["pulumi-version"] for step in steps(name) if "pulumi/actions@" in step.get("uses", "")
        ]
        assert version == tools.PULUMI
