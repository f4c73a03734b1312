"""Draws what is installed, as a Mermaid flowchart.

The components in the order of the chain, their workloads, the host names that lead in, what Flux follows, the nodes:
judged as health judges them. It reads, and changes nothing. GitHub shows the text as a picture in a block marked
`mermaid`; an editor with a preview of Mermaid does, too.
"""

import argparse
import os
import re
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from oceanid_cluster.commands import health
from oceanid_cluster.commands.health import COMPONENTS, GIT, CheckResult, Expectation, Snapshot
from oceanid_cluster.commands.mermaid import Arrow, Box, Group, State, flowchart
from oceanid_cluster.commands.objects import Object, labels_of, part, ref_of, terminating
from oceanid_cluster.commands.readiness import judge
from oceanid_cluster.commands.redact import Redactor
from oceanid_cluster.components.facts import ObjectRef
from oceanid_cluster.components.nodes.facts import NAME as NODES
from oceanid_cluster.components.settings import CHAIN
from oceanid_cluster.startup.kubectl import Kubectl, open_cluster

EPILOG = "exit codes: 0 all that is drawn is ready; 1 something is not; 2 the cluster, or Pulumi, could not be asked"
# Labels that Flux sets on what it applied (kustomize-controller and helm-controller: their ownership labels).
_OWNERS = {"Kustomization": "kustomize.toolkit.fluxcd.io", "HelmRelease": "helm.toolkit.fluxcd.io"}
_WORKLOADS = ("Deployment", "DaemonSet")
_STATES: Mapping[str, State] = {"ok": "ok", "warning": "off", "failed": "failed"}  # of a row, and of its box
# A picture that nobody can take in, and that Mermaid refuses: it stops at 50,000 characters and 500 arrows.
_BOXES = 12
_WIDTH, _CHARACTERS = 44, 120
_API, _OFF = "Kubernetes API", "Turned off"
_DIGEST = re.compile(r"(\bsha\d+:[0-9a-f]{8})[0-9a-f]+")
_USER = re.compile(r"(?<=://)[^/\s]*@")


def draw(kubectl: Kubectl, everything: Expectation) -> tuple[list[Group], list[Arrow]]:
    """The picture of the cluster as it is now: groups, and arrows between them. Raises CommandError."""
    found = health.inspect(kubectl, everything)
    applied, arrows = _from_git(found)
    hosts, more = _host_names(kubectl, everything, found)
    turned_off = [name for name in COMPONENTS if name not in everything.components]
    off = Group(_OFF, _OFF, [Box((_OFF, name), [_title(name)], "off") for name in turned_off])
    api = Group("entry", "Cluster", [Box(_API, [_API, kubectl.kubeconfig.server])])
    # In the order of the chain: the state has them in the order in which they happened to be registered.
    pairs = ((one, later) for later in COMPONENTS for one in COMPONENTS)
    chain = [Arrow(one, later, thick=True) for one, later in pairs if one in everything.state.chain.get(later, ())]
    return [*hosts, api, nodes(found), *_components(found), *applied, off], [*chain, *arrows, *more]


def _title(component: str) -> str:
    namespace = next((f" ({facts.namespace})" for facts in CHAIN if facts.name == component), "")
    return f"{COMPONENTS.index(component)} {component}{namespace}"


def _components(found: Snapshot) -> list[Group]:
    """A group for each component that has a row in health, and one for what else was deleted."""
    groups: list[Group] = []
    for component in (facts.name for facts in CHAIN):
        boxes = [_box(one) for one in found.expected if one.area == component]
        groups.append(Group(component, _title(component), _folded(boxes)))
    deleted = [one for one in found.expected if one.area not in COMPONENTS]
    boxes = [_box(one, f"namespace {one.ref.namespace or 'none'}") for one in deleted]
    return [*groups, Group("deleted", "Deleted", _folded(boxes))]


def nodes(found: Snapshot) -> Group:
    """The machines: those whose labels we manage, as health judges them, and all others."""
    judged = [one for one in found.expected if one.area == NODES]
    others = {ref for ref in found.live if ref.kind == "Node"} - {one.ref for one in judged}
    shown = [*judged, *(CheckResult(NODES, ref, judge(ref, found.live)) for ref in sorted(others))]
    pods = Counter(part(one, "spec").get("nodeName") for ref, one in found.live.items() if ref.kind == "Pod")
    boxes = [_box(one, f"pods: {pods[one.ref.name]}") for one in shown]
    return Group(NODES, _title(NODES) if judged else "Nodes", _folded(boxes))


def _from_git(found: Snapshot) -> tuple[list[Group], list[Arrow]]:
    """The repository that Flux follows, what it applied from there, and how these hang together."""
    ours = {one.ref for one in found.expected}
    owners = {ref: owner for ref, one in found.live.items() if (owner := _owner(one))}
    workloads = [
        CheckResult(GIT, ref, judge(ref, found.live)) for ref in owners if ref.kind in _WORKLOADS and ref not in ours
    ]
    applied = [_box(one, f"namespace {one.ref.namespace}") for one in (*found.applied, *workloads)]
    sources = {ref: part(one, "spec") for ref, one in found.live.items() if ref.kind == "GitRepository"}
    boxes = [
        Box((GIT, ref), [public(str(one.get("url"))), *(f"{kind} {name}" for kind, name in part(one, "ref").items())])
        for ref, one in sources.items()
    ]
    arrows = [*(Arrow((GIT, ref), ref) for ref in sources), *(Arrow(owner, ref) for ref, owner in owners.items())]
    return [Group(GIT, GIT, boxes), Group("applied", "Applied by Flux", _folded(applied))], arrows


def _owner(one: Object) -> ObjectRef | None:
    """What applied an object: a HelmRelease, a Kustomization; for the root Kustomization its source."""
    labels, source = labels_of(one), part(one, "spec", "sourceRef")
    for kind in ("HelmRelease", "Kustomization"):
        name, namespace = labels.get(f"{_OWNERS[kind]}/name"), labels.get(f"{_OWNERS[kind]}/namespace")
        if name and namespace:
            return ObjectRef(kind, namespace, name)
    if one["kind"] != "Kustomization" or not source.get("name"):
        return None
    return ObjectRef(str(source.get("kind")), source.get("namespace") or one["metadata"]["namespace"], source["name"])


def _host_names(kubectl: Kubectl, everything: Expectation, found: Snapshot) -> tuple[list[Group], list[Arrow]]:
    """The host names of each tunnel, a box for each rule, and what answers there."""
    services = {ref_of(one): one for one in kubectl.get("services", "-A")}
    settings = everything.settings
    groups: list[Group] = []
    arrows: list[Arrow] = []
    for section, rules in (
        (settings.tunnel, settings.tunnel_rules), (settings.node_tunnels, settings.node_tunnel_rules),
    ):  # fmt: skip
        component, boxes = section.facts.name, list[Box]()
        for number, rule in enumerate(rules if section.enabled else ()):
            if not rule.hostname and not rule.path:  # the last one, which takes the rest
                continue
            leads_to, problem = target(rule.service, services, found)
            lines = [f"{rule.hostname or '*'} {rule.path or ''}".rstrip(), public(rule.service), *problem]
            boxes.append(Box((component, number), lines, "failed" if problem else "plain"))
            arrows.append(Arrow((component, number), leads_to))
        groups.append(Group((component, "hosts"), f"Host names through {component}", _folded(boxes)))
    return groups, arrows


def target(service: str, services: Mapping[ObjectRef, Object], found: Snapshot) -> tuple[object, list[str]]:
    """What answers behind a service of a rule, as far as it is in the picture, and what is wrong with it."""
    try:
        host = urlsplit(service).hostname or ""
    except ValueError:
        return None, []
    name, _, rest = host.partition(".")
    namespace, _, kind = rest.partition(".")
    if not kind.startswith("svc"):
        return None, []
    if (namespace, name) == ("default", "kubernetes"):
        return _API, []
    one = services.get(ObjectRef("Service", namespace, name))
    if one is None:
        return None, ["this Service does not exist"]
    if since := terminating(one):
        return None, [f"this Service {since}"]
    selector = part(one, "spec", "selector").items()
    for ref, workload in found.live.items():
        pod = part(workload, "spec", "template", "metadata", "labels").items()
        if ref.kind in _WORKLOADS and ref.namespace == namespace and selector and selector <= pod:
            return ref, []
    return None, []


def _box(one: CheckResult, *more: str) -> Box:
    """The box of an object, as health judges it."""
    text = public(_DIGEST.sub(r"\1", one.verdict.detail))
    lines = textwrap.wrap(textwrap.shorten(text, _CHARACTERS, placeholder=" …"), _WIDTH)
    return Box(one.ref, [f"{one.ref.kind.lower()}/{one.ref.name}", *more, *lines], _STATES[one.row().state])


def public(text: str) -> str:
    """A text without the user and password of a URL, and without what looks like a secret."""
    return Redactor([]).text(_USER.sub("", text))


def _folded(boxes: Sequence[Box]) -> list[Box]:
    """As many boxes as can be taken in, what failed first, and one that counts the others."""
    if len(boxes) <= _BOXES:
        return [*boxes]
    ordered = sorted(boxes, key=lambda box: box.state != "failed")
    shown, others = ordered[: _BOXES - 1], ordered[_BOXES - 1 :]
    failed = sum(box.state == "failed" for box in others)
    text = f"and {len(others)} more" + (f", {failed} of them not ready" if failed else "")
    return [*shown, Box(("more", others[0].key), [text], "failed" if failed else others[0].state)]


add_options = health.expect_all


def main(options: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    everything = health.load_expectations(options.stack, every=options.all)
    groups, arrows = draw(open_cluster(everything.settings, os.environ), everything)
    print(flowchart(groups, arrows))
    return int(any(box.state == "failed" for group in groups for box in group.boxes))
