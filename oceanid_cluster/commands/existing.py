"""What is in the cluster already, compared with the stack's state: can a deploy create what it has to create."""

from collections.abc import Mapping, Sequence

from oceanid_cluster.commands.objects import Object, annotations_of, labels_of, managers_of
from oceanid_cluster.commands.release_drift import records
from oceanid_cluster.commands.report import Row
from oceanid_cluster.commands.state import StackState
from oceanid_cluster.components.facts import Facts, Place
from oceanid_cluster.components.settings import CHAIN
from oceanid_cluster.manifests import labels

ADOPT = "pulumi config set adoptExisting true; deploy; pulumi config rm adoptExisting"
_SHOWN = 4
# Whether these are made depends on a key: that one of ours is there does not say that the deploy would make it.
_OPTIONAL = frozenset(place for facts in CHAIN for place in facts.optional_places())
_RELEASES = frozenset(release for facts in CHAIN for release in facts.release_places())


def check_existing(
    components: Sequence[Facts],
    live: Mapping[Place, Object],
    state: StackState,
    *,
    adopting: bool,
    releases: Mapping[Place, Sequence[Object]],
    kubectl: str = "kubectl",
) -> list[Row]:
    """One row for each component: what is there, who manages it, and whether the stack knows of it.

    ``live`` holds the objects that are there, ``releases`` Helm's records of each release. With ``adopting`` the next
    run adopts what it finds. ``kubectl`` is how to call it so that it reaches this cluster.
    """
    known = set(state.objects)
    for facts in CHAIN:
        if state.releases.intersection(facts.release_places()):
            known |= {one.place for one in facts.expected}
    rows: list[Row] = []
    for facts in components:
        wanted = [*facts.places(), *(place for place in live if is_crd_of_a_chart(facts, place))]
        rows.append(_row(facts.name, wanted, live, known, adopting))
    for facts in components:
        for release in facts.release_places():
            if releases.get(release) and release not in state.releases:
                fix = f"delete Helm's record, which is a Secret and nothing else: {kubectl} {forget(release)}"
                detail = f"Helm knows it, the state does not; {fix}"
                rows.append(Row("existing", f"{facts.title} release", "failed", detail))
    return rows


def forget(release: Place) -> str:
    """The arguments with which kubectl deletes Helm's record of a release."""
    return f"-n {release.namespace} delete secret -l {records(release.name)}"


def is_crd_of_a_chart(facts: Facts, place: Place) -> bool:
    """Whether a place is that of a CRD which the component's chart brings; those of a Helm release are Helm's."""
    is_crd = place.kind == "CustomResourceDefinition" and place.name.endswith(facts.crd_groups)
    return is_crd and not facts.releases


def _row(
    component: str, wanted: Sequence[Place], live: Mapping[Place, Object], known: set[Place], adopting: bool
) -> Row:
    found = [place for place in wanted if place in live and (place in known or _counts(place, live[place]))]
    gone = [place for place in wanted if place in known and place not in live]
    blocking = [place for place in found if place not in known]
    owners: dict[str, list[Place]] = {}
    for place in found:
        name = owner(live[place])
        if name != "Pulumi" and not (place in known and not name.startswith(("Flux", "Helm"))):
            owners.setdefault(name, []).append(place)
    said: list[str] = []
    if len(found) > len(blocking):
        said.append(f"{len(found) - len(blocking)} objects, managed by Pulumi")
    if gone:
        said.append(f"{_list(gone)}: in the state, not in the cluster; the deploy creates them again (it refreshes)")
    if blocking and adopting:
        said.append(f"{_list(blocking)}: in the cluster, not in the state; this run adopts them (adoptExisting)")
    elif blocking:
        said.append(f"{_list(blocking)}: in the cluster, not in the state. Adopt them, for one run: {ADOPT}")
    for name, objects in owners.items():
        said.append(f"{_list(objects)}: managed by {name}. One owner each: remove the other")
    state = "failed" if blocking and not adopting else "warning" if gone or owners else "ok"
    return Row("existing", component, state, "; ".join(said) or "nothing yet")


def _counts(place: Place, found: Object) -> bool:
    """Whether a deploy creates the object: an optional one of somebody else's is not our matter."""
    return place not in _OPTIONAL or managed_by_us(found) or owner(found) == "Pulumi"


def _list(found: Sequence[Place]) -> str:
    shown = ", ".join(f"{place.kind}/{place.name}" for place in found[:_SHOWN])
    return f"{shown} and {len(found) - _SHOWN} more" if len(found) > _SHOWN else shown


def managed_by_us(found: Object) -> bool:
    """Whether an object carries one of the labels that this program puts on what it makes."""
    own = labels_of(found)
    return own.get(labels.MANAGED_BY) == "pulumi" or own.get("app.kubernetes.io/managed-by") == "pulumi"


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
