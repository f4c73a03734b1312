"""What is in the cluster already, compared with the stack's state: can a deploy create what it has to create."""

from collections.abc import Mapping, Sequence

from oceanid_cluster.commands.objects import Object, annotations_of, labels_of, managers_of, terminating
from oceanid_cluster.commands.release_drift import records
from oceanid_cluster.commands.report import Row
from oceanid_cluster.commands.state import StackState
from oceanid_cluster.components.facts import Facts, ObjectRef, Reason, fix
from oceanid_cluster.components.settings import CHAIN
from oceanid_cluster.manifests import labels

ADOPT = "pulumi config set adoptExisting true; deploy; pulumi config rm adoptExisting"
_SHOWN = 4
# Whether these are made depends on a key: that one of ours is there does not say that the deploy would make it.
_OPTIONAL = frozenset(ref for facts in CHAIN for ref in facts.optional_refs())
_RELEASES = frozenset(release for facts in CHAIN for release in facts.release_refs())


def check_existing(
    components: Sequence[Facts],
    live: Mapping[ObjectRef, Object],
    state: StackState,
    *,
    adopting: bool,
    releases: Mapping[ObjectRef, Sequence[Object]],
    kubectl: str = "kubectl",
) -> list[Row]:
    """One row for each component: what is there, who manages it, and whether the stack knows of it.

    ``live`` holds the objects that are there, ``releases`` Helm's records of each release. With ``adopting`` the next
    run adopts what it finds. ``kubectl`` is how to call it so that it reaches this cluster.
    """
    known = set(state.objects)
    for facts in CHAIN:
        if state.releases.intersection(facts.release_refs()):
            known |= {one.ref for one in facts.expected}
    rows: list[Row] = []
    for facts in components:
        wanted = [*facts.refs(), *(ref for ref in live if is_crd_of_a_chart(facts, ref))]
        rows.append(_row(facts, wanted, live, known, adopting))
        for release in facts.release_refs():
            problem = _release(release, releases.get(release, ()), state, kubectl)
            rows += [Row("existing", f"{facts.title} release", "failed", problem)] if problem else []
    return rows


def _release(release: ObjectRef, kept: Sequence[Object], state: StackState, kubectl: str) -> str:
    """What is wrong with Helm's records of a release, and the cure; empty when a deploy can go on from them."""
    if kept and release not in state.releases:
        command = f"{kubectl} -n {release.namespace} delete secret -l {records(release.name)}"
        return f"Helm knows it, the state does not; delete Helm's record, which is a Secret and nothing else: {command}"
    newest = max(kept, key=lambda one: int(labels_of(one).get("version", 0)), default=None)
    status = labels_of(newest).get("status", "") if newest else ""
    # helm: pkg/release/status.go, IsPending; and pkg/action/uninstall.go.
    if newest is None or not (status.startswith("pending-") or status == "uninstalling"):
        return ""
    command = f"{kubectl} -n {release.namespace} delete secret {newest['metadata']['name']}"
    return (
        f"Helm's newest record is {status}: Helm is at work, or was killed, and a deploy that changes the release fails"
        " ('another operation is in progress', 'has no deployed releases'). When nobody is at work, delete that one"
        f" record: {command}"
    )


def is_crd_of_a_chart(facts: Facts, ref: ObjectRef) -> bool:
    """Whether an object is a CRD which the component's chart brings; those of a Helm release are Helm's."""
    is_crd = ref.kind == "CustomResourceDefinition" and ref.name.endswith(facts.crd_groups)
    return is_crd and not facts.releases


def _row(
    facts: Facts, wanted: Sequence[ObjectRef], live: Mapping[ObjectRef, Object], known: set[ObjectRef], adopting: bool
) -> Row:
    there = [ref for ref in wanted if ref in live and (ref in known or _is_wanted(ref, live[ref]))]
    ending = {ref: why for ref in there if (why := terminating(live[ref]))}
    found = [ref for ref in there if ref not in ending]
    gone = [ref for ref in wanted if ref in known and ref not in live]
    blocking = [ref for ref in found if ref not in known]
    owners: dict[str, list[ObjectRef]] = {}
    for ref in found:
        name = owner(live[ref])
        if name != "Pulumi" and not (ref in known and not name.startswith(("Flux", "Helm"))):
            owners.setdefault(name, []).append(ref)
    stuck = {ref.name for ref in ending if ref.kind == "Namespace"}
    hints = {one.ref: one.hint for one in facts.expected}

    def cure(ref: ObjectRef, reason: Reason) -> str:
        reason = "namespace" if ref.namespace in stuck else reason
        return hints[ref](reason) if ref in hints else fix(ref.kind, reason)

    said = [f"{_list([ref])} {why}; {cure(ref, 'terminating')}" for ref, why in ending.items()]
    if ours := len(found) - len(blocking):
        said.append(f"{ours} object{'s' if ours > 1 else ''}, managed by Pulumi")
    if gone:
        cures = dict.fromkeys(cure(ref, "missing") for ref in gone)
        said.append(f"{_list(gone)}: in the state, not in the cluster; {'; '.join(cures)}")
    if blocking and adopting:
        said.append(f"{_list(blocking)}: in the cluster, not in the state; this run adopts them (adoptExisting)")
    elif blocking:
        said.append(f"{_list(blocking)}: in the cluster, not in the state. Adopt them, for one run: {ADOPT}")
    for name, objects in owners.items():
        said.append(f"{_list(objects)}: managed by {name}. One owner each: remove the other")
    state = "failed" if ending or (blocking and not adopting) else "warning" if gone or owners else "ok"
    return Row("existing", facts.name, state, "; ".join(said) or "nothing yet")


def _is_wanted(ref: ObjectRef, found: Object) -> bool:
    """Whether a deploy creates the object: an optional one that lacks our labels is somebody else's."""
    return ref not in _OPTIONAL or managed_by_us(found) or owner(found) == "Pulumi"


def managed_by_us(found: Object) -> bool:
    """Whether an object carries one of the labels that this program puts on what it makes."""
    own = labels_of(found)
    return "pulumi" in (own.get(labels.MANAGED_BY), own.get("app.kubernetes.io/managed-by"))


def _list(found: Sequence[ObjectRef]) -> str:
    shown = ", ".join(f"{ref.kind}/{ref.name}" for ref in found[:_SHOWN])
    return f"{shown} and {len(found) - _SHOWN} more" if len(found) > _SHOWN else shown


def owner(found: Object) -> str:
    """Who manages an object: Pulumi, Flux, Helm, or the tool that wrote it."""
    own, annotations, managers = labels_of(found), annotations_of(found), managers_of(found)
    # Flux leaves alone what carries this annotation: its label is then only a trace of the past.
    if annotations.get("kustomize.toolkit.fluxcd.io/reconcile") != "disabled":
        for label, tool in (("kustomize", "Kustomization"), ("helm", "HelmRelease")):
            if name := own.get(f"{label}.toolkit.fluxcd.io/name"):
                return f"Flux ({tool} {name})"
    release = annotations.get("meta.helm.sh/release-name")
    # What is in a Helm release of ours is written by helm.
    if any(manager.startswith("pulumi") for manager in managers) or release in {one.name for one in _RELEASES}:
        return "Pulumi"
    if release:
        return f"Helm (release {release})"
    return next((manager for manager in managers if not manager.startswith("kube-")), "somebody")
