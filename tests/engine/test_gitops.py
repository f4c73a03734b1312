"""Git drives the sandbox, with the real controllers of Flux: what Git says happens; what Pulumi owns, it cannot touch.

The tests share one cluster and one repository; each leaves both as it found them.
"""

import json
import re
from base64 import b64encode
from typing import Any

import yaml

from oceanid_cluster.manifests.labels import FLUX_LEAVES_ALONE
from sandbox import cluster, gitops
from sandbox.layout import ROOT
from tests.engine.gitops import FLUX, GitOps, config_map

CONTROLLERS = tuple(f"{name}-controller" for name in gitops.CONTROLLERS)
SECRET = ("-n", "web", "get", "secret", "-o")


def test_every_row_of_health_is_green_and_the_example_is_in_the_cluster(flux: GitOps) -> None:
    health = flux.command("health")
    head = flux.git("rev-parse", "HEAD")
    assert f"Applied revision: main@sha1:{head}" in health.stdout
    flux.kubectl("-n", "web", "rollout", "status", "deployment/whoami", "deployment/status-page", "--timeout=60s")
    pod = json.loads(flux.kubectl("-n", "web", "get", "deployment", "whoami", "-o", "json"))["spec"]["template"]["spec"]
    assert "--name=whoami.boathou.se" in pod["containers"][0]["args"]  # from Pulumi, by flux-runtime-info
    greeting = flux.kubectl(*SECRET, "go-template={{.data.greeting | base64decode}}", "whoami")
    assert greeting == "a secret of the sandbox"
    assert greeting not in (flux.repository / "apps/whoami/secret.sops.yaml").read_text(encoding="utf-8")
    assert str(flux.repository) in flux.first_run


def test_the_example_passes_strict_validation(flux: GitOps) -> None:
    documents: list[dict[str, Any]] = []
    for path in sorted(gitops.EXAMPLE.rglob("*.yaml")):
        if path.name in ("kustomization.yaml", ".sops.yaml") or "charts" in path.parts:
            continue
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            document.pop("sops", None)
            document["metadata"].setdefault("namespace", "web")
            documents.append(document)
    assert {"Kustomization", "HelmRelease", "Deployment", "NetworkPolicy", "Secret"} <= {d["kind"] for d in documents}
    command = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "--force-conflicts", "-f", "-"]
    flux.kubectl(*command, stdin=yaml.safe_dump_all(documents))


def test_a_push_adds_changes_and_removes(flux: GitOps) -> None:
    flux.applied(flux.declare(config_map("first")))
    assert flux.value() == "first"
    flux.applied(flux.declare(config_map("second")))
    assert flux.value() == "second"
    flux.kubectl("-n", "web", "patch", "configmap", "one", "--type=merge", "-p", '{"data": {"key": "by hand"}}')
    flux.reconcile("kustomization")
    flux.kubectl("-n", "web", "wait", "configmap/one", "--for=jsonpath={.data.key}=second", "--timeout=60s")
    flux.revert("HEAD", "HEAD~1")
    assert flux.value() == ""


def test_what_is_suspended_waits_and_health_says_so(flux: GitOps) -> None:
    patch = (*FLUX, "patch", "kustomization", "flux-system", "--type=merge", "-p")
    flux.kubectl(*patch, '{"spec": {"suspend": true}}')
    commit = flux.declare(config_map("later"))
    flux.wait("gitrepository", "flux-system", f"jsonpath={{.status.artifact.revision}}=main@sha1:{commit}")
    assert "flux resume kustomization" in flux.command("health", code=1).stdout
    assert flux.value() == ""
    flux.kubectl(*patch, '{"spec": {"suspend": false}}')
    flux.applied(commit)


def test_an_up_while_flux_reconciles_changes_nothing_of_git_and_git_nothing_of_it(flux: GitOps) -> None:
    flux.configure("gitReconciliationSeconds", "61")
    commit = flux.declare(config_map("meanwhile"))
    flux.up()
    flux.applied(commit)
    assert flux.planned("--refresh", "--run-program") == {}


def test_an_application_that_waits_for_the_operator_does_not_deadlock_the_bootstrap(flux: GitOps) -> None:
    """Git asks for a Stack from the first second on, and its CRD comes with the operator, which comes after Flux."""
    program = {"projectRepo": "https://github.com/pulumi/examples", "branch": "main", "stack": "dev"}
    metadata = {"name": "program", "namespace": "web"}
    flux.applied(flux.declare({"apiVersion": "pulumi.com/v1", "kind": "Stack", "metadata": metadata, "spec": program}))
    flux.pulumi("destroy", "--run-program")
    flux.kubectl("delete", "crd", "stacks.pulumi.com")  # and the Stack with it: a cluster as bare as before
    flux.adopt()
    flux.reconcile("kustomization")  # else it tries again after two minutes
    flux.kubectl("-n", "web", "wait", "stack.pulumi.com/program", "--for=create", "--timeout=60s")
    flux.applied(flux.git("rev-parse", "HEAD"))
    flux.command("health", "--wait", "60")


def owned_by_us(flux: GitOps) -> list[dict[str, Any]]:
    """Every live object that the stack made: of its own, of the Flux chart, and of the operator's release."""
    kinds = [
        kind for kind in flux.kubectl("api-resources", "--verbs=list,update", "-o", "name").split()
        if kind.partition(".")[0] not in ("events", "leases", "endpoints", "endpointslices", "pods", "replicasets")
    ]  # fmt: skip
    marked = next(iter(FLUX_LEAVES_ALONE))
    found = flux.objects(*kinds)
    return [one for one in found if marked in one["metadata"].get("annotations", {})]


def as_git_would_declare(live: dict[str, Any]) -> dict[str, Any]:
    """The object as somebody copies it into Git, changed: a label, and fewer replicas or other data."""
    metadata = {name: live["metadata"][name] for name in ("name", "namespace") if name in live["metadata"]}
    metadata["labels"] = {**live["metadata"].get("labels", {}), "changed-by": "git"}
    changed = {**{k: v for k, v in live.items() if k not in ("metadata", "status")}, "metadata": metadata}
    if "replicas" in changed.get("spec", {}):
        changed["spec"] = {**changed["spec"], "replicas": 0}
    if live["kind"] == "ConfigMap":
        changed["data"] = {"config.yaml": "changed by git"}
    return changed


def test_what_pulumi_owns_git_can_neither_change_nor_prune(flux: GitOps) -> None:
    def snapshot() -> dict[tuple[str, str, str], tuple[Any, ...]]:
        return {
            (one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]): (
                one["metadata"]["uid"], one["metadata"].get("generation"), one["metadata"].get("labels"),
                one.get("data"), one["metadata"].get("deletionTimestamp"),
            )
            for one in owned_by_us(flux)
        }  # fmt: skip

    objects = [one for one in owned_by_us(flux) if one["kind"] not in ("Kustomization", "GitRepository")]
    kinds = {one["kind"] for one in objects}
    assert {"Namespace", "Secret", "ConfigMap", "Deployment", "DaemonSet", "CustomResourceDefinition"} <= kinds
    assert {"ServiceAccount", "Service", "NetworkPolicy", "Role", "PersistentVolumeClaim", "ClusterRole"} <= kinds
    release = yaml.safe_load_all(flux.helm("get", "manifest", "pulumi-kubernetes-operator", "-n", "pulumi-system"))
    assert {(one["kind"], one["metadata"]["name"]) for one in release if one} <= {
        (one["kind"], one["metadata"]["name"]) for one in objects
    }
    before = snapshot()
    flux.applied(flux.declare(yaml.safe_dump_all([as_git_would_declare(one) for one in objects])))
    inventory = flux.kubectl(
        *FLUX, "get", "kustomization", "flux-system", "-o", "jsonpath={.status.inventory.entries[*].id}"
    )
    assert "_cloudflared__Namespace" in inventory  # Flux took it in, and so would prune it
    assert snapshot() == before
    flux.revert()
    assert snapshot() == before
    log = (flux.sandbox.log / "kustomize-controller.log").read_text(encoding="utf-8")
    assert "Namespace/cloudflared skipped" in log
    assert flux.planned("--refresh", "--run-program") == {}


def test_destroy_leaves_the_applications_running_with_flux_alive_and_with_flux_dead(flux: GitOps) -> None:
    path = "jsonpath={.metadata.uid} {.status.readyReplicas}"
    ask = ("-n", "web", "get", "deployment", "whoami", "-o", path)
    before = flux.kubectl(*ask)
    for alive in (True, False):
        if not alive:
            for role in CONTROLLERS:
                cluster.stop_role(flux.sandbox, role)
        flux.pulumi("destroy", "--run-program")
        assert flux.kubectl(*ask) == before
        flux.adopt()
    gitops.start_controllers(flux.sandbox)
    flux.applied(flux.git("rev-parse", "HEAD"), "infrastructure", "apps")
    flux.command("health", "--wait", "60")


def test_the_commands_of_the_gitops_page_work_in_the_clone(flux: GitOps) -> None:
    page = (ROOT / "docs" / "gitops.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```bash\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 4
    flux.shell("\n".join([f"cd {flux.repository}", *blocks]), flux.sandbox.environment())
    assert flux.kubectl(*SECRET, "go-template={{.data.key | base64decode}}", "one") == "a value"
    assert b64encode(b"a value").decode() not in (flux.repository / "apps/whoami/one.sops.yaml").read_text("utf-8")
    # Without the old key everything can still be read.
    keys = (flux.repository / "new.agekey").read_text(encoding="utf-8")
    new, _ = re.findall("AGE-SECRET-KEY-.*", keys)
    flux.configure("flux.sops_age_key", new, secret=True)
    flux.up()
    for name in ("flux-system", "apps"):
        flux.reconcile("kustomization", name)
    flux.command("health", "--wait", "60")
    flux.git("clean", "--quiet", "--force", "-x")  # the key, which .gitignore names


def test_a_second_run_of_make_gitops_and_one_after_down_change_nothing(flux: GitOps) -> None:
    flux.launcher("down")
    assert cluster.processes(flux.sandbox) == {}
    again = flux.launcher("gitops")
    assert "unchanged" in again.stdout
    assert "created" not in again.stdout
    flux.command("health", "--wait", "60")
