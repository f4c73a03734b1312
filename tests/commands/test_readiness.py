"""Why something is not ready is said in Kubernetes' words, and the hint fits the reason."""

from typing import Any

import pytest

from oceanid_cluster.commands import health, readiness
from oceanid_cluster.components.facts import DEPLOY
from oceanid_cluster.components.settings import EXPECTED

CRASHED = {"terminated": {"reason": "Error", "exitCode": 3}}
DONE = {"name": "migrate", "state": {"terminated": {"reason": "Completed", "exitCode": 0}}, "ready": True}
BACK_OFF = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": CRASHED}
RUNNING = {"state": {"running": {}}}
NOT_STARTED = {"state": {"waiting": {"reason": "PodInitializing"}}}


@pytest.mark.parametrize(
    ("status", "reason", "said"),
    [
        ({"containerStatuses": [BACK_OFF]}, "crash", "p: CrashLoopBackOff after Error (exit code 3)"),
        (
            {"initContainerStatuses": [DONE], "containerStatuses": [BACK_OFF]},
            "crash", "p: CrashLoopBackOff after Error (exit code 3)",
        ),
        (
            {"initContainerStatuses": [{**DONE, "lastState": CRASHED}], "containerStatuses": [RUNNING]},
            "probe", "p: its readiness probe fails",
        ),
        (
            {"containerStatuses": [{**RUNNING, "lastState": CRASHED, "ready": True}, BACK_OFF]},
            "crash", "p: CrashLoopBackOff after Error (exit code 3)",
        ),
        (
            {"containerStatuses": [{"state": CRASHED}, {"state": {"waiting": {"reason": "ImagePullBackOff"}}}]},
            "image", "p: ImagePullBackOff",
        ),
        (
            {"initContainerStatuses": [{"state": CRASHED}], "containerStatuses": [NOT_STARTED]},
            "crash", "p: Error (exit code 3)",
        ),
        (
            {"initContainerStatuses": [DONE, {"name": "wait", **RUNNING}], "containerStatuses": [NOT_STARTED]},
            "starting", "p: its init container 'wait' still runs",
        ),
        (
            {"initContainerStatuses": [{"name": "proxy", **RUNNING, "started": True}], "containerStatuses": [RUNNING]},
            "probe", "p: its readiness probe fails",
        ),
        (
            {"containerStatuses": [{"state": {"waiting": {"reason": "CreateContainerConfigError"}}}]},
            "crash", "p: CreateContainerConfigError",
        ),
        ({"containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]}, "starting",
         "p: ContainerCreating"),
        ({"containerStatuses": [{**RUNNING, "lastState": CRASHED}]}, "crash", "p: Error (exit code 3)"),
        ({"containerStatuses": [RUNNING]}, "probe", "p: its readiness probe fails"),
        ({"containerStatuses": [{"state": {"terminated": {"reason": "Completed", "exitCode": 0}}}]}, "crash",
         "p: Completed (exit code 0)"),
        ({"phase": "Failed", "reason": "Evicted", "message": "low on\nmemory"}, "evicted", "p: Evicted: low on memory"),
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}]},
            "unscheduled", "p: 0/3 nodes are available",
        ),
        ({"conditions": [{"type": "Ready", "status": "True"}]}, "ready", ""),
        ({"conditions": None, "containerStatuses": None}, "probe", "p: its readiness probe fails"),
        ({}, "probe", "p: its readiness probe fails"),
    ],
)  # fmt: skip
def test_why_a_pod_is_not_ready(status: dict[str, Any], reason: str, said: str) -> None:
    pod = {"metadata": {"name": "p"}, "status": status}
    verdict = readiness.pod(pod)
    assert (verdict.reason, verdict.detail) == (reason, said)
    assert health.why_unready(pod) == said


def deployment(replicas: int, **status: Any) -> dict[str, Any]:
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "a"}}}
    return {"kind": "Deployment", "metadata": {"namespace": "n", "generation": 2}, "spec": spec, "status": status}


def test_a_deployment_without_pods_says_who_refuses_them() -> None:
    refused = {"type": "ReplicaFailure", "status": "True", "message": 'pods "a" is forbidden: exceeded quota'}
    verdict = readiness.workload(deployment(1, observedGeneration=2, conditions=[refused]), [])
    assert (verdict.reason, verdict.detail) == ("refused", '0/1; pods "a" is forbidden: exceeded quota')


def test_pods_on_their_way_out_are_not_blamed() -> None:
    metadata = {"name": "old", "namespace": "n", "labels": {"app": "a"}, "deletionTimestamp": "2026-01-01T00:00:00Z"}
    verdict = readiness.workload(deployment(1, observedGeneration=2), [{"metadata": metadata, "status": {}}])
    assert (verdict.reason, verdict.detail) == ("starting", "0/1")


def test_what_is_scaled_to_zero_or_deleted_is_put_back_by_a_deploy_and_nothing_else_is_hinted() -> None:
    tunnel = next(one for one in EXPECTED if one.name == "cloudflared" and one.kind == "Deployment")
    verdict = readiness.workload(deployment(0, observedGeneration=2), [])
    assert verdict.reason == "scaled"
    assert tunnel.hint("scaled") == tunnel.hint("missing") == DEPLOY
    assert "--refresh" in DEPLOY
    assert "--run-program" in DEPLOY
    assert "edge" in tunnel.hint("probe")
    for reason in ("image", "unscheduled", "refused", "starting"):
        assert tunnel.hint(reason) == ""


def node(labels: dict[str, str], ready: str = "True") -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": ready, "message": "PLEG is not healthy"}]
    return {"metadata": {"name": "calypso", "labels": labels}, "status": {"conditions": conditions}}


def test_a_node_is_judged_by_its_labels_and_its_condition() -> None:
    wanted = {"oceanid.cluster/gpu": "rtx4090"}
    assert readiness.node(node(wanted), wanted).ready
    verdict = readiness.node(node({"oceanid.cluster/gpu": "none-any-more"}), wanted)
    assert verdict.detail == "labels: oceanid.cluster/gpu=none-any-more instead of rtx4090"
    assert readiness.node(node(wanted, "Unknown"), wanted).detail == "not Ready: PLEG is not healthy"
    assert not readiness.node({"metadata": {"name": "calypso"}}, {}).ready


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ({"spec": {"suspend": True}}, "suspended"),
        ({"spec": {}, "status": None}, "silent"),
        ({"status": {"conditions": [{"type": "Ready", "status": "True"}], "observedGeneration": 1}}, "starting"),
        ({"status": {"conditions": [{"type": "Ready", "status": "True", "observedGeneration": 2}]}}, "ready"),
        ({"status": {"conditions": [{"type": "Ready", "status": "False"}], "observedGeneration": 2}}, "condition"),
        ({"status": {"conditions": [{"type": "Ready", "status": "Unknown"}], "observedGeneration": 2}}, "condition"),
    ],
)
def test_an_object_of_flux_is_judged_by_what_its_controller_says(found: dict[str, Any], reason: str) -> None:
    assert readiness.condition({"metadata": {"generation": 2}, **found}).reason == reason
