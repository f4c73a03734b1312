"""The operators' commands, as far as they need no cluster: what they say, and from which facts."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from oceanid_cluster import existing, health, leftovers, stack_config
from oceanid_cluster.__main__ import COMMANDS
from oceanid_cluster.commands import CommandError, ToolMissingError, run
from oceanid_cluster.config import LabelStudioSettings
from oceanid_cluster.existing import ADOPT, RELEASE, check_existing, places
from oceanid_cluster.expected import COMPONENTS, EXPECTED, NAMESPACES, NODES
from oceanid_cluster.kubeconfig import Kubeconfig
from oceanid_cluster.kubectl import Kubectl
from oceanid_cluster.leftovers import Cluster
from oceanid_cluster.secret import Secret
from oceanid_cluster.state import Place, StackState, parse_state
from oceanid_cluster.storage import check_storage
from tests.recorded import ROOT, Run, run_program
from tests.samples import EVERYTHING, REQUIRED, github_app, settings


def run_module(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=ROOT, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_a_command_does_and_how_it_ends(command: str) -> None:
    answer = run_module("oceanid_cluster", command, "--help")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.startswith(f"usage: python -m oceanid_cluster {command}")
    assert "-h, --help" in answer.stdout
    if command != "workflow":
        assert "exit codes: 0 " in answer.stdout


def test_one_help_lists_every_command() -> None:
    answer = run_module("oceanid_cluster", "--help")
    assert answer.returncode == 0
    assert re.findall(r"^  ([a-z-]+) +[a-z]", answer.stdout, re.MULTILINE)[-len(COMMANDS) :] == [*COMMANDS]
    modules = {path.stem.replace("_", "-") for path in (ROOT / "oceanid_cluster").glob("*.py") if _is_command(path)}
    assert modules - {"--main--"} == {*COMMANDS, *FORMER} - NEVER_MODULES


def _is_command(path: Path) -> bool:
    return 'if __name__ == "__main__"' in path.read_text(encoding="utf-8")


def test_an_unknown_command_is_answered_with_those_that_exist() -> None:
    answer = run_module("oceanid_cluster", "helth")
    assert answer.returncode == 2
    assert "health" in answer.stderr
    assert "Traceback" not in answer.stderr


FORMER = {"remains": "leftovers", "takeover": "adopt-state"}
NEVER_MODULES = {"graph"}  # commands that came after the one door


@pytest.mark.parametrize(
    ("old", "new"), [*FORMER.items(), *((name, name) for name in COMMANDS if name not in NEVER_MODULES)]
)
def test_the_former_names_work_and_say_the_new_ones(old: str, new: str) -> None:
    answer = run_module(f"oceanid_cluster.{old.replace('-', '_')}", "--help")
    assert answer.returncode == 0
    assert answer.stderr.splitlines() == [f"{new}: this command is now: python -m oceanid_cluster {new}"]
    assert answer.stdout.startswith(f"usage: python -m oceanid_cluster {new}")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        return run_program(EVERYTHING, tmp_path_factory.mktemp("program"), patch)


def test_every_name_that_preflight_looks_for_is_one_that_the_program_makes(
    program: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_app = run_program({**REQUIRED, **github_app()}, tmp_path, monkeypatch)
    manifests = [*program.manifests(), *by_app.manifests()]
    made = {(one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]) for one in manifests}
    chart = {"flux-system", "pulumi-system"}  # what charts make is compared on the engine
    for component in NAMESPACES:
        for place in places(component):
            if place.kind != "Deployment" or place.namespace not in chart:
                assert tuple(place) in made, place


def test_every_custom_resource_of_the_program_has_a_row(program: Run) -> None:
    expected = {one.place for one in EXPECTED}
    flux = [one for one in program.manifests() if ".fluxcd.io/" in one["apiVersion"]]
    assert flux
    for one in flux:
        assert Place(one["kind"], one["metadata"]["namespace"], one["metadata"]["name"]) in expected


def test_the_state_is_read_without_what_is_only_patched_read_or_on_its_way_out() -> None:
    def kubernetes(kind: str, identity: str, **fields: Any) -> dict[str, Any]:
        return {"type": f"kubernetes:{kind}", "id": identity, "custom": True, **fields}

    state = parse_state(
        [
            {"type": "pulumi:pulumi:Stack"},
            {"type": "oceanid:core:CloudflareTunnel"},
            {
                "type": "oceanid:ml:LsTritonAdapter",
                "dependencies": [
                    "urn:pulumi:dev::oceanid-cluster::oceanid:core:CloudflareTunnel::cloudflare",
                    "urn:pulumi:dev::oceanid-cluster::oceanid:core:CloudflareTunnel$kubernetes:core/v1:Secret::cloudflare-x",
                    "urn:pulumi:dev::oceanid-cluster::pulumi:providers:kubernetes::k3s",
                ],
            },
            {"type": "kubernetes:helm.sh/v4:Chart"},
            kubernetes("core/v1:Namespace", "apps"),
            kubernetes("apps/v1:Deployment", "apps/label-studio"),
            kubernetes("core/v1:Node", "calypso", external=True),
            kubernetes("core/v1:NodePatch", "calypso"),
            kubernetes("core/v1:Secret", "apps/old", delete=True),
            kubernetes("core/v1:Secret", ""),
            kubernetes("helm.sh/v3:Release", "pulumi-system/pulumi-kubernetes-operator"),
        ]
    )
    assert state.objects == {Place("Namespace", "", "apps"), Place("Deployment", "apps", "label-studio")}
    assert state.releases == {RELEASE}
    assert state.components == {"CloudflareTunnel", "TritonAdapter"}
    assert state.chain == {"CloudflareTunnel": frozenset(), "TritonAdapter": {"CloudflareTunnel"}}


def live(*found: Place, manager: str = "pulumi-kubernetes-1a2b", **metadata: Any) -> dict[Place, dict[str, Any]]:
    fields = {"managedFields": [{"manager": manager}], **metadata}
    return {one: {"kind": one.kind, "metadata": {"name": one.name, **fields}} for one in found}


ADAPTER = tuple(places("TritonAdapter"))
NAMESPACE, DEPLOYMENT = Place("Namespace", "", "apps"), Place("Deployment", "apps", "ls-triton-adapter")
HF = Place("Secret", "apps", "hf-credentials")
IGNORED: dict[str, Any] = {"kustomize.toolkit.fluxcd.io/reconcile": "disabled"}
BY_FLUX: dict[str, Any] = {"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}


@pytest.mark.parametrize(
    ("found", "held", "adopting", "state", "said"),
    [
        ({}, (), False, "ok", "nothing yet"),
        (live(NAMESPACE, DEPLOYMENT), (NAMESPACE, DEPLOYMENT), False, "ok", "2 objects, managed by Pulumi"),
        (live(NAMESPACE), (), False, "failed", f"in the cluster, not in the state. Adopt them, for one run: {ADOPT}"),
        (live(NAMESPACE), (), True, "ok", "this run adopts them (adoptExisting)"),
        (live(NAMESPACE), (NAMESPACE, DEPLOYMENT), False, "warning", "ls-triton-adapter: in the state, not in"),
        (live(NAMESPACE, manager="kubectl"), (), False, "failed", "managed by kubectl"),
        (live(NAMESPACE, manager="kubectl-edit"), (NAMESPACE,), False, "ok", "1 objects, managed by Pulumi"),
        (live(NAMESPACE, **BY_FLUX), (NAMESPACE,), False, "warning", "managed by Flux (Kustomization apps)"),
        (live(NAMESPACE, **BY_FLUX, annotations=IGNORED), (NAMESPACE,), False, "ok", "1 objects, managed by Pulumi"),
        (live(HF, manager="kubectl"), (), False, "ok", "nothing yet"),
        (live(HF), (), False, "failed", "Secret/hf-credentials: in the cluster, not in the state"),
        (live(*ADAPTER), (), False, "failed", " more: in the cluster, not in the state"),
    ],
)  # fmt: skip
def test_what_exists_is_compared_with_the_state(
    found: dict[Place, Any], held: tuple[Place, ...], adopting: bool, state: str, said: str
) -> None:
    stack = StackState(frozenset(held))
    (row,) = check_existing(["TritonAdapter"], found, stack, adopting=adopting, releases=[])
    assert row.state == state, row.detail
    assert said in row.detail


def test_a_release_that_only_helm_knows_is_in_the_way() -> None:
    operator = live(Place("Deployment", "pulumi-system", "pulumi-kubernetes-operator-controller-manager"))
    record = [{"metadata": {"name": "sh.helm.release.v1.pulumi-kubernetes-operator.v1"}}]
    rows = check_existing(
        ["PulumiOperator"], operator, StackState(), adopting=True, releases=record, kubectl="kubectl -x"
    )
    assert [row.state for row in rows] == ["ok", "failed"]
    assert f"kubectl -x {existing.FORGET_RELEASE}" in rows[1].detail
    known = StackState(releases=frozenset({RELEASE}))
    (row,) = check_existing(["PulumiOperator"], operator, known, adopting=False, releases=record)
    assert row.state == "ok"


def storage_class(name: str, *, default: bool = False, expands: bool = False) -> dict[str, Any]:
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"} if default else None
    return {"metadata": {"name": name, "annotations": annotations}, "allowVolumeExpansion": expands}


def claim(size: str = "10Gi", name: str | None = "local-path", phase: str = "Bound") -> dict[str, Any]:
    spec = {"resources": {"requests": {"storage": size}}, "storageClassName": name}
    return {"spec": spec, "status": {"phase": phase}}


def label_studio(**changes: str) -> LabelStudioSettings:
    return settings(changes).label_studio


LOCAL = [storage_class("local-path", default=True)]
TWO = [storage_class("a", default=True), storage_class("b", default=True)]


@pytest.mark.parametrize(
    ("given", "classes", "found", "state", "said"),
    [
        ({}, LOCAL, None, "ok", "local-path is the default"),
        ({}, [], None, "failed", "none is the default; run: pulumi config set labelStudioStorageClass <name>"),
        ({}, TWO, None, "failed", "several are the default: a, b"),
        ({"labelStudioStorageClass": "a"}, TWO, None, "ok", "a"),
        ({"labelStudioStorageClass": "c"}, TWO, None, "failed", "c does not exist; there are: a, b"),
        ({}, [], claim(), "ok", "claim apps/label-studio-data: Bound, 10Gi, class local-path"),
        ({}, TWO, claim(phase="Pending"), "ok", "Pending"),
        ({"labelStudioStorageClass": "local-path"}, [], claim(), "ok", "Bound"),
        ({"labelStudioStorageClass": "a"}, TWO, claim(), "warning", "set labelStudioStorageClass local-path"),
        ({"labelStudioStorageClass": "a"}, TWO, claim(), "warning", "a claim's class cannot be changed"),
        ({"labelStudioStorageClass": "a"}, TWO, claim(name=None), "warning", "config rm labelStudioStorageClass"),
        ({"labelStudioStorage": "10240Mi"}, LOCAL, claim(), "ok", "Bound"),
        ({"labelStudioStorage": "20Gi"}, LOCAL, claim(), "warning", "class local-path cannot expand volumes"),
        ({"labelStudioStorage": "20Gi"}, [storage_class("local-path", expands=True)], claim(), "warning",
         "grow it by hand: kubectl -n apps patch pvc label-studio-data"),
        ({"labelStudioStorage": "5Gi"}, LOCAL, claim(), "warning", "a claim never shrinks"),
        ({}, LOCAL, claim(size="1e10"), "ok", "1e10"),
        ({}, LOCAL, claim(phase="Lost"), "failed", "its volume is gone"),
    ],
)  # fmt: skip
def test_a_claim_that_is_there_counts_more_than_the_default_classes(
    given: dict[str, str], classes: list[Any], found: dict[str, Any] | None, state: str, said: str
) -> None:
    row = check_storage(label_studio(**given), classes, found)
    assert row.state == state, row.detail
    assert said in row.detail


def named(name: str, kind: str = "Namespace", **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, **metadata}}


OURS: dict[str, Any] = {"labels": {"oceanid.cluster/managed-by": "pulumi"}}
OF_HELM: dict[str, Any] = {"managedFields": [{"manager": "pulumi-resource-kubernetes"}]}
FLUX_CRD, OPERATOR_CRD = "kustomizations.kustomize.toolkit.fluxcd.io", "stacks.pulumi.com"


def cluster(crds: list[dict[str, Any]], *namespaces: str, **more: list[dict[str, Any]]) -> Cluster:
    parts: dict[str, list[dict[str, Any]]] = {"workloads": [], "pods": [], "kept": [], **more}
    return Cluster([named(name, **OURS) for name in namespaces], crds, **parts)


def test_leftovers_names_what_carries_our_labels_and_the_commands_for_it() -> None:
    crds = [named(FLUX_CRD, **OURS), named(OPERATOR_CRD, **OF_HELM)]
    kept = [named("label-studio-data", "PersistentVolumeClaim", namespace="apps")]
    found = cluster(crds, "apps", "flux-system", "pulumi-system", kept=kept)
    lines, commands = leftovers.look(found, "kubectl --context c", "flux --context c")
    assert lines[0] == "namespace apps, with volume claim label-studio-data"
    assert lines[-2:] == [f"CRD {FLUX_CRD}", f"CRD {OPERATOR_CRD}"]
    assert commands == [
        "flux --context c uninstall --namespace=flux-system",
        "kubectl --context c delete namespace apps pulumi-system",
        f"kubectl --context c delete customresourcedefinition {OPERATOR_CRD}",
    ]


def test_leftovers_leaves_the_crds_of_somebody_else_alone() -> None:
    foreign = [
        named(FLUX_CRD, labels={"app.kubernetes.io/part-of": "flux"}),
        named(OPERATOR_CRD, managedFields=[{"manager": "kubectl"}]),
        named("things.example.org", **OURS),
    ]
    lines, commands = leftovers.look(cluster(foreign, "pulumi-system", "flux-system"), "kubectl", "flux")
    assert not any("CRD" in line for line in lines)
    assert commands == ["kubectl delete namespace pulumi-system flux-system"]
    assert leftovers.look(cluster([named(OPERATOR_CRD, **OF_HELM)]), "kubectl", "flux") == ([], [])


def test_leftovers_keeps_the_crds_that_another_flux_uses() -> None:
    other = named("source-controller", "Deployment", namespace="gitops", labels={"app.kubernetes.io/part-of": "flux"})
    root = named("flux-system", "Kustomization", namespace="flux-system", finalizers=["finalizers.fluxcd.io"])
    root["apiVersion"] = "kustomize.toolkit.fluxcd.io/v1"
    found = cluster([named(FLUX_CRD, **OURS)], "flux-system", workloads=[other], kept=[root])
    lines, commands = leftovers.look(found, "kubectl", "flux")
    assert "another Flux uses them, in namespace gitops" in lines[-1]
    assert commands[0].startswith("kubectl patch -n flux-system kustomization/flux-system --type=merge")
    assert commands[1] == "kubectl delete namespace flux-system"
    assert not any("uninstall" in command or "customresourcedefinition" in command for command in commands)


def test_leftovers_gives_no_commands_while_the_stack_is_up() -> None:
    running = [named("label-studio", "Deployment", namespace="apps")]
    for found, state in (
        (cluster([], "apps"), StackState(objects=frozenset({NAMESPACE}))),
        (cluster([], "apps"), StackState(releases=frozenset({RELEASE}))),
        (cluster([], "apps", workloads=running), StackState()),
    ):
        said = leftovers.report(found, state, "")
        assert said.startswith("Nothing to remove, the stack is still up: ")
        assert "delete" not in said
    foreign = [named("label-studio", "Deployment", namespace="elsewhere")]
    assert leftovers.report(cluster([], workloads=foreign), StackState(), "").startswith("Nothing of this program")


def test_the_stacks_file_is_enough_to_find_the_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert stack_config.local_settings(None, {"PULUMI_HOME": str(tmp_path)}) is None
    assert stack_config.local_settings("nowhere", {}) is None
    text = {"config": {"oceanid-cluster:kubeContext": "c", "oceanid-cluster:github_token": {"secure": "x"}}}
    (tmp_path / "Pulumi.prod.yaml").write_text(json.dumps(text), encoding="utf-8")
    for stack, environ in (("org/oceanid-cluster/prod", {}), (None, {"PULUMI_STACK": "prod"})):
        found = stack_config.local_settings(stack, environ)
        assert found is not None
        assert found.cluster.kube_context == "c"
    assert NODES in COMPONENTS


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kubeconfigPath", "apiVersion: v1 clusters: canary"),
        ("kubeContext", "a\nb"),
        ("nodes", "canary"),
        ("clusterUid", "canary"),
        ("allowedApiHosts", "[1"),
        ("tethysIp", "nowhere"),
        ("manage_node_labels", "perhaps"),
        ("kube_context", {"secure": "v1:canary"}),
    ],
)
def test_a_command_does_not_guess_which_cluster_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, value: object
) -> None:
    """A wrong value counted as none before, and the shell's cluster, or the usual nodes, instead."""
    monkeypatch.chdir(tmp_path)
    text = {"config": {f"oceanid-cluster:{key}": value, "oceanid-cluster:metricsPort": "a wrong one does not matter"}}
    (tmp_path / "Pulumi.prod.yaml").write_text(json.dumps(text), encoding="utf-8")
    with pytest.raises(CommandError, match=key) as caught:
        stack_config.local_settings("prod", {})
    assert "metricsPort" not in str(caught.value)
    assert "clusters: canary" not in str(caught.value)


def test_what_says_which_cluster_it_is_counts_also_as_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {"oceanid-cluster:kubeContext": {"secret": True}, "oceanid-cluster:github_token": {"secret": True}}
    answers = {"--json": json.dumps(entries), "kubeContext": "c\n"}
    monkeypatch.setattr(stack_config, "check_output", lambda *command: answers[command[-1]])
    assert stack_config.stack_settings(None).cluster.kube_context == "c"


def test_a_missing_kubectl_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    kubeconfig = Kubeconfig("/nowhere", "c", "https://127.0.0.1:1", Secret("{}"), ())
    with pytest.raises(ToolMissingError, match="'kubectl' is not installed"):
        health.wait(Kubectl(kubeconfig), health.Wanted(), 3600)


def test_a_tool_that_gets_no_answer_is_given_up() -> None:
    with pytest.raises(CommandError, match="'sleep' got no answer in 0 seconds"):
        run("sleep", "3600", timeout_seconds=0.01)
