"""Why something is not ready is said in Kubernetes' words, and the hint fits the reason."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from oceanid_cluster.commands import readiness
from oceanid_cluster.commands.objects import Object, ref_of
from oceanid_cluster.components.facts import DEPLOY, Reason, fix
from oceanid_cluster.components.settings import EXPECTED

CRASHED = {"terminated": {"reason": "Error", "exitCode": 3}}
DONE = {"name": "migrate", "state": {"terminated": {"reason": "Completed", "exitCode": 0}}, "ready": True}
BACK_OFF = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": CRASHED}
RUNNING = {"state": {"running": {}}}
NOT_STARTED = {"state": {"waiting": {"reason": "PodInitializing"}}}
DELETED = {"deletionTimestamp": "2026-11-27T10:00:00Z"}
HELD = {**DELETED, "finalizers": ["kubernetes.io/pvc-protection"]}
READY = {"conditions": [{"type": "Ready", "status": "True", "message": "Applied"}], "observedGeneration": 2}
GPU_TAINT = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}


def thing(kind: str, name: str = "x", api: str = "v1", metadata: Object | None = None, **fields: Any) -> dict[str, Any]:
    """An object of the newest generation, in namespace n, with the label app=a."""
    common = {"name": name, "namespace": "n", "generation": 2, "labels": {"app": "a"}}
    return {"apiVersion": api, "kind": kind, "metadata": {**common, **(metadata or {})}, **fields}


def deployment(wanted: int, **status: int | list[Object]) -> dict[str, Any]:
    spec = {"replicas": wanted, "selector": {"matchLabels": {"app": "a"}}}
    return thing("Deployment", "a", "apps/v1", spec=spec, status={"observedGeneration": 2, **status})


def machine(name: str, *taints: dict[str, str], ready: str = "True", **metadata: Any) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": ready, "message": "Kubelet stopped posting node status."}]
    metadata = {"namespace": "", "labels": {}, **metadata}
    return thing("Node", name, metadata=metadata, spec={"taints": list(taints)}, status={"conditions": conditions})


def judged(found: Object, *others: Object, labels: dict[str, str] | None = None) -> tuple[Reason, str]:
    """Why an object is not ready, beside the others, and what is said about it."""
    verdict = readiness.judge(ref_of(found), {ref_of(one): one for one in (found, *others)}, labels)
    return verdict.reason, verdict.detail


@pytest.mark.parametrize(
    ("status", "reason", "said"),
    [
        ({"containerStatuses": [BACK_OFF]}, "crash", "p: CrashLoopBackOff after Error (exit code 3)"),
        (
            {"initContainerStatuses": [{**DONE, "lastState": CRASHED}], "containerStatuses": [RUNNING]},
            "probe", "p: its readiness probe fails",
        ),
        (
            {"containerStatuses": [{**RUNNING, "lastState": CRASHED, "ready": True}, RUNNING]},
            "probe", "p: its readiness probe fails",
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
        ({"containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]}, "starting",
         "p: ContainerCreating"),
        ({"containerStatuses": [{**RUNNING, "lastState": CRASHED}]}, "crash", "p: Error (exit code 3)"),
        ({"containerStatuses": [{"state": {"terminated": {"reason": "Completed", "exitCode": 0}}}]}, "crash",
         "p: Completed (exit code 0)"),
        ({"phase": "Failed", "reason": "Evicted", "message": "low on\nmemory"}, "evicted", "p: Evicted: low on memory"),
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}]},
            "unscheduled", "p: 0/3 nodes are available",
        ),
        ({"conditions": [{"type": "Ready", "status": "True"}]}, "ready", ""),
        ({"conditions": None, "containerStatuses": None}, "probe", "p: its readiness probe fails"),
    ],
)  # fmt: skip
def test_why_a_pod_is_not_ready(status: dict[str, Any], reason: str, said: str) -> None:
    verdict = readiness.pod(thing("Pod", "p", status=status), {})
    assert (verdict.reason, verdict.detail) == (reason, said)


def test_a_deployment_without_pods_says_who_refuses_them() -> None:
    refused = {"type": "ReplicaFailure", "status": "True", "message": 'pods "a" is forbidden: exceeded quota'}
    assert judged(deployment(1, conditions=[refused])) == ("refused", '0/1; pods "a" is forbidden: exceeded quota')


def test_pods_on_their_way_out_are_not_blamed() -> None:
    assert judged(deployment(1), thing("Pod", "old", metadata=DELETED)) == ("starting", "0/1")


def test_what_is_scaled_to_zero_or_deleted_is_put_back_by_a_deploy_and_nothing_else_is_hinted() -> None:
    tunnel = next(one for one in EXPECTED if one.name == "cloudflared" and one.kind == "Deployment")
    assert judged(deployment(0)) == ("scaled", "wants no pod: scaled to zero")
    assert tunnel.hint("scaled") == tunnel.hint("missing") == DEPLOY
    assert "--refresh" in DEPLOY
    assert "--run-program" in DEPLOY
    assert "edge" in tunnel.hint("probe")
    for reason in ("image", "unscheduled", "refused", "starting"):
        assert tunnel.hint(reason) == ""


def test_a_rollout_that_is_paused_is_not_ready_although_its_pods_are() -> None:
    found = deployment(1, replicas=1, updatedReplicas=1, availableReplicas=1)
    assert judged(found) == ("ready", "1/1")
    found["spec"]["paused"] = True
    assert "kubectl -n n rollout resume deployment/a" in judged(found)[1]


def test_a_node_is_judged_by_its_labels_and_its_condition() -> None:
    wanted = {"oceanid.cluster/gpu": "rtx4090"}
    assert judged(machine("calypso", labels=wanted), labels=wanted) == ("ready", "Ready, 1 labels")
    said = "labels: oceanid.cluster/gpu=none-any-more instead of rtx4090"
    assert judged(machine("calypso", labels={"oceanid.cluster/gpu": "none-any-more"}), labels=wanted)[1] == said
    assert judged(machine("calypso", ready="Unknown"))[1] == "not Ready: Kubelet stopped posting node status."
    assert judged({"kind": "Node", "metadata": {"name": "calypso"}})[0] == "node"


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
    assert judged(thing("GitRepository", api="source.toolkit.fluxcd.io/v1", **found))[0] == reason


@pytest.mark.parametrize(
    "found",
    [
        thing("PersistentVolumeClaim", status={"phase": "Bound"}),
        deployment(1, replicas=1, updatedReplicas=1, availableReplicas=1),
        thing("DaemonSet", spec={}, status={"observedGeneration": 2, "desiredNumberScheduled": 1,
                                            "updatedNumberScheduled": 1, "numberAvailable": 1}),
        thing("Kustomization", api="kustomize.toolkit.fluxcd.io/v1", status=READY),
        thing("Alert", api="notification.toolkit.fluxcd.io/v1beta3"),
        machine("x"),
        thing("Secret"),
    ],
    ids=lambda found: found["kind"],
)  # fmt: skip
def test_what_is_being_deleted_is_not_ready_whatever_its_status_says(found: dict[str, Any]) -> None:
    assert judged(found)[0] == "ready"
    said = "is being deleted since 2026-11-27T10:00:00Z; it waits for kubernetes.io/pvc-protection"
    assert judged({**found, "metadata": {**found["metadata"], **HELD}}) == ("terminating", said)
    missing = readiness.judge(ref_of(found), {})
    assert (missing.reason, missing.detail) == ("missing", f"{found['kind']} does not exist")


def test_a_namespace_that_is_being_deleted_says_what_is_left_in_it() -> None:
    conditions = [
        {"type": "NamespaceDeletionContentFailure", "status": "False", "message": "All content successfully deleted"},
        {"type": "NamespaceContentRemaining", "status": "True", "message": "Some resources are left: things has 1"},
        {"type": "NamespaceFinalizersRemaining", "status": "True", "message": "finalizers.fluxcd.io in 1 resource"},
    ]
    found = thing("Namespace", metadata=DELETED, status={"conditions": conditions})
    assert judged(found)[1].endswith("; Some resources are left: things has 1; finalizers.fluxcd.io in 1 resource")


def test_a_pod_of_a_machine_that_is_off_names_the_machine_and_not_its_probe() -> None:
    found, pod = deployment(1, updatedReplicas=1), thing("Pod", "p", spec={"nodeName": "calypso"}, status={})
    said = "0/1; p: its node calypso is not Ready: Kubelet stopped posting node status."
    assert judged(found, pod, machine("calypso", ready="Unknown")) == ("node", said)
    assert judged(found, pod, machine("calypso"))[0] == "probe"
    said = "0/1; p: its node calypso is not Ready: it is being deleted since 2026-11-27T10:00:00Z"
    assert judged(found, pod, machine("calypso", **DELETED)) == ("node", said)


TUNNEL = {"oceanid.cluster/tunnel-enabled": "true"}


@pytest.mark.parametrize(
    ("node", "reason", "said"),
    [
        (machine("calypso"), "no node", "no node is selected for it"),
        (machine("calypso", GPU_TAINT, labels=TUNNEL), "node",
         "node calypso: taint nvidia.com/gpu=present:NoSchedule"),
        (machine("calypso", ready="Unknown", labels=TUNNEL), "node",
         "node calypso: not Ready: Kubelet stopped posting node status."),
    ],
)  # fmt: skip
def test_a_daemon_set_without_a_pod_names_the_node_that_is_in_the_way(node: Object, reason: str, said: str) -> None:
    spec = {"template": {"spec": {"nodeSelector": TUNNEL}}}
    found = thing("DaemonSet", spec=spec, status={"observedGeneration": 2, "desiredNumberScheduled": 0})
    assert judged(found, node) == (reason, f"wants no pod: {said}")


def test_a_pod_that_no_node_takes_names_the_nodes_that_are_tainted_or_off() -> None:
    scheduled = {"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available"}
    pod = thing("Pod", "p", status={"conditions": [scheduled]})
    nodes = [machine("calypso", GPU_TAINT), machine("tethys", ready="Unknown")]
    why = "node calypso: taint nvidia.com/gpu=present:NoSchedule; node tethys: not Ready: Kubelet stopped posting"
    reason, said = judged(deployment(1), pod, *nodes)
    assert reason == "unscheduled"
    assert said == f"0/1; p: 0/2 nodes are available; {why} node status."


@pytest.mark.parametrize(("age", "reason"), [(1, "ready"), (600, "behind")])
def test_a_kustomization_that_is_behind_its_source_for_minutes_is_not_ready(age: int, reason: str) -> None:
    since = (datetime.now(UTC) - timedelta(seconds=age)).isoformat()
    artifact = {"revision": "main@sha1:2", "lastUpdateTime": since}
    source = thing("GitRepository", api="source.toolkit.fluxcd.io/v1", status={"artifact": artifact})

    def applying(revision: str) -> dict[str, Any]:
        spec = {"sourceRef": {"kind": "GitRepository", "name": "x"}}
        status = {**READY, "lastAppliedRevision": revision}
        return thing("Kustomization", api="kustomize.toolkit.fluxcd.io/v1", spec=spec, status=status)

    assert judged(applying("main@sha1:2"), source)[0] == "ready"
    assert judged(applying("main@sha1:1"))[0] == "ready"
    found, said = judged(applying("main@sha1:1"), source)
    assert found == reason
    assert ("has applied main@sha1:1, and not main@sha1:2" in said) == (reason == "behind")


def test_a_claim_without_a_volume_says_what_kubernetes_says() -> None:
    spec = {"storageClassName": "gone", "resources": {"requests": {"storage": "10Gi"}}}
    found = thing("PersistentVolumeClaim", "data", spec=spec, status={"phase": "Pending"})

    def event(name: str, time: str, message: str) -> dict[str, Any]:
        about = {"kind": "PersistentVolumeClaim", "namespace": "n", "name": name}
        return thing("Event", f"{name}.{time}", involvedObject=about, lastTimestamp=time, message=message)

    events = [event("data", "2026-01-01", "old"), event("data", "2026-01-02", "not found"), event("b", "2026-2", "x")]
    assert judged(found, *events) == ("unbound", "Pending, 10Gi, class gone: not found")
    assert judged(found) == ("unbound", "Pending, 10Gi, class gone")
    assert judged({**found, "status": {"phase": "Lost"}}) == ("lost", "Lost, 10Gi, class gone: its volume is gone")
    assert fix("PersistentVolumeClaim", "lost") == "restore it from the backup"


def test_what_helm_made_is_put_back_by_helm() -> None:
    operator = next(one for one in EXPECTED if one.name == "pulumi-kubernetes-operator-controller-manager")
    for reason in ("missing", "scaled"):
        assert "helm rollback" in operator.hint(reason)
        assert DEPLOY not in operator.hint(reason)
