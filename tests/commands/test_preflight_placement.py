"""Every workload is held against the nodes that there are, before a deploy waits for it."""

from typing import Any

import pytest

from oceanid_cluster.commands.objects import Object, ref_of
from oceanid_cluster.commands.preflight import check_placement
from oceanid_cluster.commands.report import Row
from oceanid_cluster.commands.scheduling import barriers, missing_labels
from oceanid_cluster.components.settings import EXPECTED
from tests.samples import settings

GPU_TAINT = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
READY = {"conditions": [{"type": "Ready", "status": "True"}]}


def node(name: str, *taints: dict[str, str], status: Object = READY, labels: Object | None = None) -> dict[str, Any]:
    metadata = {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}}
    return {"kind": "Node", "metadata": metadata, "spec": {"taints": list(taints)}, "status": status}


def rows(*nodes: Object, **keys: str) -> dict[str, Row]:
    live = {ref_of(one): one for one in nodes}
    return {row.name: row for row in check_placement(settings(keys), live)}


OCEANID = [node("srv712429"), node("srv712695"), node("calypso")]
FLUX, TUNNEL, NODE_TUNNEL, STUDIO = (
    "-n flux-system deployment/source-controller", "-n cloudflared deployment/cloudflared",
    "-n node-tunnels daemonset/cloudflared-tunnel", "-n apps deployment/label-studio",
)  # fmt: skip


def test_each_workload_says_which_nodes_can_run_it_with_the_labels_that_the_deploy_gives() -> None:
    found = rows(*OCEANID)
    assert {row.state for row in found.values()} == {"ok"}
    assert found[FLUX].detail == "srv712429, srv712695"  # not the machine with the GPU
    assert found[NODE_TUNNEL].detail == "calypso"
    assert {row.area for row in found.values()} == {"placement"}
    workloads = {str(one.ref) for one in EXPECTED if one.kind in ("Deployment", "DaemonSet")}
    assert found.keys() == workloads


def test_a_node_with_a_gpu_can_run_everything_and_one_that_is_tainted_only_what_tolerates_it() -> None:
    only = '[{"name": "one", "host": "one", "address": "192.0.2.1", "labels": {"gpu": "x", "tunnel-enabled": "true"}}]'
    labelled = node("one", labels={"workload-type": "gpu-compute"})
    assert {row.state for row in rows(labelled, nodes=only).values()} == {"ok"}
    tainted = rows(node("one", GPU_TAINT), nodes=only)
    assert tainted[NODE_TUNNEL].state == "ok"
    assert tainted[TUNNEL].state == "failed"
    assert tainted[TUNNEL].detail == "no node can run it: one: taint nvidia.com/gpu=present:NoSchedule"


def test_a_label_that_no_live_node_has_is_named_for_each() -> None:
    found = rows(*OCEANID, labelStudioNodeSelector="disk=fast,kubernetes.io/hostname=calypso")[STUDIO]
    assert found.state == "failed"
    assert "srv712429: no label disk=fast, no label kubernetes.io/hostname=calypso (it has srv712429)" in found.detail
    assert "calypso: no label disk=fast" in found.detail


def test_labels_that_the_program_does_not_set_must_be_there() -> None:
    found = rows(*OCEANID, manageNodeLabels="false")[NODE_TUNNEL]
    assert found.state == "failed"
    assert "calypso: no label oceanid.cluster/tunnel-enabled=true" in found.detail
    labelled = [*OCEANID, node("other", labels={"oceanid.cluster/tunnel-enabled": "true"})]
    assert rows(*labelled, manageNodeLabels="false")[NODE_TUNNEL].detail == "other"


def test_a_node_that_is_off_or_cordoned_runs_nothing_new() -> None:
    off = node(
        "calypso", status={"conditions": [{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}]}
    )
    assert rows(off)[NODE_TUNNEL].detail.endswith("calypso: not Ready: NodeStatusUnknown")
    cordoned = node("calypso", {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"})
    found = rows(cordoned)
    assert found[NODE_TUNNEL].state == "ok"
    assert found[FLUX].detail.endswith(", taint node.kubernetes.io/unschedulable:NoSchedule")
    assert rows()[FLUX].detail.endswith(": there is none")


@pytest.mark.parametrize(
    ("toleration", "taint", "free"),
    [
        ({"operator": "Exists"}, GPU_TAINT, True),
        ({"key": "nvidia.com/gpu", "operator": "Exists"}, GPU_TAINT, True),
        ({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoExecute"}, GPU_TAINT, False),
        ({"key": "nvidia.com/gpu", "operator": "Equal", "value": "present"}, GPU_TAINT, True),
        ({"key": "nvidia.com/gpu", "value": "true"}, GPU_TAINT, False),
        ({"key": "other", "operator": "Exists"}, GPU_TAINT, False),
        ({"value": "present"}, GPU_TAINT, False),
        ({"key": "a"}, {"key": "a", "effect": "NoExecute"}, True),
        ({"key": "b"}, {"key": "a", "effect": "PreferNoSchedule"}, True),
    ],
)
def test_a_taint_is_tolerated_as_kubernetes_tolerates_it(
    toleration: dict[str, str], taint: dict[str, str], free: bool
) -> None:
    assert (barriers({"tolerations": [toleration]}, node("n", taint)) == []) == free


@pytest.mark.parametrize(
    ("terms", "fits"),
    [
        ([[("disk", "In", ["fast"])]], True),
        ([[("disk", "In", ["slow"])]], False),
        ([[("disk", "NotIn", ["fast"])]], False),
        ([[("gone", "NotIn", ["fast"])]], True),
        ([[("disk", "Exists", None), ("gone", "DoesNotExist", None)]], True),
        ([[("disk", "DoesNotExist", None)]], False),
        ([[("gone", "Exists", None)], [("disk", "In", ["fast"])]], True),
    ],
)
def test_a_required_affinity_is_read_as_kubernetes_reads_it(terms: list[list[Any]], fits: bool) -> None:
    expressions = [
        {"matchExpressions": [{"key": key, "operator": how, "values": values}
                              for key, how, values in term]}
        for term in terms
    ]  # fmt: skip
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": expressions}}
    assert (missing_labels({"affinity": {"nodeAffinity": required}}, node("n", labels={"disk": "fast"})) == []) == fits
