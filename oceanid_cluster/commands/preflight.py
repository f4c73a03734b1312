"""Checks whether a deploy may start: the way to the cluster, its identity and version, the nodes, the storage.

It compares what is already there with the stack's state. It reads, and changes nothing.
"""

import argparse
import os
import re
from collections.abc import Mapping, Sequence

from oceanid_cluster import versions
from oceanid_cluster.commands import report
from oceanid_cluster.commands.existing import check_existing, is_crd_of_a_chart
from oceanid_cluster.commands.leftovers import shell_options
from oceanid_cluster.commands.live import events, find, installed_crds
from oceanid_cluster.commands.objects import Object, annotations_of, labels_of, ref_of, terminating
from oceanid_cluster.commands.pulumi_cli import selected_stack
from oceanid_cluster.commands.readiness import Live, judge, newest_event
from oceanid_cluster.commands.release_drift import records
from oceanid_cluster.commands.report import Row
from oceanid_cluster.commands.scheduling import barriers, missing_labels
from oceanid_cluster.commands.stack_config import stack_settings
from oceanid_cluster.commands.state import StackState, read_state
from oceanid_cluster.components.apps.addresses import NAMESPACE as APPS
from oceanid_cluster.components.facts import Expected, ObjectRef, fix
from oceanid_cluster.components.label_studio.settings import CLAIM, LabelStudioSettings
from oceanid_cluster.components.operator.settings import NAMESPACE as OPERATOR
from oceanid_cluster.components.settings import Settings
from oceanid_cluster.config.errors import StartUpError
from oceanid_cluster.config.nodes import Node
from oceanid_cluster.startup.identity import Identity, differences, is_another, is_known, read_identity
from oceanid_cluster.startup.kubectl import Kubectl, open_cluster
from oceanid_cluster.startup.processes import CommandError

_ADOPT_VARIABLE = "PULUMI_K8S_UPSERT_EXISTING_OBJECTS"  # the provider's own; used when the key is off
# kubernetes: pkg/volume/util/storageclass.go reads both annotations, also the beta one.
_DEFAULT = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
_STORAGE = "storage class"
CLAIM_REF = ObjectRef("PersistentVolumeClaim", APPS, CLAIM)
EPILOG = "exit codes: 0 nothing stands in the way; 1 something does; 2 Pulumi could not be asked"


def check(settings: Settings, state: StackState, environ: Mapping[str, str]) -> list[Row]:
    """Every check; those that need our cluster are left out where it cannot be reached, or another one answers."""
    try:
        kubectl = open_cluster(settings, environ)
        identity = read_identity(kubectl, settings)
    except StartUpError as problem:
        return [Row("cluster", "kubeconfig", "failed", report.one_line(problem))]
    found = kubectl.kubeconfig
    rows = [Row("cluster", "kubeconfig", "ok", f"{found.path} leads to {found.server}, which answers")]
    if is_another(identity, settings):
        said = " ".join(["another cluster:", *differences(identity, settings)])
        return [*rows, Row("cluster", "identity", "failed", " ".join(said.split()))]
    try:
        rows += [_version(kubectl), _identity(identity, settings), *_nodes(kubectl, settings)]
        rows += _objects(kubectl, settings, state, environ)
    except CommandError as problem:
        rows.append(Row("cluster", "API server", "failed", report.one_line(problem)))
    return [*rows, *access_rows(settings)]


def _version(kubectl: Kubectl) -> Row:
    served = str(kubectl.raw("/version")["gitVersion"])
    found = tuple(int(part) for part in re.findall(r"\d+", served)[:2])
    minimum = versions.minimum_kubernetes()
    enough = found >= tuple(int(part) for part in minimum.split("."))
    return Row("cluster", "version", "ok" if enough else "failed", f"{served}; Flux requires {minimum} or newer")


def _identity(found: Identity, settings: Settings) -> Row:
    if settings.cluster.uid:
        detail = f"{found.uid}, as clusterUid says"
    elif is_known(found, settings):
        detail = f"{found.uid}; to refuse any other: pulumi config set clusterUid {found.uid}"
    else:
        detail = f"{found.uid}; nothing in it says whose it is"
    return Row("cluster", "identity", "ok", detail)


def _nodes(kubectl: Kubectl, settings: Settings) -> list[Row]:
    """The nodes whose labels the program sets, and where each workload can run."""
    live = {ref_of(node): node for node in kubectl.get("nodes")}
    rows = [_node(node, live) for node in settings.cluster.nodes]
    if not settings.cluster.manage_node_labels:
        rows = [Row("node", "labels", "ok", "not managed (manageNodeLabels)")]
    return [*rows, *check_placement(settings, live)]


def _node(node: Node, live: Live) -> Row:
    verdict = judge(ObjectRef("Node", "", node.host), live)
    if verdict.reason == "missing":
        cure = "set the key nodes, or: pulumi config set manageNodeLabels false"
        return Row("node", node.name, "failed", f"no node {node.host} in the cluster: {cure}")
    if not verdict.ready:
        state = "failed" if verdict.reason == "terminating" else "warning"
        return Row("node", node.name, state, f"{node.host}: {verdict.detail}; its pods will not get ready")
    return Row("node", node.name, "ok", node.host)


def check_placement(settings: Settings, live: Live) -> list[Row]:
    """For each workload, which of the live nodes can run it, with the labels that the deploy gives them.

    It fails when none can: with the label or the taint that is in the way of each.
    """
    managed = settings.cluster.nodes if settings.cluster.manage_node_labels else ()
    given = {node.host: node.kubernetes_labels for node in managed}
    nodes = [
        {**node, "metadata": {**node["metadata"], "labels": {**labels_of(node), **given.get(ref.name, {})}}}
        for ref, node in live.items()
        if ref.kind == "Node"
    ]
    return [
        _placement(one, (section.placement or settings.placement).manifest(), nodes)
        for section in settings.components
        for one in section.facts.expected
        if section.enabled and one.kind in ("Deployment", "DaemonSet")
    ]


def _placement(workload: Expected, pod: Object, nodes: Sequence[Object]) -> Row:
    daemon = workload.kind == "DaemonSet"
    why_not = {
        str(node["metadata"]["name"]): [*missing_labels(pod, node), *barriers(pod, node, daemon=daemon)]
        for node in nodes
    }
    if can := [name for name, why in why_not.items() if not why]:
        return Row("placement", str(workload.ref), "ok", ", ".join(can))
    obstacles = "; ".join(f"{name}: {', '.join(why)}" for name, why in why_not.items()) or "there is none"
    return Row("placement", str(workload.ref), "failed", f"no node can run it: {obstacles}")


def _objects(kubectl: Kubectl, settings: Settings, state: StackState, environ: Mapping[str, str]) -> list[Row]:
    """Storage, and what exists already, component by component."""
    turned_on = [section.facts for section in settings.components if section.enabled]
    wanted = {ref for facts in turned_on for ref in facts.refs()}
    installed = installed_crds(kubectl)
    crds = [ObjectRef("CustomResourceDefinition", "", name) for name in installed]
    wanted |= {ref for ref in crds if any(is_crd_of_a_chart(facts, ref) for facts in turned_on)}
    live = find(kubectl, wanted, installed)
    rows: list[Row] = []
    if settings.label_studio.enabled:
        volumes = {ref_of(one): one for one in kubectl.get("storageclasses,persistentvolumes")}
        live |= {**volumes, **events(kubectl, CLAIM_REF, live)}
        rows.append(check_storage(settings.label_studio, live))
    adopting = settings.cluster.adopt_existing or environ.get(_ADOPT_VARIABLE, "").lower() in ("true", "1")
    releases = {
        release: kubectl.get("secrets", "-n", release.namespace, "-l", records(release.name))
        for facts in turned_on
        for release in facts.release_refs()
    }
    command = f"kubectl{shell_options(kubectl, environ, settings.cluster.kube_context)}"
    rows += _stacks_elsewhere(kubectl, settings)
    return rows + check_existing(turned_on, live, state, adopting=adopting, releases=releases, kubectl=command)


def check_storage(settings: LabelStudioSettings, live: Live) -> Row:
    """The row about storage; ``live`` has the storage classes, the claim, if there is one, its volume and its events.

    A claim that is bound is accepted, whatever the default classes are: it keeps its class and its size, and a run says
    where the configuration asks for others.
    """
    if CLAIM_REF in live:
        return _claim(live)
    classes = {ref.name: one for ref, one in live.items() if ref.kind == "StorageClass" and not terminating(one)}
    default = [name for name, one in classes.items() if any(annotations_of(one).get(key) == "true" for key in _DEFAULT)]
    wanted = settings.storage_class
    if wanted in classes:
        return Row("cluster", _STORAGE, "ok", wanted)
    if wanted:
        there = ", ".join(classes) or "none"
        return Row("cluster", _STORAGE, "failed", f"{wanted} does not exist; there are: {there}")
    if not default:
        command = "pulumi config set labelStudioStorageClass <name>"
        return Row("cluster", _STORAGE, "failed", f"none is the default; run: {command}")
    newest = ", of which Kubernetes takes the newest" if len(default) > 1 else ""  # since 1.26 (KEP 3333)
    return Row("cluster", _STORAGE, "ok", f"default: {', '.join(default)}{newest}")


def _claim(live: Live) -> Row:
    """A claim that waits for its first pod is as it should be; one that Kubernetes has given up gets no volume.

    The controller repeats the event while that is so (pkg/controller/volume/persistentvolume/pv_controller.go).
    """
    verdict = judge(CLAIM_REF, live)
    given_up = newest_event(live[CLAIM_REF], live).get("reason") in ("FailedBinding", "ProvisioningFailed")
    failed = verdict.reason in ("lost", "terminating", "namespace") or (verdict.reason == "unbound" and given_up)
    hint = fix(CLAIM_REF.kind, verdict.reason)
    detail = f"claim {APPS}/{CLAIM}: {verdict.detail}{f'; {hint}' if hint else ''}"
    return Row("cluster", _STORAGE, "failed" if failed else "ok", detail)


def _stacks_elsewhere(kubectl: Kubectl, settings: Settings) -> list[Row]:
    """Stacks that the operator cannot run, because ``confinePulumiOperator`` keeps it in its namespace."""
    if not (settings.operator.enabled and settings.operator.confined):
        return []
    found = [ref_of(one) for one in kubectl.get("stacks.pulumi.com", "-A")]
    names = [f"{one.namespace}/{one.name}" for one in found if one.namespace != OPERATOR]
    cure = f"move them to {OPERATOR}, or: pulumi config set confinePulumiOperator false"
    return [Row("operator", "Stacks", "warning", f"cannot run: {', '.join(names)}; {cure}")] if names else []


def access_rows(settings: Settings) -> list[Row]:
    """Whom the tunnels let in: which host names rely on Cloudflare alone, and of which cloudflared checks the tokens.

    What checks its callers itself, the webhook, is for everybody.
    """
    tunnels = ((settings.tunnel, settings.tunnel_rules), (settings.node_tunnels, settings.node_tunnel_rules))
    rules = [rule for section, rules in tunnels if section.enabled for rule in rules]
    named = [rule for rule in rules if rule.hostname and not (rule.owner and rule.owner.public)]
    if not named:
        return []
    checked = dict.fromkeys(str(rule.hostname) for rule in named if rule.requires_access)
    unchecked = dict.fromkeys(str(rule.hostname) for rule in named if not rule.requires_access)
    said = [f"{', '.join(checked)}: cloudflared rejects requests without an Access token"] if checked else []
    if unchecked:
        cure = 'docs/runbook.md, "Who may use a host name"'
        said.append(f"{', '.join(unchecked)}: open to the internet unless cloud/ protects it ({cure})")
    return [Row("tunnel", "Access", "warning" if unchecked else "ok", "; ".join(said))]


def main(options: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    stack = selected_stack(options.stack, os.environ)
    return report.show(check(stack_settings(stack), read_state(stack), os.environ))
