"""What a destroy left, and the commands that remove it."""

from typing import Any

from oceanid_cluster.commands import leftovers
from oceanid_cluster.commands.leftovers import Cluster
from oceanid_cluster.commands.state import StackState
from oceanid_cluster.components.facts import ObjectRef
from oceanid_cluster.components.operator.settings import FACTS as OPERATOR

(RELEASE,) = OPERATOR.release_refs()
NAMESPACE = ObjectRef("Namespace", "", "apps")


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
    going = [named("label-studio", "Deployment", namespace="apps", deletionTimestamp="2026-11-27T10:00:00Z")]
    assert leftovers.report(cluster([], "apps", workloads=going), StackState(), "").startswith("Left in the cluster")
    foreign = [named("label-studio", "Deployment", namespace="elsewhere")]
    assert leftovers.report(cluster([], workloads=foreign), StackState(), "").startswith("Nothing of this program")
