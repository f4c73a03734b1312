"""The workflows' steps, run for real against the sandbox as a self-hosted runner would run them."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from oceanid_cluster.commands.redact import HIDDEN
from sandbox import tools
from sandbox.layout import ROOT
from tests.engine.engine import ANY, Engine, flux_reports, row
from tests.engine.test_secrets import CANARIES, configure_secrets, forms, leaks, secrets_of
from tests.github_job import Job, Step, load

# Not configured, so that they are generated.
CONFIGURED = {
    name: value for name, value in CANARIES.items() if name not in ("labelStudioAdminPassword", "labelStudioSecretKey")
}
ENVIRONMENT = "ryan-taylor/default/oceanid-cluster"
STEPS = ("Preflight", "Preview", "Up", "Health gate")
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


def holding(**values: object) -> dict[str, Any]:
    """An ESC environment with these keys in it."""
    keys = {f"oceanid-cluster:{name}": value for name, value in values.items()}
    return {"environments": {ENVIRONMENT: {"pulumiConfig": keys}}}


def make_job(
    engine: Engine, workflow: str, temp: Path, world: Mapping[str, Any] | None = None, **variables: str
) -> Job:
    """A job on a self-hosted runner whose ESC holds ``world``: by default the kubeconfig, which it has nowhere else."""
    fakes = temp / "bin"
    fakes.mkdir(parents=True, exist_ok=True)
    for name, script in (("pulumi", "esc"), ("gh", "gh")):
        tools.script(fakes / name, f'exec "{sys.executable}" "{ROOT}/tests/fakes/{script}.py" "$@"')
    esc = temp / "esc.json"
    kubeconfig = engine.sandbox.kubeconfig.read_text(encoding="utf-8")
    esc.write_text(json.dumps(world or holding(kubeconfig=kubeconfig)), encoding="utf-8")
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


def secrets_of_a_deploy(engine: Engine) -> dict[str, set[bytes]]:
    """Those that are configured, generated, and the runner's own, in all their forms."""
    found = {**secrets_of(engine, CONFIGURED), "Pulumi token": forms(PULUMI_TOKEN)}
    exported = json.loads(engine.pulumi("stack", "export", "--show-secrets").stdout)["deployment"]["resources"]
    generated = {one["urn"].rpartition("::")[2]: one for one in exported if "RandomPassword" in one["type"]}
    assert {"label-studio-secret-key", "rollout-key"} <= generated.keys()
    return found | {name: forms(json.loads(one["outputs"]["result"]["plaintext"])) for name, one in generated.items()}


def leaks_of(job: Job, engine: Engine) -> list[str]:
    """What a job shows of a secret, in its log, its summary, and the files that it left behind."""
    secrets = secrets_of_a_deploy(engine)
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


def flux_gets_ready(engine: Engine) -> dict[str, Callable[[], None]]:
    """Flux's controllers do their work while the health gate waits: nothing runs inside their pods here."""
    return {"Health gate": lambda: flux_reports(engine)}


def test_a_deploy_on_a_bare_cluster_succeeds_at_once_and_shows_no_secret(bare: Engine, tmp_path: Path) -> None:
    configure_secrets(bare, CONFIGURED)
    job = make_job(bare, "deploy-cluster.yml", tmp_path / "job")
    job.during = flux_gets_ready(bare)
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
    - {name: ours, expression: "object.metadata.name == 'labelstudio-app-credentials'"}
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
{apiVersion: v1, kind: Secret, metadata: {name: labelstudio-app-credentials, namespace: default}, data: {a: YQ==}}
"""


def test_a_first_deploy_that_fails_half_way_shows_no_secret_and_is_run_again(bare: Engine, tmp_path: Path) -> None:
    """What is shown is generated: the state does not have it yet."""
    configure_secrets(bare, CONFIGURED)
    # A Deployment whose ServiceAccount the refusal came before never gets ready: a minute, here (test_crash.py).
    bare.configure("readyTimeoutMinutes", "1")
    bare.kubectl("apply", "-f", "-", stdin=TELLTALE)
    probed(bare, accepted=False)
    job = make_job(bare, "deploy-cluster.yml", tmp_path / "job")
    steps = job.run(without=INSTALLING)
    assert steps["Preflight"].outcome == "success", job.log
    assert steps["Preview"].outcome == "success", job.log
    assert "+ create apps/v1 Deployment cloudflare-deployment" in job.summary
    assert steps["Up"].outcome == "failure"
    assert f"admin-password:{HIDDEN}" in steps["Up"].output
    assert "refused: " in job.summary
    assert steps["Health gate"].outcome == "skipped"
    assert leaks_of(job, bare) == []
    assert not list(job.temp.glob("kubeconfig*"))
    health = bare.command("health", code=1)  # there is a table of what is missing
    assert "Deployment does not exist" in row(health, "deployment/label-studio")
    bare.kubectl("delete", "-f", "-", stdin=TELLTALE)
    probed(bare, accepted=True)
    bare.configure("readyTimeoutMinutes", None)
    again = make_job(bare, "deploy-cluster.yml", tmp_path / "again")
    again.during = flux_gets_ready(bare)
    steps = again.run(without=(*INSTALLING, "Preview"))
    assert {step.outcome for step in again.steps} == {"success", "skipped"}, again.log
    assert "### Update of sandbox: " in again.summary
    assert "deployment/cloudflared" in steps["Health gate"].output
    assert leaks_of(again, bare) == []


def probed(engine: Engine, *, accepted: bool) -> None:
    """Create such a Secret until the API server has taken notice of the policy, or of its end."""
    for _ in range(300):
        answer = engine.tool("kubectl", "create", "-f", "-", code=ANY, stdin=PROBE)
        if answer.returncode == 0:
            engine.kubectl("delete", "-f", "-", stdin=PROBE)
        if (answer.returncode == 0) == accepted:
            return
    raise AssertionError(accepted)


def step_of(engine: Engine, temp: Path, name: str, world: Mapping[str, Any] | None = None) -> Step:
    """One step of a deploy, with those that it needs."""
    job = make_job(engine, "deploy-cluster.yml", temp, world)
    others = [step["name"] for step in load("deploy-cluster.yml")["jobs"]["deploy"]["steps"] if "run" in step]
    needed = ("Keep temporary files together", "Get the kubeconfig", "Remove the kubeconfig", name)
    return job.run(without=tuple(other for other in others if other not in needed))[name]


def test_without_the_key_the_runners_own_kubeconfig_is_used(engine: Engine, tmp_path: Path) -> None:
    own = str(engine.sandbox.kubeconfig)
    job = make_job(engine, "deploy-cluster.yml", tmp_path, holding(), KUBECONFIG=own)
    steps = job.run(without=INSTALLING, until="Preflight")
    assert f"using the runner's KUBECONFIG: {own}" in steps["Get the kubeconfig"].output
    assert steps["Preflight"].outcome == "success", steps["Preflight"].output
    assert f"{own} leads to" in steps["Preflight"].output


@pytest.mark.parametrize(
    ("world", "variable", "words"),
    [
        (holding(kubeconfig="canary-in-no-kubeconfig"), "", "is not a kubeconfig, or was not decrypted"),
        ({"outcome": "unavailable"}, "its path", "could not ask ESC"),  # and so does not take the runner's own
        (holding(), "its content", "It must be a path"),
    ],
    ids=["another text in ESC", "no answer of ESC", "content in KUBECONFIG"],
)
def test_no_deploy_starts_without_a_real_kubeconfig(
    engine: Engine, tmp_path: Path, world: dict[str, Any], variable: str, words: str
) -> None:
    """One answer of each kind; tests/commands/test_workflow.py has the others."""
    own = engine.sandbox.kubeconfig
    variables = {"": {}, "its path": {"KUBECONFIG": str(own)}, "its content": {"KUBECONFIG": own.read_text("utf-8")}}
    job = make_job(engine, "deploy-cluster.yml", tmp_path, world, **variables[variable])
    steps = job.run(without=INSTALLING)
    assert steps["Get the kubeconfig"].outcome == "failure"
    assert words in steps["Get the kubeconfig"].output
    assert {steps[name].outcome for name in STEPS} == {"skipped"}
    assert steps["Remove the kubeconfig"].outcome == "success"
    for word in ("canary", "Traceback", engine.kubeconfig()["users"][0]["user"]["token"]):
        assert word not in job.log


OPERATOR, IN_THE_RELEASE = "pulumi-system", "pulumi-kubernetes-operator"


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
    file.write_text("[]", encoding="utf-8")

    def compare() -> dict[str, Any]:
        """The issue that the comparison keeps."""
        job = make_job(clean, "watch.yml", tmp_path, GH_FAKE=str(file))
        job.run(without=INSTALLING)
        assert {step.outcome for step in job.steps} <= {"success", "skipped"}, job.log
        (issue,) = json.loads(file.read_text(encoding="utf-8"))
        return issue

    crd = edit_by_hand(clean)
    flux_reports(clean, ready=False, message="kustomize build failed: no such file")
    issue = compare()
    assert issue["state"] == "open"
    for words in (
        "not ready: FluxBootstrap -n flux-system kustomization/flux-system: kustomize build failed",
        "update apps/v1 Deployment cloudflare-deployment (spec.replicas)",
        "missing core/v1 Secret label-studio-app-secret",
        f"apps/v1 Deployment {OPERATOR}/{IN_THE_RELEASE}-controller-manager",
        "spec.replicas",
        ENV,
        f"ClusterRole {IN_THE_RELEASE}-view",
        "CustomResourceDefinition programs.pulumi.com",
    ):
        assert words in issue["body"]
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
    rotated = clean.kubeconfig()
    rotated["users"][0]["user"]["client-key-data"] = ""
    preview = step_of(clean, tmp_path, "Preview", holding(kubeconfig=rotated))
    assert len(preview.output.splitlines()) <= 2
    assert "nothing to change" in preview.output


def test_a_comparison_that_fails_touches_no_issue(engine: Engine, tmp_path: Path) -> None:
    issues = tmp_path / "issues.json"
    issues.write_text("[]", encoding="utf-8")
    elsewhere = holding(kubeconfig=engine.unreachable(tmp_path).read_text(encoding="utf-8"))
    job = make_job(engine, "watch.yml", tmp_path, elsewhere, GH_FAKE=str(issues))
    step = job.run(without=INSTALLING)["Compare and look, and keep the issue"]
    assert step.outcome == "failure"
    assert "cannot reach the Kubernetes API server" in step.output
    assert issues.read_text(encoding="utf-8") == "[]"
