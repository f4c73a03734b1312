"""Looks at every component: its workloads, Flux's objects, the labels of the nodes; and at what Flux applied from Git.

It reads, and changes nothing. Expected is what the stack's configuration turns on and what its state holds; with --all,
every component.
"""

import argparse
import math
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from oceanid_cluster.commands import report
from oceanid_cluster.commands.live import events, find, installed_crds
from oceanid_cluster.commands.objects import Object, is_of_flux, ref_of
from oceanid_cluster.commands.patience import Patience
from oceanid_cluster.commands.pulumi_cli import selected_stack
from oceanid_cluster.commands.readiness import Verdict, judge
from oceanid_cluster.commands.report import Row
from oceanid_cluster.commands.stack_config import local_settings, stack_settings
from oceanid_cluster.commands.state import StackState, read_state
from oceanid_cluster.components.facts import ObjectRef, fix
from oceanid_cluster.components.nodes.facts import NAME as NODE_LABELS
from oceanid_cluster.components.settings import CHAIN, CUSTOM_RESOURCES, EXPECTED, Settings
from oceanid_cluster.startup.kubectl import Kubectl, open_cluster

_HELM_RELEASES = "helmreleases.helm.toolkit.fluxcd.io"
_KINDS = "namespaces,deployments,daemonsets,pods,nodes,persistentvolumeclaims,persistentvolumes"
GIT = "Git"  # the area of what Flux applied from there
COMPONENTS = (NODE_LABELS, *(facts.name for facts in CHAIN))  # in the order of the chain
EPILOG = "exit codes: 0 everything is ready; 1 something is not; 2 the cluster, or Pulumi, could not be asked"


@dataclass(frozen=True)
class Expectation:
    """What must be in the cluster that ``settings`` say: components, and what the state holds besides."""

    settings: Settings
    components: frozenset[str] = frozenset(COMPONENTS)
    state: StackState = field(default_factory=StackState)


def load_expectations(stack: str | None, *, every: bool) -> Expectation:
    """What the configuration turns on, and what the state holds: also after a deploy that failed half-way.

    ``stack`` None is the selected one. With ``every`` it is every component, and Pulumi is not asked: the
    configuration is read from its file, and there is no state. Raises CommandError.
    """
    name = selected_stack(stack, os.environ)
    if every:
        return Expectation(local_settings(name, os.environ))
    state, settings = read_state(name), stack_settings(name)
    flags = {**settings.enabled, NODE_LABELS: settings.cluster.manage_node_labels}
    turned_on = {name for name, on in flags.items() if on}
    components = turned_on | state.components.intersection(COMPONENTS)
    return Expectation(settings, frozenset(components), state)


@dataclass(frozen=True)
class CheckResult:
    """One object, and how it is: ``area`` is its component, ``hint`` what to do about it."""

    area: str
    ref: ObjectRef
    verdict: Verdict
    hint: str = ""

    def row(self) -> Row:
        """Its row in the table. What Git suspends is meant so."""
        if self.verdict.ready:
            return Row(self.area, str(self.ref), "ok", self.verdict.detail)
        hint = f" ({self.hint})" if self.hint else ""
        state = "warning" if self.area == GIT and self.verdict.reason == "suspended" else "failed"
        return Row(self.area, str(self.ref), state, self.verdict.detail + hint)


@dataclass(frozen=True)
class Snapshot:
    """What is in the cluster: the live objects that were asked for, and how each one that is expected is.

    ``applied`` are the objects of Flux that came from Git.
    """

    live: Mapping[ObjectRef, Object]
    expected: Sequence[CheckResult]
    applied: Sequence[CheckResult] = ()


def check(kubectl: Kubectl, everything: Expectation) -> list[Row]:
    """The state of everything that is expected, as it is now, and of what Flux cannot apply. Raises CommandError."""
    snapshot = inspect(kubectl, everything)
    unready = [one for one in snapshot.applied if not one.verdict.ready]
    server = Row("cluster", "API server", "ok", kubectl.kubeconfig.server)
    return [server, *(one.row() for one in (*snapshot.expected, *unready))]


def inspect(kubectl: Kubectl, everything: Expectation) -> Snapshot:
    """Workloads, pods, nodes, volumes and Flux's objects as they are now, each one judged. Raises CommandError."""
    live = {ref_of(one): one for one in kubectl.get(_KINDS, "-A")}
    crds = installed_crds(kubectl)
    objects = [(facts.name, one) for facts in CHAIN if facts.name in everything.components for one in facts.expected]
    resources = [CUSTOM_RESOURCES[one.kind].resource for _, one in objects if one.kind in CUSTOM_RESOURCES]
    if served := ",".join(one for one in dict.fromkeys([*resources, _HELM_RELEASES]) if one in crds):
        live |= {ref_of(one): one for one in kubectl.get(served, "-A")}
    for ref in (one.ref for _, one in objects if one.kind == "PersistentVolumeClaim"):
        live |= events(kubectl, ref, live)
    results = _nodes(everything, live)
    for component, one in objects:
        if one.ref not in live and one.optional and one.ref not in everything.state.objects:
            continue
        verdict = judge(one.ref, live)
        custom = CUSTOM_RESOURCES.get(one.kind)
        if verdict.reason == "missing" and custom and custom.resource not in crds:
            verdict = Verdict("missing", f"CRD {custom.resource} is not installed")
        results.append(CheckResult(component, one.ref, verdict, one.hint(verdict.reason)))
    results += _others(kubectl, everything, live, crds)
    shown = {one.ref for one in results}
    of_flux = [ref for ref, one in live.items() if is_of_flux(one) and ref not in shown]
    return Snapshot(live, results, [CheckResult(GIT, ref, judge(ref, live)) for ref in of_flux])


def _nodes(everything: Expectation, live: Mapping[ObjectRef, Object]) -> list[CheckResult]:
    """The machines whose labels we manage."""
    results: list[CheckResult] = []
    for node in everything.settings.cluster.nodes if NODE_LABELS in everything.components else ():
        ref = ObjectRef("Node", "", node.host)
        verdict = judge(ref, live, node.kubernetes_labels)
        if verdict.reason == "missing":
            verdict = Verdict("missing", f"{node.name} is not in the cluster: has it joined?")
        results.append(CheckResult(NODE_LABELS, ref, verdict, fix("Node", verdict.reason)))
    return results


def _others(
    kubectl: Kubectl, everything: Expectation, live: Mapping[ObjectRef, Object], crds: Collection[str]
) -> list[CheckResult]:
    """What else must be there and is not, or is being deleted: a Secret, a ConfigMap, a Service, a namespace."""
    shown = {one.ref for one in EXPECTED}
    namespaces = {ObjectRef("Namespace", "", one.namespace) for one in CHAIN if one.name in everything.components}
    others = {ref for ref in everything.state.objects | namespaces if ref not in shown}
    found = {**live, **find(kubectl, others - live.keys(), crds)}
    verdicts = {ref: judge(ref, found) for ref in sorted(others)}
    return [
        CheckResult("state", ref, verdict, fix(ref.kind, verdict.reason))
        for ref, verdict in verdicts.items()
        if verdict.reason in ("missing", "terminating", "namespace")
    ]


def look(stack: str | None, *, every: bool = False, seconds: float = 0) -> list[Row]:
    """The rows of ``check``, once none of them failed any more, or when so many seconds are over.

    Dropped connections, and Pulumi Cloud, are waited for, too. Raises StartUpError.
    """
    patience = Patience(seconds)
    everything = patience.ask(lambda: load_expectations(stack, every=every))
    kubectl = open_cluster(everything.settings, os.environ)
    return patience.ask(lambda: check(kubectl, everything), _failed)


def _failed(rows: Sequence[Row]) -> str:
    return ", ".join(row.name for row in rows if row.state == "failed")


def expect_all(parser: argparse.ArgumentParser) -> None:
    """The option of ``load_expectations``."""
    parser.add_argument(
        "--all", action="store_true", help="expect every component: needs nothing of Pulumi but the name of the stack"
    )


def seconds(text: str) -> float:
    """A time to wait. Raises ArgumentTypeError."""
    try:
        given = float(text)
    except ValueError:
        given = math.nan
    if not 0 <= given < math.inf:
        raise argparse.ArgumentTypeError(f"invalid number of seconds: '{text}'")
    return given


def add_options(parser: argparse.ArgumentParser) -> None:
    """What is expected, how long it may take, and how to answer."""
    expect_all(parser)
    parser.add_argument(
        "--wait", type=seconds, default=0, metavar="SECONDS",
        help="wait for the cluster to get ready, and for lost connections and Pulumi Cloud",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="answer in JSON")


def main(options: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    return report.show(look(options.stack, every=options.all, seconds=options.wait), in_json=options.json)
