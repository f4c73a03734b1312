"""What exists already is compared with the stack's state."""

from typing import Any

import pytest

from oceanid_cluster.commands.existing import ADOPT, check_existing
from oceanid_cluster.commands.state import StackState
from oceanid_cluster.components.adapter.settings import FACTS as TRITON_ADAPTER
from oceanid_cluster.components.facts import DEPLOY, ObjectRef
from oceanid_cluster.components.operator.settings import FACTS as OPERATOR


def live(
    *found: ObjectRef, manager: str = "pulumi-kubernetes-1a2b", **metadata: Any
) -> dict[ObjectRef, dict[str, Any]]:
    fields = {"managedFields": [{"manager": manager}], **metadata}
    return {one: {"kind": one.kind, "metadata": {"name": one.name, **fields}} for one in found}


ADAPTER = tuple(TRITON_ADAPTER.refs())
(RELEASE,) = OPERATOR.release_refs()
NAMESPACE, DEPLOYMENT = ObjectRef("Namespace", "", "apps"), ObjectRef("Deployment", "apps", "ls-triton-adapter")
HF = ObjectRef("Secret", "apps", "hf-credentials")
IGNORED: dict[str, Any] = {"kustomize.toolkit.fluxcd.io/reconcile": "disabled"}
GOING: dict[str, Any] = {"deletionTimestamp": "2026-11-27T10:00:00Z", "finalizers": ["a"]}
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
        (live(NAMESPACE, manager="kubectl-edit"), (NAMESPACE,), False, "ok", "1 object, managed by Pulumi"),
        (live(NAMESPACE, **BY_FLUX), (NAMESPACE,), False, "warning", "managed by Flux (Kustomization apps)"),
        (live(NAMESPACE, **BY_FLUX, annotations=IGNORED), (NAMESPACE,), False, "ok", "1 object, managed by Pulumi"),
        (live(HF, manager="kubectl"), (), False, "ok", "nothing yet"),
        (live(HF), (), False, "failed", "Secret/hf-credentials: in the cluster, not in the state"),
        (live(*ADAPTER), (), False, "failed", " more: in the cluster, not in the state"),
        (live(NAMESPACE, **GOING), (NAMESPACE,), False, "failed", 'it waits for a; docs/runbook.md, "Stuck namespace"'),
        ({**live(NAMESPACE, **GOING), **live(DEPLOYMENT)}, (NAMESPACE, DEPLOYMENT), False, "failed", "; 1 object, man"),
        (live(NAMESPACE, **GOING), (), True, "failed", "Namespace/apps is being deleted since 2026-11-27T10:00:00Z"),
        (live(HF, manager="kubectl", **GOING), (), False, "ok", "nothing yet"),
    ],
)  # fmt: skip
def test_what_exists_is_compared_with_the_state(
    found: dict[ObjectRef, Any], held: tuple[ObjectRef, ...], adopting: bool, state: str, said: str
) -> None:
    stack = StackState(frozenset(held))
    (row,) = check_existing([TRITON_ADAPTER], found, stack, adopting=adopting, releases={})
    assert row.state == state, row.detail
    assert said in row.detail


def test_a_release_that_only_helm_knows_is_in_the_way_and_what_it_lacks_is_put_back_by_helm() -> None:
    operator = live(ObjectRef("Deployment", "pulumi-system", "pulumi-kubernetes-operator-controller-manager"))
    record = {RELEASE: [{"metadata": {"name": "sh.helm.release.v1.pulumi-kubernetes-operator.v1"}}]}
    rows = check_existing([OPERATOR], operator, StackState(), adopting=True, releases=record, kubectl="kubectl -x")
    assert [row.state for row in rows] == ["ok", "failed"]
    assert rows[1].detail.endswith(
        "kubectl -x -n pulumi-system delete secret -l owner=helm,name=pulumi-kubernetes-operator"
    )
    known = StackState(releases=frozenset({RELEASE}))
    (row,) = check_existing([OPERATOR], operator, known, adopting=False, releases=record)
    assert row.state == "ok"
    (row,) = check_existing([OPERATOR], {}, known, adopting=False, releases=record)
    assert "in the state, not in the cluster; " in row.detail
    assert "helm rollback" in row.detail
    assert DEPLOY not in row.detail


def record(version: int, status: str) -> dict[str, Any]:
    name = f"sh.helm.release.v1.pulumi-kubernetes-operator.v{version}"
    return {"metadata": {"name": name, "labels": {"version": str(version), "status": status}}}


@pytest.mark.parametrize("status", ["pending-upgrade", "uninstalling", "deployed", "failed", "superseded"])
def test_only_a_newest_record_that_helm_did_not_finish_is_in_the_way_and_named(status: str) -> None:
    known = StackState(releases=frozenset({RELEASE}))
    kept = {RELEASE: [record(10, status), record(9, "pending-rollback")]}
    _, *rows = check_existing([OPERATOR], {}, known, adopting=False, releases=kept, kubectl="kubectl -x")
    command = "kubectl -x -n pulumi-system delete secret sh.helm.release.v1.pulumi-kubernetes-operator.v10"
    unfinished = status in ("pending-upgrade", "uninstalling")
    assert [(row.state, row.detail.rpartition(": ")[2]) for row in rows] == [("failed", command)] * unfinished
