"""The workflows' steps, run for real against the sandbox as a self-hosted runner would run them."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from oceanid_cluster.commands.redact import HIDDEN
from oceanid_cluster.commands.workflow import TITLE
from sandbox import tools
from sandbox.layout import ROOT
from tests.engine.engine import Engine, flux_reports
from tests.engine.prepared import bare_cluster
from tests.engine.test_secrets import CANARIES, MARK, canary, configure_secrets, forms, leaks, tunnel_secret
from tests.github_job import Job, Step, load

# Not configured, so that they are generated.
CONFIGURED = {
    name: value for name, value in CANARIES.items() if name not in ("labelStudioAdminPassword", "labelStudioSecretKey")
}
ENVIRONMENT = "ryan-taylor/default/oceanid-cluster"
INSTALLING = ("Make a virtual environment", "Install the program's packages", "Use them from here on")
ENV = "spec.template.spec.containers[0].env"
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
    fakes = temp / "bin"
    fakes.mkdir(parents=True, exist_ok=True)
    for name, script in (("pulumi", "esc"), ("gh", "gh")):
        tools.script(fakes / name, f'exec "{sys.executable}" "{ROOT}/tests/fakes/{script}.py" "$@"')
    esc = temp / "esc.json"
    esc.write_text(json.dumps(world), encoding="utf-8")
    environ = engine.environment()
    del environ["KUBECONFIG"], environ["PULUMI_PYTHON_CMD"]
    environ |= {
        "PATH": f"{fakes}:{environ['PATH']}",
        "REAL_PULUMI": str(engine.sandbox.bin / "pulumi"),
        "ESC_FAKE": str(esc),
        "PULUMI_STACK": "sandbox",
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


def secrets_of(engine: Engine) -> dict[str, set[bytes]]:
    """Every secret that a deploy has to do with, in all its forms: configured, generated, and of the kubeconfig."""
    found = {name: forms(value) for name, value in CONFIGURED.items()}
    found |= {f"{name} (its inner secret)": forms(tunnel_secret(name)) for name in ("tunnel", "node tunnel")}
    found |= {"postgres password": forms(canary("postgres")), "any canary": {MARK.encode()}}
    found["ssh key (its lines)"] = {line.encode() for line in CONFIGURED["flux.ssh_private_key"].splitlines()[1:-1]}
    found["kubeconfig token"] = forms(json.loads(kubeconfig_of(engine))["users"][0]["user"]["token"])
    found["Pulumi token"] = forms(PULUMI_TOKEN)
    exported = json.loads(engine.pulumi("stack", "export", "--show-secrets").stdout)["deployment"]["resources"]
    generated = {one["urn"].rpartition("::")[2]: one for one in exported if "RandomPassword" in one["type"]}
    assert {"label-studio-secret-key", "rollout-key"} <= generated.keys()
    return found | {name: forms(json.loads(one["outputs"]["result"]["plaintext"])) for name, one in generated.items()}


def leaks_of(job: Job, engine: Engine) -> list[str]:
    """What a job shows of a secret, in its log, its summary, and the files that it left behind."""
    secrets = secrets_of(engine)
    found = leaks("log", job.log.encode(), secrets) + leaks("summary", job.summary.encode(), secrets)
    searched = 0
    for place in (job.temp, engine.folder, *(engine.sandbox.home / name for name in ("state", "log", "tmp", "pulumi"))):
        for folder, _, names in os.walk(place):
            if Path(folder).is_relative_to(job.temp / "venv"):
                continue  # what was installed before the job had a secret
            for path in (Path(folder, name) for name in names):
                if path.is_file() and not path.is_symlink() and path.stat().st_size < 50_000_000:
                    found += leaks(str(path), path.read_bytes(), secrets)
                    searched += 1
    assert searched > 5
    return found


def flux_gets_ready(engine: Engine) -> Callable[[], None]:
    """Flux's controllers do their work while the health gate waits: nothing runs inside their pods here."""
    return lambda: flux_reports(engine)


def test_a_deploy_on_a_bare_cluster_succeeds_at_once_and_shows_no_secret(tmp_path: Path) -> None:
    with bare_cluster(tmp_path) as bare:
        configure_secrets(bare, CONFIGURED)
        job = make_job(bare, "deploy-cluster.yml", tmp_path / "job", holding(kubeconfig_of(bare)))
        job.during = {"Health gate": flux_gets_ready(bare)}
        steps = job.run(without=INSTALLING)
        assert {step.outcome for step in job.steps} == {"success", "skipped"}, job.log
        assert "create" in steps["Preview"].output
        assert "deployment/cloudflared" in steps["Health gate"].output
        assert "### Preview of sandbox: " in job.summary
        assert "+ create apps/v1 Deployment cloudflare-deployment" in job.summary
        assert "### Update of sandbox: " in job.summary
        assert leaks_of(job, bare) == []
        assert [step.name for step in job.steps if step.commands] == []
        assert not list(job.temp.glob("kubeconfig*"))


def test_the_workflow_installs_what_the_program_needs(engine: Engine, tmp_path: Path) -> None:
    job = make_job(engine, "deploy-cluster.yml", tmp_path, {"outcome": "unavailable"})
    steps = job.run()
    assert {steps[name].outcome for name in INSTALLING} == {"success"}, job.log
    assert job.environ["PATH"].startswith(f"{job.temp}/venv/bin:")
    assert (job.temp / "venv" / "lib").exists()


# The API server itself says what is in the Secret that it refuses: an error message that holds a secret.
TELLTALE = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: telltale}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
      - {apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [secrets]}
  matchConditions:
    - {name: ours, expression: "object.metadata.name == '@REFUSED'"}
    - {name: not-in-the-preview, expression: "!(has(request.dryRun) && request.dryRun)"}
  validations:
    - expression: "!has(object.data)"
      messageExpression: "'refused: ' + object.data.map(key, key + ':' + string(object.data[key])).join(' ')"
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: telltale}
spec: {policyName: telltale, validationActions: [Deny]}
"""
PROBE = """
{apiVersion: v1, kind: Secret, metadata: {name: @REFUSED, namespace: default}, data: {a: YQ==}}
"""


@pytest.mark.parametrize(
    ("refused", "key"),  # generated values, and a configured one: the first refusal ends a run
    [("labelstudio-app-credentials", "admin-password"), ("labelstudio-db-credentials", "POSTGRE_PASSWORD")],
)
def test_a_first_deploy_that_fails_half_way_shows_no_secret_and_is_run_again(
    tmp_path: Path, refused: str, key: str
) -> None:
    telltale, probe = TELLTALE.replace("@REFUSED", refused), PROBE.replace("@REFUSED", refused)
    with bare_cluster(tmp_path) as bare:
        configure_secrets(bare, CONFIGURED)
        # A Deployment whose ServiceAccount the refusal came before never gets ready: a minute, here (test_crash.py).
        bare.configure("readyTimeoutMinutes", "1")
        bare.kubectl("apply", "-f", "-", stdin=telltale)
        probed(bare, probe, accepted=False)
        job = make_job(bare, "deploy-cluster.yml", tmp_path / "job", holding(kubeconfig_of(bare)))
        steps = job.run(without=INSTALLING)
        assert steps["Preflight"].outcome == "success", job.log
        assert steps["Preview"].outcome == "success", job.log
        assert "+ create apps/v1 Deployment cloudflare-deployment" in job.summary
        assert steps["Up"].outcome == "failure"
        assert f"{key}:{HIDDEN}" in steps["Up"].output
        assert "refused: " in job.summary
        assert steps["Health gate"].outcome == "skipped"
        assert leaks_of(job, bare) == []
        assert not list(job.temp.glob("kubeconfig*"))
        bare.kubectl("delete", "-f", "-", stdin=telltale)
        probed(bare, probe, accepted=True)
        bare.configure("readyTimeoutMinutes", None)
        again = make_job(bare, "deploy-cluster.yml", tmp_path / "again", holding(kubeconfig_of(bare)))
        again.during = {"Health gate": flux_gets_ready(bare)}
        steps = again.run(without=(*INSTALLING, "Preview"))
        assert {step.outcome for step in again.steps} == {"success", "skipped"}, again.log
        assert "### Update of sandbox: " in again.summary
        assert "deployment/cloudflared" in steps["Health gate"].output
        assert leaks_of(again, bare) == []


def probed(engine: Engine, probe: str, *, accepted: bool) -> None:
    """Create the object ``probe`` until the API server has taken notice of the policy, or of its end."""
    kubectl, environment = engine.sandbox.bin / "kubectl", engine.environment("kubectl")
    answer = None
    for _ in range(300):
        answer = subprocess.run(
            [kubectl, "create", "-f", "-"], env=environment, input=probe, text=True, capture_output=True, check=False
        )
        if answer.returncode == 0:
            engine.kubectl("delete", "-f", "-", stdin=probe)
        if (answer.returncode == 0) == accepted:
            return
    raise AssertionError(answer)


def step_of(engine: Engine, temp: Path, name: str, kubeconfig: str = "") -> Step:
    """One step of a deploy, with those that it needs."""
    job = make_job(engine, "deploy-cluster.yml", temp, holding(kubeconfig or kubeconfig_of(engine)))
    others = [step["name"] for step in load("deploy-cluster.yml")["jobs"]["deploy"]["steps"] if "run" in step]
    needed = ("Keep temporary files together", "Get the kubeconfig", "Remove the kubeconfig", name)
    return job.run(without=tuple(other for other in others if other not in needed))[name]


def test_without_the_key_the_runners_own_kubeconfig_is_used(engine: Engine, tmp_path: Path) -> None:
    world = {"environments": {ENVIRONMENT: {"pulumiConfig": {}}}}
    own = str(engine.sandbox.kubeconfig)
    job = make_job(engine, "deploy-cluster.yml", tmp_path, world, KUBECONFIG=own)
    steps = job.run(without=INSTALLING, until="Preflight")
    assert f"using the runner's KUBECONFIG: {own}" in steps["Get the kubeconfig"].output
    assert steps["Preflight"].outcome == "success", steps["Preflight"].output
    assert f"{own} leads to" in steps["Preflight"].output


def test_the_kubeconfig_is_for_the_runners_user_alone(engine: Engine, tmp_path: Path) -> None:
    job = make_job(engine, "deploy-cluster.yml", tmp_path, holding(kubeconfig_of(engine)))
    kept = "Remove the kubeconfig"
    steps = job.run(without=(*INSTALLING, kept), until="Get the kubeconfig")
    assert steps["Get the kubeconfig"].outcome == "success"
    written = tmp_path / "runner" / "kubeconfig.yaml"
    assert job.environ["KUBECONFIG"] == str(written)
    assert written.stat().st_mode & 0o777 == 0o600


def test_no_deploy_starts_without_a_real_kubeconfig(engine: Engine, tmp_path: Path) -> None:
    """One answer of ESC; tests/commands/test_workflow.py has the others."""
    job = make_job(engine, "deploy-cluster.yml", tmp_path, holding("canary-in-no-kubeconfig"))
    steps = job.run(without=INSTALLING)
    assert steps["Get the kubeconfig"].outcome == "failure"
    assert "is not a kubeconfig, or was not decrypted" in steps["Get the kubeconfig"].output
    assert "canary" not in steps["Get the kubeconfig"].output
    assert "Traceback" not in steps["Get the kubeconfig"].output
    assert {steps[name].outcome for name in ("Preflight", "Preview", "Up", "Health gate")} == {"skipped"}
    assert steps["Remove the kubeconfig"].outcome == "success"


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


def test_a_kubeconfigs_content_in_the_variable_is_refused_and_not_shown(engine: Engine, tmp_path: Path) -> None:
    world = {"environments": {ENVIRONMENT: {"pulumiConfig": {}}}}
    content = kubeconfig_of(engine)
    job = make_job(engine, "deploy-cluster.yml", tmp_path, world, KUBECONFIG=content)
    steps = job.run(without=INSTALLING)
    assert steps["Get the kubeconfig"].outcome == "failure"
    assert "It must be a path" in steps["Get the kubeconfig"].output
    assert {steps[name].outcome for name in ("Preflight", "Preview", "Up", "Health gate")} == {"skipped"}
    for command in ("preflight", "health", "plan", "drift", "workflow preview", "workflow up", "workflow watch"):
        answer = engine.command(*command.split(), "--stack", "sandbox", KUBECONFIG=content, GITHUB_ACTIONS="true")
        assert answer.returncode != 0, command
        job.steps.append(Step(command, "failure", answer.stdout + answer.stderr))
    token = json.loads(content)["users"][0]["user"]["token"]
    assert leaks("log", job.log.encode(), {"token": forms(token)}) == []
    assert "Traceback" not in job.log


def issues_in(file: Path, *known: dict[str, Any]) -> list[dict[str, Any]]:
    """The issues that are not the known ones, which must be as they were."""
    issues = json.loads(file.read_text(encoding="utf-8"))
    assert issues[: len(known)] == [*known]
    return issues[len(known) :]


OPERATOR, IN_THE_RELEASE = "pulumi-system", "pulumi-kubernetes-operator"
SOMEBODYS = {
    "author": {"login": "somebody", "id": "U_1"}, "state": "open", "title": TITLE.format(stack="sandbox"), "body": "",
    "comments": [],
}  # fmt: skip


def edit_by_hand(engine: Engine) -> dict[str, Any]:
    """What somebody deletes and edits; returns a CRD of the operator that is then missing."""
    engine.kubectl("-n", "apps", "delete", "deployment/ls-triton-adapter", "secret/labelstudio-app-credentials")
    engine.kubectl("-n", "cloudflared", "scale", "deployment", "cloudflared", "--replicas=0")
    patch = json.dumps({"data": {"config.yaml": "edited"}})
    engine.kubectl("-n", "cloudflared", "patch", "configmap", "cloudflared-config", "--type=merge", "-p", patch)
    crd: dict[str, Any] = json.loads(engine.kubectl("get", "crd", "programs.pulumi.com", "-o", "json"))
    deployment = f"deployment/{IN_THE_RELEASE}-controller-manager"
    engine.kubectl("-n", OPERATOR, "scale", deployment, "--replicas=0")
    engine.kubectl("-n", OPERATOR, "set", "env", deployment, "ADDED=by-hand")
    engine.kubectl("delete", "clusterrole", f"{IN_THE_RELEASE}-view")
    engine.kubectl("delete", "crd", "programs.pulumi.com")
    return crd


def repair_the_release(engine: Engine, crd: dict[str, Any]) -> None:
    """As the runbook says: what was added is taken out, Helm rolls back to where it is, and the CRDs are applied."""
    engine.kubectl("-n", OPERATOR, "set", "env", f"deployment/{IN_THE_RELEASE}-controller-manager", "ADDED-")
    engine.helm("-n", OPERATOR, "rollback", IN_THE_RELEASE, "1")
    metadata = {"name": crd["metadata"]["name"], "labels": crd["metadata"].get("labels", {})}
    manifest = {"apiVersion": crd["apiVersion"], "kind": crd["kind"], "metadata": metadata, "spec": crd["spec"]}
    # As Helm's client in the provider writes it: other tests look for that manager.
    manager = "--field-manager=pulumi-resource-kubernetes"
    engine.kubectl("apply", "--server-side", manager, "-f", "-", stdin=json.dumps(manifest))


def test_what_somebody_changed_is_one_issue_a_deploy_shows_and_repairs_it_and_the_issue_is_closed(
    clean: Engine, tmp_path: Path
) -> None:
    file = tmp_path / "issues.json"
    file.write_text(json.dumps([SOMEBODYS]), encoding="utf-8")

    def compare() -> dict[str, Any]:
        """The issue that the comparison keeps."""
        job = make_job(clean, "watch.yml", tmp_path, holding(kubeconfig_of(clean)), GH_FAKE=str(file))
        job.run(without=INSTALLING)
        assert {step.outcome for step in job.steps} <= {"success", "skipped"}, job.log
        (issue,) = issues_in(file, SOMEBODYS)
        return issue

    crd = edit_by_hand(clean)
    flux_reports(clean, ready=False, message="kustomize build failed: no such file")
    issue = compare()
    assert issue["state"] == "open"
    assert "not ready: FluxBootstrap -n flux-system kustomization/flux-system: kustomize build failed" in issue["body"]
    assert "update apps/v1 Deployment cloudflare-deployment (spec.replicas)" in issue["body"]
    assert "missing core/v1 Secret label-studio-app-secret" in issue["body"]
    assert f"apps/v1 Deployment {OPERATOR}/{IN_THE_RELEASE}-controller-manager" in issue["body"]
    for path in (
        "spec.replicas",
        ENV,
        f"ClusterRole {IN_THE_RELEASE}-view",
        "CustomResourceDefinition programs.pulumi.com",
    ):
        assert path in issue["body"]
    clean.configure("cloudflareTunnelReplicas", "3")
    wanted = [
        "+ create apps/v1 Deployment ls-triton-adapter-deploy (it is not in the cluster any more)",
        "+ create core/v1 Secret label-studio-app-secret (it is not in the cluster any more)",
        "~ update apps/v1 Deployment cloudflare-deployment",
        "~ update core/v1 ConfigMap cloudflare-config",
        "    spec.replicas: 0 -> 3",
        '    data["config.yaml"]',
    ]
    preview = step_of(clean, tmp_path / "1", "Preview")
    assert set(wanted) <= set(preview.output.splitlines())
    assert len(preview.output.splitlines()) <= len(wanted) + 4
    assert "spec.replicas: 0 -> 3" in preview.summary
    repair_the_release(clean, crd)
    assert step_of(clean, tmp_path / "2", "Up").outcome == "success"
    names = {(one["kind"], one["metadata"]["name"]) for one in clean.objects("deployments", "secrets")}
    assert {("Deployment", "ls-triton-adapter"), ("Secret", "labelstudio-app-credentials")} <= names
    assert "edited" not in clean.kubectl("-n", "cloudflared", "get", "configmap", "cloudflared-config", "-o", "yaml")
    flux_reports(clean)
    assert compare()["state"] == "closed"


def test_a_preview_of_nothing_is_one_line(clean: Engine, tmp_path: Path) -> None:
    """Where the kubeconfig is another one for the same credentials, too."""
    rotated = json.loads(kubeconfig_of(clean))
    rotated["users"][0]["user"]["client-key-data"] = ""
    preview = step_of(clean, tmp_path, "Preview", json.dumps(rotated))
    assert len(preview.output.splitlines()) <= 2
    assert "nothing to change" in preview.output


def test_could_not_compare_is_neither_drift_nor_none(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "elsewhere"
    file.write_text(re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:1", kubeconfig_of(engine)), encoding="utf-8")
    answer = engine.command("drift", "--stack", "sandbox", KUBECONFIG=str(file))
    assert answer.returncode == 2
    assert "drift: error: the preview failed" in answer.stderr


def test_a_comparison_that_fails_touches_no_issue(engine: Engine, tmp_path: Path) -> None:
    issues = tmp_path / "issues.json"
    issues.write_text("[]", encoding="utf-8")
    elsewhere = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:1", kubeconfig_of(engine))
    job = make_job(engine, "watch.yml", tmp_path, holding(elsewhere), GH_FAKE=str(issues))
    steps = job.run(without=INSTALLING)
    assert steps["Compare and look, and keep the issue"].outcome == "failure"
    assert "cannot reach the Kubernetes API server" in steps["Compare and look, and keep the issue"].output
    assert issues.read_text(encoding="utf-8") == "[]"
