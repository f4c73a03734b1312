"""Whether a live object is ready, and why not: in Kubernetes' own words, with the kind of reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from oceanid_cluster.commands.objects import Object, condition_of, entries, labels_of, part
from oceanid_cluster.components.facts import Reason

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
    status = part(found, "status")
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
        verdicts = _own_conditions(found)
    detail = "; ".join([f"{min(available, updated)}/{wanted}", *(verdict.detail for verdict in verdicts[:3])])
    return Verdict(verdicts[0].reason if verdicts else "starting", detail)


def _belongs(one: Object, owner: Object) -> bool:
    wanted = part(owner, "spec", "selector", "matchLabels").items()
    return one["metadata"]["namespace"] == owner["metadata"]["namespace"] and wanted <= labels_of(one).items()


def _own_conditions(found: Object) -> list[Verdict]:
    """What a Deployment says when it has no pod to blame: a quota or an admission policy refuses it."""
    bad = {"ReplicaFailure": "True", "Progressing": "False"}
    conditions = [condition_of(found, kind) for kind, status in bad.items()
                  if condition_of(found, kind).get("status") == status]  # fmt: skip
    return [Verdict("refused", _words(one.get("message") or one.get("reason"))) for one in conditions]


def pod(found: Object) -> Verdict:
    """Why a pod is not ready, with its name. What fails comes before what waits for it."""
    name = found["metadata"]["name"]
    if condition_of(found, "Ready").get("status") == "True" or found["metadata"].get("deletionTimestamp"):
        return Verdict("ready", "")
    status = part(found, "status")
    if status.get("reason"):  # Evicted, NodeLost
        return Verdict("evicted", f"{name}: {status['reason']}: {_words(status.get('message'))}")
    initial, containers = (
        entries(found, "status", "initContainerStatuses"),
        entries(found, "status", "containerStatuses"),
    )
    failing = [
        *(_waiting(one) for one in (*initial, *containers)),
        *(_failed(one) for one in initial),
        *(_ended(one) for one in containers),
    ]
    for verdict in filter(None, failing):
        return Verdict(verdict.reason, f"{name}: {verdict.detail}")
    scheduled = condition_of(found, "PodScheduled")
    if scheduled.get("status") == "False":
        return Verdict("unscheduled", f"{name}: {scheduled.get('message') or scheduled.get('reason')}")
    at_work = [one for one in initial if "running" in part(one, "state") and not one.get("started")]
    if at_work and any("waiting" in part(one, "state") for one in containers):
        return Verdict("starting", f"{name}: its init container '{at_work[0].get('name')}' still runs")
    if any(part(one, "state", "waiting").get("reason") == "ContainerCreating" for one in containers):
        return Verdict("starting", f"{name}: ContainerCreating")
    return Verdict("probe", f"{name}: {condition_of(found, 'Ready').get('message') or 'its readiness probe fails'}")


def _waiting(container: Object) -> Verdict | None:
    """A container that cannot start: CrashLoopBackOff, ImagePullBackOff, CreateContainerConfigError."""
    reason = part(container, "state", "waiting").get("reason")
    if reason in _JUST_STARTING:
        return None
    before = part(container, "lastState", "terminated")
    kind: Reason = "image" if reason in _IMAGE else "crash"
    return Verdict(kind, f"{reason}{f' after {_end(before)}' if before else ''}")


def _failed(container: Object) -> Verdict | None:
    """An init container that failed; one that ended well has done its work."""
    ended = part(container, "state", "terminated")
    return Verdict("crash", _end(ended)) if ended and ended.get("exitCode") != 0 else None


def _ended(container: Object) -> Verdict | None:
    """A container that ended, or that was started again after it did and is not ready yet."""
    ended = part(container, "state", "terminated") or part(container, "lastState", "terminated")
    return Verdict("crash", _end(ended)) if ended and not container.get("ready") else None


def _end(ended: Object) -> str:
    return f"{ended.get('reason') or 'its end'} (exit code {ended.get('exitCode')})"


def condition(found: Object) -> Verdict:
    """Whether a Flux object is reconciled in its newest version, and what its controller says."""
    if part(found, "spec").get("suspend"):
        return Verdict("suspended", "suspended")
    ready = condition_of(found, "Ready")
    if not ready:
        return Verdict("silent", "its controller has not reported yet")
    observed = part(found, "status").get("observedGeneration", ready.get("observedGeneration", 0))
    detail = _words(ready.get("message") or ready.get("reason"))
    if observed < found["metadata"]["generation"]:
        return Verdict("starting", f"not yet in its newest version: {detail}")
    return Verdict("ready" if ready["status"] == "True" else "condition", detail)


def node(found: Object, labels: Mapping[str, str]) -> Verdict:
    """Whether a node is Ready and carries the labels that the program sets."""
    own = labels_of(found)
    wrong = [
        f"{key}={own.get(key, 'none')} instead of {value}" for key, value in labels.items() if own.get(key) != value
    ]
    if wrong:
        return Verdict("changed", f"labels: {', '.join(wrong)}")
    ready = condition_of(found, "Ready")
    if ready.get("status") != "True":
        why = _words(ready.get("message") or ready.get("reason") or "the kubelet has not reported")
        return Verdict("condition", f"not Ready: {why}")
    return Verdict("ready", f"Ready, {len(labels)} labels")


def _words(text: object) -> str:
    """A message of a controller on one line, of a bearable length."""
    return " ".join(str(text).split())[:200]
