"""The workflows' steps, run for real against the sandbox as a self-hosted runner would run them."""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sandbox import tools
from sandbox.layout import ROOT
from tests.engine.conftest import Answer, Engine, flux_reports
from tests.github_job import Job

ENVIRONMENT = "ryan-taylor/default/oceanid-cluster"
INSTALLING = ("Make a virtual environment", "Install the program's packages", "Use them from here on")
PULUMI_TOKEN = "pul-canary-access-token"


def log_in(job: Job, given: Mapping[str, str]) -> None:
    """``pulumi/auth-actions``: a token for the steps that follow."""
    assert given["organization"] == "ryan-taylor"
    job.environ["PULUMI_ACCESS_TOKEN"] = PULUMI_TOKEN


def install(_: Job, given: Mapping[str, str]) -> None:
    """``pulumi/actions`` without a command: the CLI, which must be the one that we test with."""
    assert "command" not in given
    assert given["pulumi-version"] == tools.PULUMI


ACTIONS = {
    "actions/checkout": lambda *_: None, "pulumi/auth-actions": log_in, "pulumi/actions": install,
}  # fmt: skip


def make_job(engine: Engine, workflow: str, temp: Path, world: Mapping[str, Any], **variables: str) -> Job:
    """A job on a self-hosted runner whose ESC holds ``world``, and whose kubeconfig comes from nowhere else."""
    stand_ins = temp / "bin"
    stand_ins.mkdir(parents=True, exist_ok=True)
    for name, script in (("pulumi", "esc"), ("gh", "gh")):
        tools.script(stand_ins / name, f'exec "{sys.executable}" "{ROOT}/tests/stand_ins/{script}.py" "$@"')
    esc = temp / "esc.json"
    esc.write_text(json.dumps(world), encoding="utf-8")
    environ = engine.environment()
    del environ["KUBECONFIG"], environ["PULUMI_PYTHON_CMD"]
    environ |= {
        "PATH": f"{stand_ins}:{environ['PATH']}",
        "REAL_PULUMI": str(engine.sandbox.bin / "pulumi"),
        "ESC_STAND_IN": str(esc),
        "STACK": "sandbox",
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "RUNNER_ENVIRONMENT": "self-hosted",
        **variables,
    }
    return Job(workflow, engine.folder, temp / "runner", environ, ACTIONS)


def holding(value: object) -> dict[str, Any]:
    """An ESC environment with a kubeconfig in it."""
    return {"environments": {ENVIRONMENT: {"pulumiConfig": {"oceanid-cluster:kubeconfig": value}}}}


def kubeconfig_of(engine: Engine) -> str:
    return engine.sandbox.kubeconfig.read_text(encoding="utf-8")


def test_a_deploy_previews_applies_checks_health_and_leaves_no_kubeconfig(clean: Engine, tmp_path: Path) -> None:
    flux_reports(clean)
    clean.configure("cloudflareTunnelReplicas", "3")
    job = make_job(clean, "deploy-cluster.yml", tmp_path, holding(kubeconfig_of(clean)))
    steps = job.run()
    shown = "".join(f"{step.name}: {step.outcome}\n{step.output}" for step in job.steps)
    assert {step.outcome for step in job.steps} == {"success"}, shown
    assert "1 updated" in steps["Up"].output.replace("~ ", "")
    assert "deployment/cloudflared" in steps["Health gate"].output
    assert "3/3" in steps["Health gate"].output
    assert not (tmp_path / "runner" / "kubeconfig.yaml").exists()
    assert not (tmp_path / "runner" / "plan.json").exists()
    summary = (tmp_path / "runner" / "github_step_summary").read_text(encoding="utf-8")
    assert "### Preview of sandbox" in summary
    assert "cloudflare-deployment" in summary
    token = json.loads(kubeconfig_of(clean))["users"][0]["user"]["token"]
    for secret in (token, PULUMI_TOKEN):
        assert secret not in shown + summary


def test_without_the_key_the_runners_own_kubeconfig_counts(engine: Engine, tmp_path: Path) -> None:
    world = {"environments": {ENVIRONMENT: {"pulumiConfig": {}}}}
    own = str(engine.sandbox.kubeconfig)
    job = make_job(engine, "deploy-cluster.yml", tmp_path, world, KUBECONFIG=own)
    steps = job.run(without=INSTALLING, until="Preflight")
    assert f"using the runner's KUBECONFIG: {own}" in steps["Get the kubeconfig"].output
    assert steps["Preflight"].outcome == "success", steps["Preflight"].output
    assert f"{own} leads to" in steps["Preflight"].output


def test_the_kubeconfig_is_for_the_runners_user_alone(engine: Engine, tmp_path: Path) -> None:
    job = make_job(engine, "deploy-cluster.yml", tmp_path, holding(kubeconfig_of(engine)))
    kept = "Remove the kubeconfig and the plan"
    steps = job.run(without=(*INSTALLING, kept), until="Get the kubeconfig")
    assert steps["Get the kubeconfig"].outcome == "success"
    written = tmp_path / "runner" / "kubeconfig.yaml"
    assert job.environ["KUBECONFIG"] == str(written)
    assert written.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("world", "words"),
    [
        ({"environments": {ENVIRONMENT: {}}}, "has no key 'pulumiConfig.oceanid-cluster:kubeconfig'"),
        ({"environments": {}}, "could not ask ESC"),
        ({"outcome": "unavailable"}, "could not ask ESC"),
        ({"outcome": "diagnostics"}, "unknown provider"),
        (holding("[secret]"), "placeholder [secret]"),
        (holding("[unknown]"), "placeholder [unknown]"),
        (holding(""), "is empty"),
        (holding("canary-in-no-kubeconfig"), "is no kubeconfig"),
    ],
    ids=["absent", "no environment", "unavailable", "broken definition", "secret", "unknown", "empty", "other text"],
)
def test_no_deploy_starts_without_a_real_kubeconfig(
    engine: Engine, tmp_path: Path, world: dict[str, Any], words: str
) -> None:
    job = make_job(engine, "deploy-cluster.yml", tmp_path, world)
    steps = job.run(without=INSTALLING)
    assert steps["Get the kubeconfig"].outcome == "failure"
    assert words in steps["Get the kubeconfig"].output
    assert "canary" not in steps["Get the kubeconfig"].output
    assert "Traceback" not in steps["Get the kubeconfig"].output
    assert {steps[name].outcome for name in ("Preflight", "Preview", "Up", "Health gate")} == {"skipped"}
    assert steps["Remove the kubeconfig and the plan"].outcome == "success"


def test_could_not_ask_does_not_fall_back_to_the_runners_kubeconfig(engine: Engine, tmp_path: Path) -> None:
    own = str(engine.sandbox.kubeconfig)
    job = make_job(engine, "deploy-cluster.yml", tmp_path, {"outcome": "unavailable"}, KUBECONFIG=own)
    assert job.run(without=INSTALLING)["Get the kubeconfig"].outcome == "failure"


def test_on_a_runner_of_githubs_nothing_is_changed(engine: Engine, tmp_path: Path) -> None:
    world = holding(kubeconfig_of(engine))
    job = make_job(engine, "deploy-cluster.yml", tmp_path, world, RUNNER_ENVIRONMENT="github-hosted")
    steps = job.run(without=INSTALLING)
    assert "CLUSTER STACK CANNOT RUN IN GITHUB ACTIONS" in steps["Preview"].output
    assert steps["Up"].outcome == "skipped"
    assert not (tmp_path / "runner" / "kubeconfig.yaml").exists()


def test_up_refuses_what_the_preview_did_not_show(clean: Engine, tmp_path: Path) -> None:
    plan = str(tmp_path / "plan.json")

    def step(name: str) -> Answer:
        return clean.command("workflow", name, "--stack", "sandbox", "--plan", plan)

    clean.configure("cloudflareTunnelReplicas", "3")
    assert step("preview").returncode == 0
    kept = (tmp_path / "plan.json").read_text(encoding="utf-8")
    assert json.loads(kubeconfig_of(clean))["users"][0]["user"]["token"] not in kept
    clean.configure("gitRepositoryIntervalSeconds", "90")
    answer = step("up")
    assert answer.returncode == 1
    assert "gitops-git-repo" in answer.stdout
    assert "Traceback" not in answer.stderr
    assert clean.state()["gitops-git-repo"]["inputs"]["spec"]["interval"] == "60s"


def test_drift_is_one_issue_that_opens_is_kept_up_to_date_and_closes(clean: Engine, tmp_path: Path) -> None:
    issues = tmp_path / "issues.json"
    title = "Drift: the cluster differs from the program"
    somebody = {"app": "", "state": "open", "title": title, "body": "not ours"}
    issues.write_text(json.dumps([somebody]), encoding="utf-8")

    def compare() -> list[dict[str, str]]:
        world = holding(kubeconfig_of(clean))
        job = make_job(clean, "drift.yml", tmp_path, world, GH_STAND_IN=str(issues))
        steps = job.run(without=INSTALLING)
        assert {step.outcome for step in job.steps} <= {"success", "skipped"}, steps
        known, *ours = json.loads(issues.read_text(encoding="utf-8"))
        assert known == somebody
        return ours

    assert compare() == []
    clean.kubectl("-n", "cloudflared", "scale", "deployment", "cloudflared", "--replicas=1")
    (issue,) = compare()
    assert issue["state"] == "open"
    assert "cloudflare-deployment" in issue["body"]
    clean.kubectl("-n", "apps", "delete", "service", "ls-triton-adapter")
    (issue,) = compare()
    assert "ls-triton-adapter-svc" in issue["body"]
    assert "cloudflare-deployment" in issue["body"]
    clean.up("--refresh")
    (issue,) = compare()
    assert issue["state"] == "closed"


def test_a_comparison_that_fails_touches_no_issue(engine: Engine, tmp_path: Path) -> None:
    issues = tmp_path / "issues.json"
    issues.write_text("[]", encoding="utf-8")
    elsewhere = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:1", kubeconfig_of(engine))
    job = make_job(engine, "drift.yml", tmp_path, holding(elsewhere), GH_STAND_IN=str(issues))
    steps = job.run(without=INSTALLING)
    assert steps["Compare, and keep the issue"].outcome == "failure"
    assert "cannot reach the Kubernetes API server" in steps["Compare, and keep the issue"].output
    assert issues.read_text(encoding="utf-8") == "[]"
