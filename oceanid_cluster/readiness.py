"""Whether a live object is ready, and why not: in Kubernetes' own words, with the kind of reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Object = Mapping[str, Any]
Reason = Literal[
    "ready", "missing", "scaled", "no node", "unscheduled", "image", "starting", "crash", "probe", "condition",
    "suspended", "silent", "changed",
]  # fmt: skip

# Reasons of the kubelet for a container that waits without a fault (pkg/kubelet/kubelet_pods.go).
_JUST_STARTING = (None, "PodInitializing", "ContainerCreating")
_IMAGE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError")


@dataclass(frozen=True)
class Verdict:
    """Whether an object is ready, why not, and what to say about it."""

    reason: Reason
    detail: str

    @property
    def ready(self) -> bool:
        """Whether nothing is wrong."""
        return self.reason == "ready"


def workload(found: Object, pods: Sequence[Object]) -> Verdict:
    """Whether the newest version of a Deployment or DaemonSet runs everywhere, and how far it is."""
    status: Mapping[str, Any] = found.get("status") or {}
    if found["kind"] == "Deployment":
        wanted = found["spec"].get("replicas", 1)
        updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
        settled = status.get("replicas", 0) == wanted
        none = Verdict("scaled", "wants no pod: scaled to zero")
    else:
        wanted = status.get("desiredNumberScheduled", 0)
        updated, available = status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
        settled = True
        none = Verdict("no node", "wants no pod: no node is selected for it")
    current = status.get("observedGeneration", 0) >= found["metadata"]["generation"]
    if wanted == 0 and (current or found["kind"] == "Deployment"):
        return none
    if current and settled and updated == available == wanted:
        return Verdict("ready", f"{available}/{wanted}")
    verdicts = [verdict for verdict in (pod(one) for one in pods if _belongs(one, found)) if not verdict.ready]
    if not verdicts:
        verdicts = _own_conditions(status)
    detail = "; ".join([f"{min(available, updated)}/{wanted}", *(verdict.detail for verdict in verdicts[:3])])
    return Verdict(verdicts[0].reason if verdicts else "starting", detail)


def _belongs(one: Object, workload: Object) -> bool:
    wanted = workload["spec"]["selector"]["matchLabels"].items()
    same_namespace = one["metadata"]["namespace"] == workload["metadata"]["namespace"]
    return same_namespace and wanted <= (one["metadata"].get("labels") or {}).items()


def _own_conditions(status: Mapping[str, Any]) -> list[Verdict]:
    """What a Deployment says when it has no pod to blame: a quota or an admission policy refuses it."""
    bad = {"ReplicaFailure": "True", "Progressing": "False"}
    conditions: Sequence[Mapping[str, Any]] = status.get("conditions") or []
    said = [one.get("message") or one.get("reason") for one in conditions if bad.get(one["type"]) == one["status"]]
    return [Verdict("crash", " ".join(str(text).split())[:200]) for text in said]


def pod(found: Object) -> Verdict:
    """Why a pod is not ready, with its name. What fails comes before what waits for it."""
    name = found["metadata"]["name"]
    status: Mapping[str, Any] = found.get("status") or {}
    conditions = {condition["type"]: condition for condition in status.get("conditions") or []}
    if conditions.get("Ready", {}).get("status") == "True" or found["metadata"].get("deletionTimestamp"):
        return Verdict("ready", "")
    if status.get("reason"):  # Evicted, NodeLost
        return Verdict("crash", f"{name}: {status['reason']}: {status.get('message') or 'no message'}")
    initial: Sequence[Mapping[str, Any]] = status.get("initContainerStatuses") or []
    containers: Sequence[Mapping[str, Any]] = status.get("containerStatuses") or []
    failing = [
        *(_waiting(one) for one in (*initial, *containers)),
        *(_failed(one) for one in initial),
        *(_ended(one) for one in containers),
    ]
    for verdict in filter(None, failing):
        return Verdict(verdict.reason, f"{name}: {verdict.detail}")
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return Verdict("unscheduled", f"{name}: {scheduled.get('message') or scheduled.get('reason')}")
    at_work = [one for one in initial if "running" in (one.get("state") or {}) and not one.get("started")]
    if at_work and any("waiting" in (one.get("state") or {}) for one in containers):
        return Verdict("starting", f"{name}: its init container '{at_work[0].get('name')}' still runs")
    if any((one.get("state") or {}).get("waiting", {}).get("reason") == "ContainerCreating" for one in containers):
        return Verdict("starting", f"{name}: ContainerCreating")
    message = conditions.get("Ready", {}).get("message") or "its readiness probe fails"
    return Verdict("probe", f"{name}: {message}")


def _waiting(container: Mapping[str, Any]) -> Verdict | None:
    """A container that cannot start: CrashLoopBackOff, ImagePullBackOff, CreateContainerConfigError."""
    waiting = (container.get("state") or {}).get("waiting")
    if not waiting or waiting.get("reason") in _JUST_STARTING:
        return None
    before = (container.get("lastState") or {}).get("terminated")
    detail = f"{waiting['reason']}{f' after {_end(before)}' if before else ''}"
    return Verdict("image" if waiting["reason"] in _IMAGE else "crash", detail)


def _failed(container: Mapping[str, Any]) -> Verdict | None:
    """An init container that failed; one that ended well has done its work."""
    ended = (container.get("state") or {}).get("terminated")
    return Verdict("crash", _end(ended)) if ended and ended.get("exitCode") != 0 else None


def _ended(container: Mapping[str, Any]) -> Verdict | None:
    """A container that ended, or that was started again after it did and is not ready yet."""
    ended = (container.get("state") or {}).get("terminated") or (container.get("lastState") or {}).get("terminated")
    return Verdict("crash", _end(ended)) if ended and not container.get("ready") else None


def _end(ended: Mapping[str, Any]) -> str:
    return f"{ended.get('reason') or 'its end'} (exit code {ended.get('exitCode')})"


def condition(found: Object) -> Verdict:
    """Whether a Flux object is reconciled in its newest version, and what its controller says."""
    if (found.get("spec") or {}).get("suspend"):
        return Verdict("suspended", "suspended")
    status: Mapping[str, Any] = found.get("status") or {}
    conditions: Sequence[Mapping[str, Any]] = status.get("conditions") or []
    ready = next((one for one in conditions if one["type"] == "Ready"), None)
    if ready is None:
        return Verdict("silent", "its controller has not reported yet")
    observed = status.get("observedGeneration", ready.get("observedGeneration", 0))
    detail = " ".join(str(ready.get("message") or ready.get("reason")).split())[:200]
    if observed < found["metadata"]["generation"]:
        return Verdict("condition", f"not yet in its newest version: {detail}")
    return Verdict("ready" if ready["status"] == "True" else "condition", detail)


def node(found: Object, labels: Mapping[str, str]) -> Verdict:
    """Whether a node is Ready and carries the labels that the program sets."""
    own: Mapping[str, str] = found["metadata"].get("labels") or {}
    wrong = [
        f"{key}={own.get(key, 'none')} instead of {value}" for key, value in labels.items() if own.get(key) != value
    ]
    if wrong:
        return Verdict("changed", f"labels: {', '.join(wrong)}")
    conditions: Sequence[Mapping[str, Any]] = (found.get("status") or {}).get("conditions") or []
    ready = next((one for one in conditions if one["type"] == "Ready"), None)
    if ready is None or ready["status"] != "True":
        why = (ready or {}).get("message") or (ready or {}).get("reason") or "the kubelet has not reported"
        return Verdict("condition", f"not Ready: {why}")
    return Verdict("ready", f"Ready, {len(labels)} labels")
