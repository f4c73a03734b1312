"""Whether a live object is there, ready, or being deleted: in Kubernetes' own words, with the kind of reason."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from oceanid_cluster.commands.objects import (
    Object,
    condition_of,
    entries,
    is_of_flux,
    labels_of,
    part,
    terminating,
    words,
)
from oceanid_cluster.commands.scheduling import barriers, missing_labels, not_ready
from oceanid_cluster.components.facts import ObjectRef, Reason
from oceanid_cluster.components.settings import CUSTOM_RESOURCES

# Reasons of the kubelet for a container that waits without a fault (pkg/kubelet/kubelet_pods.go).
_JUST_STARTING = (None, "PodInitializing", "ContainerCreating")
_IMAGE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError")
SILENT = "its controller has not reported yet"
# A living kustomize-controller is told of a new revision at once, and says within seconds that it applies it.
_GRACE_SECONDS = 120
Live = Mapping[ObjectRef, Object]


@dataclass(frozen=True)
class Verdict:
    """Whether an object is ready, why not, and what to say about it."""

    reason: Reason
    detail: str

    @property
    def ready(self) -> bool:
        """Whether nothing is wrong."""
        return self.reason == "ready"


def judge(ref: ObjectRef, live: Live, labels: Mapping[str, str] | None = None) -> Verdict:
    """Whether an object is there, ready, or being deleted.

    ``live`` has the object, and what it depends on: its namespace, pods and nodes, volume and events of a claim,
    the source of a Kustomization. ``labels`` are those that a node must carry.
    """
    found = live.get(ref)
    since = terminating(found) if found else f"{ref.kind} does not exist"
    if since and terminating(live.get(ObjectRef("Namespace", "", ref.namespace), {})):
        return Verdict("namespace", f"{since}; its namespace is being deleted")
    if found is None:
        return Verdict("missing", since)
    if since:
        return Verdict("terminating", since)
    match ref.kind:
        case "Deployment" | "DaemonSet":
            return workload(found, live)
        case "Node":
            return node(found, labels or {})
        case "PersistentVolumeClaim":
            return claim(found, live)
        case _:
            custom = CUSTOM_RESOURCES.get(ref.kind)
            if is_of_flux(found) and not (custom and custom.static):
                return condition(found, live)
            return Verdict("ready", "exists")


def workload(found: Object, live: Live) -> Verdict:
    """Whether the newest version of a Deployment or DaemonSet runs everywhere, and how far it is."""
    status = part(found, "status")
    if found["kind"] == "Deployment":
        wanted = found["spec"].get("replicas", 1)
        updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
        settled = status.get("replicas", 0) == wanted
    else:
        wanted = status.get("desiredNumberScheduled", 0)
        updated, available = status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
        settled = True
    current = status.get("observedGeneration", 0) >= found["metadata"]["generation"]
    if found["spec"].get("paused"):  # it runs on as it is, and takes nothing new
        name, namespace = found["metadata"]["name"], found["metadata"]["namespace"]
        return Verdict("paused", f"its rollout is paused: kubectl -n {namespace} rollout resume deployment/{name}")
    if wanted == 0 and found["kind"] == "Deployment":
        return Verdict("scaled", "wants no pod: scaled to zero")
    if wanted == 0 and current:  # no node has its labels, or something keeps it off those that have
        kept_off = _kept_off(part(found, "spec", "template", "spec"), live, daemon=True)
        why = "; ".join(kept_off) or "no node is selected for it"
        return Verdict("node" if kept_off else "no node", f"wants no pod: {why}")
    if current and settled and updated == available == wanted:
        return Verdict("ready", f"{available}/{wanted}")
    pods = [one for ref, one in live.items() if ref.kind == "Pod" and _belongs(one, found)]
    verdicts = [verdict for verdict in (pod(one, live) for one in pods) if not verdict.ready]
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
    return [Verdict("refused", words(one.get("message") or one.get("reason"))) for one in conditions]


def pod(found: Object, live: Live) -> Verdict:
    """Why a pod is not ready, with its name."""
    if condition_of(found, "Ready").get("status") == "True" or terminating(found):
        return Verdict("ready", "")
    verdict = _unready_pod(found, live)
    return Verdict(verdict.reason, f"{found['metadata']['name']}: {verdict.detail}")


def _unready_pod(found: Object, live: Live) -> Verdict:
    """What fails comes before what waits for it. Of a node that is not ready everything else is old news."""
    status = part(found, "status")
    if status.get("reason"):  # Evicted, NodeLost
        return Verdict("evicted", f"{status['reason']}: {words(status.get('message'))}")
    where = live.get(ObjectRef("Node", "", str(part(found, "spec").get("nodeName"))))
    if where and (why := not_ready(where)):
        return Verdict("node", f"its node {where['metadata']['name']} is not Ready: {why}")
    initial, containers = entries(status, "initContainerStatuses"), entries(status, "containerStatuses")
    if broken := next(_broken(initial, containers), None):
        return broken
    scheduled = condition_of(found, "PodScheduled")
    if scheduled.get("status") == "False":
        said = str(scheduled.get("message") or scheduled.get("reason"))
        return Verdict("unscheduled", "; ".join([said, *_kept_off(part(found, "spec"), live)]))
    at_work = [one for one in initial if "running" in part(one, "state") and not one.get("started")]
    if at_work and any("waiting" in part(one, "state") for one in containers):
        return Verdict("starting", f"its init container '{at_work[0].get('name')}' still runs")
    if any(part(one, "state", "waiting").get("reason") == "ContainerCreating" for one in containers):
        return Verdict("starting", "ContainerCreating")
    return Verdict("probe", condition_of(found, "Ready").get("message") or "its readiness probe fails")


def _kept_off(spec: Object, live: Live, *, daemon: bool = False) -> list[str]:
    """The nodes that have the labels which a pod asks for, and what keeps it off: Kubernetes only counts them."""
    nodes = [one for ref, one in live.items() if ref.kind == "Node" and not missing_labels(spec, one)]
    kept_off = {one["metadata"]["name"]: barriers(spec, one, daemon=daemon) for one in nodes}
    return [f"node {name}: {', '.join(why)}" for name, why in kept_off.items() if why]


def _broken(initial: Sequence[Object], containers: Sequence[Object]) -> Iterator[Verdict]:
    """The containers of a pod that cannot start, then the init containers that failed, then the others that ended."""
    for one in (*initial, *containers):
        reason, before = part(one, "state", "waiting").get("reason"), part(one, "lastState", "terminated")
        if reason not in _JUST_STARTING:  # CrashLoopBackOff, ImagePullBackOff, CreateContainerConfigError
            kind: Reason = "image" if reason in _IMAGE else "crash"
            yield Verdict(kind, f"{reason}{f' after {_end(before)}' if before else ''}")
    for one in initial:  # one that ended well has done its work
        ended = part(one, "state", "terminated")
        if ended and ended.get("exitCode") != 0:
            yield Verdict("crash", _end(ended))
    for one in containers:  # also one that was started again after it ended, and is not ready yet
        ended = part(one, "state", "terminated") or part(one, "lastState", "terminated")
        if ended and not one.get("ready"):
            yield Verdict("crash", _end(ended))


def _end(ended: Object) -> str:
    return f"{ended.get('reason') or 'its end'} (exit code {ended.get('exitCode')})"


def condition(found: Object, live: Live) -> Verdict:
    """Whether a Flux object is reconciled in its newest version, and what its controller says."""
    if part(found, "spec").get("suspend"):
        return Verdict("suspended", "suspended")
    ready = condition_of(found, "Ready")
    if not ready:
        return Verdict("silent", SILENT)
    observed = part(found, "status").get("observedGeneration", ready.get("observedGeneration", 0))
    detail = words(ready.get("message") or ready.get("reason"))
    if observed < found["metadata"]["generation"]:
        return Verdict("starting", f"not yet in its newest version: {detail}")
    if ready["status"] != "True":
        return Verdict("condition", detail)
    return _behind(found, live) or Verdict("ready", detail)


def _behind(found: Object, live: Live) -> Verdict | None:
    """A Kustomization that has not applied what its source has had for a while: its controller hangs, or is dead.

    Both rows say Ready then (kustomize-controller: api/v1, lastAppliedRevision; source-controller: api/v1, Artifact).
    """
    source = part(found, "spec", "sourceRef")
    namespace = source.get("namespace") or found["metadata"].get("namespace", "")
    origin = live.get(ObjectRef(str(source.get("kind")), namespace, str(source.get("name")))) or {}
    artifact = part(origin, "status", "artifact")
    applied, newest = part(found, "status").get("lastAppliedRevision"), artifact.get("revision")
    try:
        age = datetime.now(UTC) - datetime.fromisoformat(str(artifact.get("lastUpdateTime")))
    except (ValueError, TypeError):
        return None
    if not applied or not newest or applied == newest or age.total_seconds() < _GRACE_SECONDS:
        return None
    since = artifact["lastUpdateTime"]
    return Verdict("behind", f"has applied {applied}, and not {newest}, which its source has since {since}")


def claim(found: Object, live: Live) -> Verdict:
    """Whether a claim has its volume, and keeps it; else what Kubernetes says last about it."""
    phase = part(found, "status").get("phase", "Pending")
    spec = part(found, "spec")
    size = part(spec, "resources", "requests").get("storage", "")
    detail = f"{phase}, {size}, class {spec.get('storageClassName') or 'none'}"
    if phase == "Bound":
        volume = ObjectRef("PersistentVolume", "", str(spec.get("volumeName")))
        going = terminating(live.get(volume, {}))
        return Verdict("terminating", f"{detail}: {volume} {going}") if going else Verdict("ready", detail)
    if phase == "Lost":
        return Verdict("lost", f"{detail}: its volume is gone")
    said = newest_event(found, live)
    return Verdict("unbound", f"{detail}: {words(said['message'])}" if said.get("message") else detail)


def newest_event(found: Object, live: Live) -> Object:
    """The newest event about a claim; empty when there is none."""
    name = found["metadata"]["name"]
    about = [
        one for ref, one in live.items() if ref.kind == "Event" and part(one, "involvedObject").get("name") == name
    ]
    return max(about, key=lambda one: str(one.get("lastTimestamp") or one.get("eventTime") or ""), default=part({}))


def node(found: Object, labels: Mapping[str, str]) -> Verdict:
    """Whether a node is Ready and carries the labels that the program sets."""
    own = labels_of(found)
    wrong = [
        f"{key}={own.get(key, 'none')} instead of {value}" for key, value in labels.items() if own.get(key) != value
    ]
    if wrong:
        return Verdict("changed", f"labels: {', '.join(wrong)}")
    if why := not_ready(found):
        return Verdict("node", f"not Ready: {why}")
    return Verdict("ready", f"Ready, {len(labels)} labels")
