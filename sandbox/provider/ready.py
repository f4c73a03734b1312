"""Waiting: when an object of each kind counts as ready, and what to say of one that never gets there."""

import json
import re
import threading
from collections.abc import Callable
from typing import Any

from sandbox.provider.api import Cluster, Manifest

Report = Callable[[str], None]
SKIP, WAIT_FOR, TIMEOUT = "pulumi.com/skipAwait", "pulumi.com/waitFor", "pulumi.com/timeoutSeconds"
_UNSEEN = "waiting for the controller to see it"
_DEFAULT_SECONDS = 600
_DEFAULT_DELETE_SECONDS = 300


class NotReady(Exception):
    """An object exists but did not get ready; ``reasons`` say why."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


def seconds(manifest: Manifest, timeout: float) -> float:
    """How long to wait: the resource's own timeout, the annotation, or ten minutes."""
    annotated = _annotations(manifest).get(TIMEOUT)
    return timeout or float(annotated or _DEFAULT_SECONDS)


def wait_ready(cluster: Cluster, live: Manifest, timeout: float, report: Report, stopped: threading.Event) -> Manifest:
    """Wait until ``live`` is ready and return it as it is then. Raises NotReady after ``timeout`` seconds."""
    annotations = _annotations(live)
    if annotations.get(SKIP) == "true":
        return live
    condition = _condition(live, annotations.get(WAIT_FOR))
    if condition is None:
        return live
    said, current = "", live
    for found in cluster.watch(live, seconds(live, timeout)):
        if stopped.is_set():
            raise NotReady(["the operation was cancelled"])
        if found is None:
            raise NotReady(["the object was deleted while it was waited for"])
        current = found
        waiting = condition(found)
        if waiting is None:
            return found
        if waiting != said:
            report(waiting)
            said = waiting
    raise NotReady([said or "it is not ready", *_pod_reasons(cluster, current)])


def wait_gone(cluster: Cluster, manifest: Manifest, uid: str, timeout: float, stopped: threading.Event) -> None:
    """Wait until the object with this uid is gone. Raises NotReady naming its finalizers."""
    found: Manifest | None = None
    for found in cluster.watch(manifest, timeout or _DEFAULT_DELETE_SECONDS):
        if found is None or found["metadata"]["uid"] != uid:
            return
        if stopped.is_set():
            raise NotReady(["the operation was cancelled"])
    finalizers = (found or {}).get("metadata", {}).get("finalizers") or (found or {}).get("spec", {}).get("finalizers")
    raise NotReady([f"it is still there, kept by its finalizers: {finalizers}"])


def _annotations(manifest: Manifest) -> dict[str, str]:
    return manifest["metadata"].get("annotations") or {}


def _condition(live: Manifest, wait_for: str | None) -> Callable[[Manifest], str | None] | None:
    """A function that says what is still waited for, None when ready; or None where nothing is."""
    if wait_for:
        wanted: list[str] = json.loads(wait_for) if wait_for.startswith("[") else [wait_for]
        return lambda found: _all_hold(found, wanted)
    return {
        "Deployment": _deployment,
        "DaemonSet": _daemon_set,
        "StatefulSet": _stateful_set,
        "Job": _job,
        "CustomResourceDefinition": lambda found: _status_condition(found, "Established"),
        "Pod": lambda found: _status_condition(found, "Ready"),
        "Namespace": lambda found: None if found["status"].get("phase") == "Active" else "waiting for it to be active",
    }.get(live["kind"])


def _deployment(found: Manifest) -> str | None:
    wanted, status = found["spec"].get("replicas", 1), found.get("status", {})
    if status.get("observedGeneration", 0) < found["metadata"]["generation"]:
        return _UNSEEN
    updated, ready = status.get("updatedReplicas", 0), status.get("readyReplicas", 0)
    if updated >= wanted and ready >= wanted and status.get("replicas", 0) <= updated:
        return None
    return f"waiting for {min(updated, ready)} of {wanted} pods to be ready"


def _stateful_set(found: Manifest) -> str | None:
    status = found.get("status", {})
    if status.get("updateRevision") and status.get("currentRevision") != status["updateRevision"]:
        return "waiting for its new revision"
    return _deployment(found)


def _daemon_set(found: Manifest) -> str | None:
    status = found.get("status", {})
    if status.get("observedGeneration", 0) < found["metadata"]["generation"]:
        return _UNSEEN
    wanted = status.get("desiredNumberScheduled", 0)
    ready = min(status.get("updatedNumberScheduled", 0), status.get("numberReady", 0))
    return None if ready >= wanted else f"waiting for {ready} of {wanted} pods to be ready"


def _job(found: Manifest) -> str | None:
    conditions = {c["type"]: c for c in found.get("status", {}).get("conditions", []) if c["status"] == "True"}
    if "Failed" in conditions:
        raise NotReady([conditions["Failed"].get("message", "the Job failed")])
    return None if "Complete" in conditions else "waiting for the Job to complete"


def _status_condition(found: Manifest, name: str) -> str | None:
    conditions: list[dict[str, Any]] = found.get("status", {}).get("conditions") or []
    return None if any(c["type"] == name and c["status"] == "True" for c in conditions) else f"waiting for {name}"


def _all_hold(found: Manifest, wanted: list[str]) -> str | None:
    generation = found["metadata"].get("generation", 0)
    if found.get("status", {}).get("observedGeneration", generation) < generation:
        return _UNSEEN
    return next((f"waiting for {text}" for text in wanted if not _holds(found, text)), None)


def _holds(found: Manifest, text: str) -> bool:
    kind, _, rest = text.partition("=")
    if kind == "condition":
        name, _, status = rest.partition("=")
        conditions: list[dict[str, Any]] = found.get("status", {}).get("conditions") or []
        return any(c["type"] == name and c["status"] == (status or "True") for c in conditions)
    path, equals, wanted = rest.partition("}=")
    value: Any = found
    for step in re.findall(r"\w+", path.strip("{}")):
        value = value.get(step) if isinstance(value, dict) else None  # pyright: ignore[reportUnknownMemberType]
    return str(value) == wanted if equals else value is not None


def _pod_reasons(cluster: Cluster, live: Manifest) -> list[str]:
    """Which pods of a workload are not ready, and why."""
    selector: dict[str, str] = live.get("spec", {}).get("selector", {}).get("matchLabels", {})
    if not selector:
        return []
    query = ",".join(f"{name}={value}" for name, value in selector.items())
    listed = cluster.request("GET", f"/api/v1/namespaces/{live['metadata']['namespace']}/pods?labelSelector={query}")
    reasons: list[str] = []
    for pod in listed["items"]:
        status = pod.get("status", {})
        waiting = [
            f"{state['reason']} {state.get('message', '')}".strip()
            for container in status.get("containerStatuses", [])
            if (state := container.get("state", {}).get("waiting"))
        ]
        conditions = [
            f"{c.get('reason', c['type'])}: {c['message']}"
            for c in status.get("conditions", [])
            if c["status"] != "True" and c.get("message")
        ]
        if waiting or conditions:
            reasons.append(f"pod {pod['metadata']['name']}: {'; '.join([*waiting, *conditions])}")
    return reasons
