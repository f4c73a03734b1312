"""Is the cluster healthy? ``python -m oceanid_cluster.health``: read-only, one table, an exit code.

Exit code 0: everything is ready. 1: something is not. 2: the cluster, or Pulumi, could not be asked.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from oceanid_cluster import report
from oceanid_cluster.commands import CommandError, answer, kubectl_get
from oceanid_cluster.landmarks import LANDMARKS, RESOURCES, Landmark
from oceanid_cluster.report import Row

_POLL_SECONDS = 2  # kubectl watches one kind at a time, and we wait for five
_PROGRESS_SECONDS = 10
Object = Mapping[str, Any]


def check(components: frozenset[str]) -> list[Row]:
    """The state of every landmark of the given components, as it is now. Raises CommandError."""
    wanted = [landmark for landmark in LANDMARKS if landmark.component in components]
    live: dict[tuple[str, str, str], Object] = {}
    for kind in dict.fromkeys(landmark.kind for landmark in wanted):
        for one in kubectl_get(RESOURCES[kind], "-A"):
            live[(kind, one["metadata"]["namespace"], one["metadata"]["name"])] = one
    pods = kubectl_get("pods", "-A")
    return [_row(landmark, live.get((landmark.kind, landmark.namespace, landmark.name)), pods) for landmark in wanted]


def _row(landmark: Landmark, found: Object | None, pods: Sequence[Object]) -> Row:
    place = f"-n {landmark.namespace} {landmark.kind.lower()}/{landmark.name}"  # as kubectl takes it
    if found is None:
        return Row(landmark.component, place, "failed", f"{landmark.kind} does not exist")
    if landmark.kind in ("Deployment", "DaemonSet"):
        ready, detail = _workload(found, pods)
    else:
        ready, detail = _condition(found)
    hint = f" ({landmark.hint})" if landmark.hint and not ready else ""
    return Row(landmark.component, place, "ok" if ready else "failed", detail + hint)


def _workload(found: Object, pods: Sequence[Object]) -> tuple[bool, str]:
    """Whether the newest version of a Deployment or DaemonSet runs everywhere, and how far it is."""
    status: Mapping[str, Any] = found.get("status", {})
    if found["kind"] == "Deployment":
        wanted = found["spec"].get("replicas", 1)
        updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
        settled = status.get("replicas", 0) == wanted
    else:
        wanted = status.get("desiredNumberScheduled", 0)
        updated, available = status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
        settled = True
    current = status.get("observedGeneration", 0) >= found["metadata"]["generation"]
    if wanted == 0:
        return False, "wants no pod: scaled to zero" if found["kind"] == "Deployment" else "no node is selected for it"
    if current and settled and updated == available == wanted:
        return True, f"{available}/{wanted}"
    reasons = [why_unready(pod) for pod in pods if _belongs(pod, found)]
    return False, "; ".join([f"{min(available, updated)}/{wanted}", *filter(None, reasons)][:4])


def _belongs(pod: Object, workload: Object) -> bool:
    wanted = workload["spec"]["selector"]["matchLabels"].items()
    same_namespace = pod["metadata"]["namespace"] == workload["metadata"]["namespace"]
    return same_namespace and wanted <= pod["metadata"].get("labels", {}).items()


def why_unready(pod: Object) -> str:
    """Why a pod is not ready, with its name; empty when it is."""
    status: Mapping[str, Any] = pod.get("status", {})
    conditions = {condition["type"]: condition for condition in status.get("conditions", [])}
    if conditions.get("Ready", {}).get("status") == "True":
        return ""
    name = pod["metadata"]["name"]
    for container in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
        waiting = container.get("state", {}).get("waiting")
        ended = container.get("state", {}).get("terminated") or container.get("lastState", {}).get("terminated")
        if waiting and waiting.get("reason") not in (None, "PodInitializing", "ContainerCreating"):
            return f"{name}: {waiting['reason']}{f' after {_end(ended)}' if ended else ''}"
        if ended:
            return f"{name}: {_end(ended)}"
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return f"{name}: {scheduled.get('message') or scheduled.get('reason')}"
    return f"{name}: {conditions.get('Ready', {}).get('message') or 'its readiness probe fails'}"


def _end(ended: Mapping[str, Any]) -> str:
    return f"{ended.get('reason') or 'its end'} (exit code {ended.get('exitCode')})"


def _condition(found: Object) -> tuple[bool, str]:
    """Whether a Flux object is reconciled in its newest version, and what its controller says."""
    if found["spec"].get("suspend"):
        return False, "suspended"
    status: Mapping[str, Any] = found.get("status", {})
    ready = next((one for one in status.get("conditions", []) if one["type"] == "Ready"), None)
    if ready is None:
        return False, "its controller has not reported yet"
    stale = status.get("observedGeneration", 0) < found["metadata"]["generation"]
    detail = " ".join(str(ready.get("message") or ready.get("reason")).split())[:200]
    return ready["status"] == "True" and not stale, f"not yet in its newest version: {detail}" if stale else detail


def enabled_components(stack: str | None) -> frozenset[str]:
    """The components that the stack installs, from its output ``components``. Raises CommandError."""
    chosen = ["--stack", stack] if stack else []
    try:
        components: dict[str, bool] = json.loads(answer("pulumi", "stack", "output", "components", "--json", *chosen))
    except ValueError:
        raise CommandError("'pulumi stack output components' gave no JSON") from None
    return frozenset(name for name, enabled in components.items() if enabled)


def wait(components: frozenset[str], seconds: float) -> list[Row]:
    """``check`` until nothing fails, or until the seconds are over; says on standard error what it waits for."""
    start = time.monotonic()
    said = start
    while True:
        rows = check(components)
        now = time.monotonic()
        if report.passed(rows) or now - start >= seconds:
            return rows
        if now - said >= _PROGRESS_SECONDS:
            waiting = ", ".join(row.name for row in rows if row.state == "failed")
            print(f"health: waiting {now - start:.0f} of {seconds:.0f} s for {waiting}", file=sys.stderr, flush=True)
            said = now
        time.sleep(min(_POLL_SECONDS, seconds))


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m oceanid_cluster.health", description="is the cluster healthy?")
    parser.add_argument("--stack", help="whose components are expected; else the selected stack")
    parser.add_argument("--all", action="store_true", help="expect every component, without asking Pulumi")
    parser.add_argument("--wait", type=float, default=0, metavar="SECONDS", help="give the cluster time to get ready")
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    options = parser.parse_args(arguments)
    try:
        everything = frozenset(landmark.component for landmark in LANDMARKS)
        rows = wait(everything if options.all else enabled_components(options.stack), options.wait)
    except CommandError as problem:
        print(f"health: cannot tell: {problem}", file=sys.stderr)
        return 2
    print(report.as_json(rows) if options.json else report.as_table(rows))
    return 0 if report.passed(rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
