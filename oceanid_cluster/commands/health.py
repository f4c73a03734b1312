"""Is the cluster healthy? ``python -m oceanid_cluster health``: read-only, one table, an exit code."""

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from oceanid_cluster.commands import readiness, report
from oceanid_cluster.commands.live import find, installed_crds
from oceanid_cluster.commands.objects import Object, ref_of
from oceanid_cluster.commands.readiness import Verdict
from oceanid_cluster.commands.report import Row
from oceanid_cluster.commands.stack_config import local_settings, stack_settings
from oceanid_cluster.commands.state import StackState, read_state
from oceanid_cluster.components.facts import DEPLOY, Expected, ObjectRef
from oceanid_cluster.components.nodes.facts import NAME as NODE_LABELS
from oceanid_cluster.components.settings import CHAIN, CUSTOM_RESOURCES, EXPECTED, Settings
from oceanid_cluster.config.cluster import NODES
from oceanid_cluster.config.errors import StartUpError
from oceanid_cluster.config.nodes import Node
from oceanid_cluster.startup.kubectl import Kubectl, open_cluster
from oceanid_cluster.startup.processes import CommandError, ToolMissingError

_POLL_SECONDS = 2  # kubectl watches one kind at a time, and we wait for several
_PROGRESS_SECONDS = 10
_DESCRIPTION = """\
Looks at every component: its workloads, Flux's objects, the labels of the nodes. It reads, and changes nothing.
Expected is what the stack's configuration turns on and what its state holds; with --all, every component.
"""
COMPONENTS = (NODE_LABELS, *(facts.name for facts in CHAIN))  # in the order of the chain
_EPILOG = "exit codes: 0 everything is ready; 1 something is not; 2 the cluster, or Pulumi, could not be asked"


@dataclass(frozen=True)
class Expectation:
    """What must be in the cluster: components, nodes with their labels, and what the state holds besides."""

    components: frozenset[str] = frozenset(COMPONENTS)
    nodes: Sequence[Node] = NODES
    objects: frozenset[ObjectRef] = field(default_factory=frozenset[ObjectRef])


def load_expectations(stack: str | None, *, every: bool) -> tuple[Settings | None, StackState | None]:
    """The stack's configuration and state; with ``every``, without Pulumi: the configuration's file, and no state.

    ``stack`` None is the selected one. Raises CommandError.
    """
    if every:
        return local_settings(stack, os.environ), None
    return stack_settings(stack), read_state(stack)


def wanted(settings: Settings | None, state: StackState | None) -> Expectation:
    """What the configuration turns on, and what the state holds: also after a deploy that failed half-way.

    Without a state, every component.
    """
    if settings is None or state is None:
        return Expectation(nodes=settings.cluster.nodes if settings else NODES)
    flags = {**settings.enabled, NODE_LABELS: settings.cluster.manage_node_labels}
    turned_on = {name for name, on in flags.items() if on}
    components = turned_on | state.components.intersection(COMPONENTS)
    return Expectation(frozenset(components), settings.cluster.nodes, state.objects)


@dataclass(frozen=True)
class CheckResult:
    """One object that is expected, and how it is: ``area`` is its component, ``hint`` what to do about it."""

    area: str
    ref: ObjectRef
    verdict: Verdict
    hint: str = ""

    def row(self) -> Row:
        """Its row in the table."""
        if self.verdict.ready:
            return Row(self.area, str(self.ref), "ok", self.verdict.detail)
        hint = f" ({self.hint})" if self.hint else ""
        return Row(self.area, str(self.ref), "failed", self.verdict.detail + hint)


@dataclass(frozen=True)
class Snapshot:
    """What is in the cluster: the live objects that were asked for, and how each one that is expected is."""

    live: Mapping[ObjectRef, Object]
    judged: Sequence[CheckResult]


def check(kubectl: Kubectl, everything: Expectation) -> list[Row]:
    """The state of everything that is expected, as it is now. Raises CommandError."""
    server = Row("cluster", "API server", "ok", kubectl.kubeconfig.server)
    return [server, *(one.row() for one in inspect(kubectl, everything).judged)]


def inspect(kubectl: Kubectl, everything: Expectation) -> Snapshot:
    """Workloads, pods, nodes and Flux's objects as they are now, all that is expected judged. Raises CommandError."""
    core = kubectl.get("deployments,daemonsets,pods,nodes", "-A")
    crds = installed_crds(kubectl)
    objects = [(facts.name, one) for facts in CHAIN if facts.name in everything.components for one in facts.expected]
    custom = [CUSTOM_RESOURCES[one.kind].resource for _, one in objects if one.kind in CUSTOM_RESOURCES]
    served = ",".join(resource for resource in dict.fromkeys(custom) if resource in crds)
    live = {ref_of(one): one for one in (*core, *(kubectl.get(served, "-A") if served else ()))}
    pods = [one for ref, one in live.items() if ref.kind == "Pod"]
    judged: list[CheckResult] = []
    if NODE_LABELS in everything.components:
        judged += [_node(node, live.get(ObjectRef("Node", "", node.host))) for node in everything.nodes]
    for component, one in objects:
        found = live.get(one.ref)
        if found is None and one.optional and one.ref not in everything.objects:
            continue
        verdict = _verdict(one, found, pods, crds)
        judged.append(CheckResult(component, one.ref, verdict, one.hint(verdict.reason)))
    return Snapshot(live, judged + _missing(kubectl, everything, live))


def _node(node: Node, found: Object | None) -> CheckResult:
    ref = ObjectRef("Node", "", node.host)
    if found is None:
        return CheckResult(NODE_LABELS, ref, Verdict("missing", f"{node.name} is not in the cluster: has it joined?"))
    labels = {f"oceanid.cluster/{label}": value for label, value in node.labels.items()}
    verdict = readiness.node(found, labels)
    return CheckResult(NODE_LABELS, ref, verdict, DEPLOY if verdict.reason == "changed" else "")


def _verdict(one: Expected, found: Object | None, pods: Sequence[Object], crds: frozenset[str]) -> Verdict:
    custom = CUSTOM_RESOURCES.get(one.kind)
    if found is None and custom and custom.resource not in crds:
        return Verdict("missing", f"CRD {custom.resource} is not installed")
    if found is None:
        return Verdict("missing", f"{one.kind} does not exist")
    if custom and custom.static:
        return Verdict("ready", "exists")
    return readiness.condition(found) if custom else readiness.workload(found, pods)


def _missing(kubectl: Kubectl, everything: Expectation, live: Mapping[ObjectRef, Object]) -> list[CheckResult]:
    """What else the state holds, and somebody deleted: a Secret, a ConfigMap, a Service."""
    shown = {one.ref for one in EXPECTED}
    others = [ref for ref in everything.objects if ref not in shown and ref not in live]
    gone = sorted(set(others) - find(kubectl, others).keys()) if others else []
    return [CheckResult("state", ref, Verdict("missing", f"{ref.kind} does not exist"), DEPLOY) for ref in gone]


def wait(kubectl: Kubectl, everything: Expectation, seconds: float) -> list[Row]:
    """``check`` until nothing fails, or until the seconds are over; says on standard error what it waits for.

    A connection that drops, or an API server that restarts, is waited for as well. Raises CommandError when the
    cluster cannot be asked at the end, ToolMissingError at once.
    """
    start = said = time.monotonic()
    while True:
        problem: CommandError | None = None
        rows: list[Row] = []
        try:
            rows = check(kubectl, everything)
        except ToolMissingError:
            raise
        except CommandError as error:
            problem = error
        now = time.monotonic()
        if now - start >= seconds:
            if problem:
                raise problem
            return rows
        if not problem and report.passed(rows):
            return rows
        if now - said >= _PROGRESS_SECONDS:
            for_what = str(problem) if problem else ", ".join(row.name for row in rows if row.state == "failed")
            print(f"health: waiting {now - start:.0f} of {seconds:.0f} s for {for_what}", file=sys.stderr, flush=True)
            said = now
        time.sleep(max(0.0, min(_POLL_SECONDS, start + seconds - now)))


def why_unready(pod: Object) -> str:
    """Why a pod is not ready, with its name; empty when it is."""
    return readiness.pod(pod).detail


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m oceanid_cluster health", description=_DESCRIPTION, epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--stack", help="whose components are expected; else the selected stack")
    parser.add_argument("--all", action="store_true", help="expect every component, without asking Pulumi")
    parser.add_argument(
        "--wait", type=float, default=0, metavar="SECONDS",
        help="give the cluster time to get ready; dropped connections are waited for, too",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    options = parser.parse_args(arguments)
    try:
        settings, state = load_expectations(options.stack, every=options.all)
        rows = wait(open_cluster(settings, os.environ), wanted(settings, state), options.wait)
    except (CommandError, StartUpError) as problem:
        print(f"health: cannot tell: {' '.join(str(problem).split())}", file=sys.stderr)
        return 2
    print(report.as_json(rows) if options.json else report.as_table(rows))
    return 0 if report.passed(rows) else 1
