"""Why something is not ready is said in Kubernetes' words, and the hint fits the reason."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from oceanid_cluster.commands import readiness
from oceanid_cluster.commands.objects import Object, ref_of
from oceanid_cluster.components.facts import DEPLOY, ObjectRef, Reason, fix
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
    ],
)  # fmt: skip
def test_why_a_pod_is_not_ready(status: dict[str, Any], reason: str, said: str) -> None:
    pod = {"metadata": {"name": "p"}, "status": status}
    verdict = readiness.pod(pod, {})
    assert (verdict.reason, verdict.detail) == (reason, said)


def deployment(replicas: int, **status: Any) -> dict[str, Any]:
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "a"}}}
    return {"kind": "Deployment", "metadata": {"namespace": "n", "generation": 2}, "spec": spec, "status": status}


def test_a_deployment_without_pods_says_who_refuses_them() -> None:
    refused = {"type": "ReplicaFailure", "status": "True", "message": 'pods "a" is forbidden: exceeded quota'}
    verdict = readiness.workload(deployment(1, observedGeneration=2, conditions=[refused]), {})
    assert (verdict.reason, verdict.detail) == ("refused", '0/1; pods "a" is forbidden: exceeded quota')


def test_pods_on_their_way_out_are_not_blamed() -> None:
    metadata = {"name": "old", "namespace": "n", "labels": {"app": "a"}, "deletionTimestamp": "2026-01-01T00:00:00Z"}
    pod = {"kind": "Pod", "metadata": metadata, "status": {}}
    verdict = readiness.workload(deployment(1, observedGeneration=2), {ref_of(pod): pod})
    assert (verdict.reason, verdict.detail) == ("starting", "0/1")


def test_what_is_scaled_to_zero_or_deleted_is_put_back_by_a_deploy_and_nothing_else_is_hinted() -> None:
    tunnel = next(one for one in EXPECTED if one.name == "cloudflared" and one.kind == "Deployment")
    verdict = readiness.workload(deployment(0, observedGeneration=2), {})
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


def test_a_rollout_that_is_paused_is_not_ready_although_its_pods_are() -> None:
    found = deployment(1, observedGeneration=2, updatedReplicas=1, availableReplicas=1)
    found["metadata"]["name"], found["status"]["replicas"] = "a", 1
    assert readiness.workload(found, {}).reason == "ready"
    found["spec"]["paused"] = True
    assert "kubectl -n n rollout resume deployment/a" in readiness.workload(found, {}).detail


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
    assert readiness.condition({"metadata": {"generation": 2}, **found}, {}).reason == reason


DELETED = {"deletionTimestamp": "2026-11-27T10:00:00Z", "finalizers": ["kubernetes.io/pvc-protection"]}


def live(*found: Object) -> dict[ObjectRef, Object]:
    return {ref_of(one): one for one in found}


def judged(found: Object, *others: Object) -> tuple[Reason, str]:
    verdict = readiness.judge(ref_of(found), live(found, *others))
    return verdict.reason, verdict.detail


READY = {"conditions": [{"type": "Ready", "status": "True", "message": "Applied"}], "observedGeneration": 2}


@pytest.mark.parametrize(
    ("kind", "api", "status"),
    [
        ("PersistentVolumeClaim", "v1", {"phase": "Bound"}),
        ("Deployment", "apps/v1",
         {"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}),
        ("DaemonSet", "apps/v1",
         {"observedGeneration": 2, "desiredNumberScheduled": 1, "updatedNumberScheduled": 1, "numberAvailable": 1}),
        ("Kustomization", "kustomize.toolkit.fluxcd.io/v1", READY),
        ("Alert", "notification.toolkit.fluxcd.io/v1beta3", {}),
        ("Node", "v1", READY),
        ("Secret", "v1", {}),
    ],
)  # fmt: skip
def test_what_is_being_deleted_is_not_ready_whatever_its_status_says(
    kind: str, api: str, status: dict[str, Any]
) -> None:
    found = {"apiVersion": api, "kind": kind, "spec": {"replicas": 1}, "status": status}
    metadata = {"name": "x", "namespace": "n", "generation": 2}
    assert judged({**found, "metadata": metadata})[0] == "ready"
    reason, said = judged({**found, "metadata": {**metadata, **DELETED}})
    assert reason == "terminating"
    assert said == "is being deleted since 2026-11-27T10:00:00Z; it waits for kubernetes.io/pvc-protection"


def test_a_namespace_that_is_being_deleted_says_what_is_left_in_it() -> None:
    conditions = [
        {"type": "NamespaceDeletionContentFailure", "status": "False", "message": "All content successfully deleted"},
        {
            "type": "NamespaceContentRemaining",
            "status": "True",
            "message": "Some resources are left: things has 1",
        },
        {"type": "NamespaceFinalizersRemaining", "status": "True", "message": "finalizers.fluxcd.io in 1 resource"},
    ]
    metadata = {"name": "apps", "deletionTimestamp": "2026-11-27T10:00:00Z"}
    found = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata, "status": {"conditions": conditions}}
    assert judged(found)[1].endswith("; Some resources are left: things has 1; finalizers.fluxcd.io in 1 resource")


def test_every_object_that_is_not_there_is_missing() -> None:
    for kind in ("Deployment", "Kustomization", "PersistentVolumeClaim", "Node", "Secret"):
        verdict = readiness.judge(ObjectRef(kind, "n", "x"), {})
        assert (verdict.reason, verdict.detail) == ("missing", f"{kind} does not exist")


def machine(name: str, *taints: dict[str, str], ready: str = "True", **labels: str) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": ready, "message": "Kubelet stopped posting node status."}]
    metadata = {"name": name, "labels": {f"oceanid.cluster/{key.replace('_', '-')}": labels[key] for key in labels}}
    return {
        "apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"taints": list(taints)},
        "status": {"conditions": conditions},
    }  # fmt: skip


def of_node(name: str) -> dict[str, Any]:
    metadata = {"name": "p", "namespace": "n", "labels": {"app": "a"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"nodeName": name}, "status": {}}


def test_a_pod_of_a_machine_that_is_off_names_the_machine_and_not_its_probe() -> None:
    found = deployment(1, observedGeneration=2, updatedReplicas=1)
    found["metadata"]["name"] = "a"
    reason, said = judged(found, of_node("calypso"), machine("calypso", ready="Unknown"))
    assert reason == "node"
    assert said == "0/1; p: its node calypso is not Ready: Kubelet stopped posting node status."
    assert judged(found, of_node("calypso"), machine("calypso"))[0] == "probe"
    leaving = machine("calypso")
    leaving["metadata"] |= {"deletionTimestamp": "2026-11-27T10:00:00Z"}
    said = "0/1; p: its node calypso is not Ready: it is being deleted since 2026-11-27T10:00:00Z"
    assert judged(found, of_node("calypso"), leaving) == ("node", said)


GPU_TAINT = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("nodes", "reason", "said"),
    [
        ([machine("calypso")], "no node", "wants no pod: no node is selected for it"),
        ([machine("calypso", GPU_TAINT, tunnel_enabled="true")], "node",
         "wants no pod: node calypso: taint nvidia.com/gpu=present:NoSchedule"),
        ([machine("calypso", ready="Unknown", tunnel_enabled="true")], "node",
         "wants no pod: node calypso: not Ready: Kubelet stopped posting node status."),
    ],
)  # fmt: skip
def test_a_daemon_set_without_a_pod_names_the_node_that_is_in_the_way(
    nodes: list[Object], reason: str, said: str
) -> None:
    pod = {"nodeSelector": {"oceanid.cluster/tunnel-enabled": "true"}}
    found = {
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "t", "namespace": "n", "generation": 2},
        "spec": {"template": {"spec": pod}}, "status": {"observedGeneration": 2, "desiredNumberScheduled": 0},
    }  # fmt: skip
    assert judged(found, *nodes) == (reason, said)


def test_a_pod_that_no_node_takes_names_the_nodes_that_are_tainted_or_off() -> None:
    scheduled = {"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available"}
    pod = {**of_node(""), "status": {"conditions": [scheduled]}}
    nodes = [machine("calypso", GPU_TAINT), machine("tethys", ready="Unknown")]
    verdict = readiness.pod(pod, live(*nodes))
    assert verdict.reason == "unscheduled"
    assert verdict.detail == (
        "p: 0/2 nodes are available; node calypso: taint nvidia.com/gpu=present:NoSchedule;"
        " node tethys: not Ready: Kubelet stopped posting node status."
    )


def kustomization(applied: str) -> dict[str, Any]:
    source = {"sourceRef": {"kind": "GitRepository", "name": "flux-system"}}
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "spec": source,
        "metadata": {"name": "x", "namespace": "flux-system", "generation": 2},
        "status": {**READY, "lastAppliedRevision": applied},
    }  # fmt: skip


@pytest.mark.parametrize(("age", "reason"), [(1, "ready"), (600, "behind")])
def test_a_kustomization_that_is_behind_its_source_for_minutes_is_not_ready(age: int, reason: str) -> None:
    since = (datetime.now(UTC) - timedelta(seconds=age)).isoformat()
    artifact = {"revision": "main@sha1:2", "lastUpdateTime": since}
    source = {
        "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
        "metadata": {"name": "flux-system", "namespace": "flux-system"}, "status": {"artifact": artifact},
    }  # fmt: skip
    assert judged(kustomization("main@sha1:1"), source)[0] == reason
    assert judged(kustomization("main@sha1:2"), source)[0] == "ready"
    assert judged(kustomization("main@sha1:1"))[0] == "ready"
    said = judged(kustomization("main@sha1:1"), source)[1]
    assert ("has applied main@sha1:1, and not main@sha1:2" in said) == (reason == "behind")


def test_a_claim_without_a_volume_says_what_kubernetes_says() -> None:
    found = {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": "apps"},
        "spec": {"storageClassName": "gone", "resources": {"requests": {"storage": "10Gi"}}},
        "status": {"phase": "Pending"},
    }  # fmt: skip

    def event(name: str, time: str, message: str) -> dict[str, Any]:
        about = {"kind": "PersistentVolumeClaim", "namespace": "apps", "name": name}
        return {"apiVersion": "v1", "kind": "Event", "metadata": {"name": f"{name}.{time}", "namespace": "apps"},
                "involvedObject": about, "lastTimestamp": time, "message": message}  # fmt: skip

    events = [
        event("data", "2026-01-01", "old"),
        event("data", "2026-01-02", "not found"),
        event("b", "2026-01-03", "x"),
    ]
    assert judged(found, *events) == ("unbound", "Pending, 10Gi, class gone: not found")
    assert judged(found) == ("unbound", "Pending, 10Gi, class gone")
    assert judged({**found, "status": {"phase": "Lost"}}) == ("lost", "Lost, 10Gi, class gone: its volume is gone")
    assert fix("PersistentVolumeClaim", "lost") == "restore it from the backup"


def test_what_helm_made_is_put_back_by_helm() -> None:
    operator = next(one for one in EXPECTED if one.name == "pulumi-kubernetes-operator-controller-manager")
    for reason in ("missing", "scaled"):
        assert "helm rollback" in operator.hint(reason)
        assert DEPLOY not in operator.hint(reason)
