"""What is in the cluster already, compared with the stack's state: can a deploy create what it has to create."""

from collections.abc import Iterable, Mapping, Sequence

from oceanid_cluster.commands.objects import Object, annotations_of, labels_of, managers_of
from oceanid_cluster.commands.report import Row
from oceanid_cluster.commands.state import Place, StackState
from oceanid_cluster.commands.storage import CLAIM
from oceanid_cluster.components.expected import EXPECTED, FLUX_GROUPS, FLUX_SECRETS, NAMESPACES
from oceanid_cluster.manifests import labels

RELEASE = Place("Release", "pulumi-system", "pulumi-kubernetes-operator")
ADOPT = "pulumi config set adoptExisting true; deploy; pulumi config rm adoptExisting"
FORGET_RELEASE = "-n pulumi-system delete secret -l owner=helm,name=pulumi-kubernetes-operator"
_SHOWN = 4

# What else a deploy creates under a fixed name, by component; a test holds the names against the program.
_OTHERS: Mapping[str, Sequence[Place]] = {
    "FluxBootstrap": (
        *(Place("Secret", "flux-system", name) for name in FLUX_SECRETS),
        Place("ConfigMap", "flux-system", "flux-runtime-info"),
    ),
    "PulumiOperator": (Place("Secret", "pulumi-system", "pulumi-api-secret"),),
    "CloudflareTunnel": (
        Place("Secret", "cloudflared", "cloudflared-credentials"),
        Place("ConfigMap", "cloudflared", "cloudflared-config"),
        Place("Service", "cloudflared", "cloudflared-metrics"),
        Place("PodDisruptionBudget", "cloudflared", "cloudflared"),
    ),
    "NodeTunnels": (
        Place("Secret", "node-tunnels", "tunnel-credentials"), Place("ConfigMap", "node-tunnels", "tunnel-config"),
        Place("Service", "node-tunnels", "cloudflared-metrics"),
    ),
    "LabelStudio": (
        Place("Secret", "apps", "labelstudio-db-credentials"), Place("Secret", "apps", "labelstudio-app-credentials"),
        Place("Secret", "apps", "labelstudio-s3-credentials"), Place("PersistentVolumeClaim", "apps", CLAIM),
        Place("Service", "apps", "label-studio"), Place("NetworkPolicy", "apps", "label-studio"),
    ),
    "TritonAdapter": (
        Place("Secret", "apps", "ls-triton-adapter-ner-labels"), Place("Secret", "apps", "hf-credentials"),
        Place("Secret", "apps", "ls-triton-adapter-cf-access"), Place("Secret", "apps", "ls-triton-adapter-sentry"),
        Place("Secret", "apps", "ghcr-creds"), Place("Service", "apps", "ls-triton-adapter"),
        Place("ServiceAccount", "apps", "ls-triton-adapter"), Place("NetworkPolicy", "apps", "ls-triton-adapter"),
        Place("Role", "apps", "ls-triton-adapter-job-writer"),
        Place("RoleBinding", "apps", "ls-triton-adapter-job-writer"),
    ),
}  # fmt: skip
# Whether these are made depends on a key: that one of ours is there does not say that the deploy would make it.
_OPTIONAL = frozenset(
    {
        *(one.place for one in EXPECTED if one.optional),
        *(Place("Secret", "flux-system", name) for name in FLUX_SECRETS),
        Place("Secret", "pulumi-system", "pulumi-api-secret"), Place("Secret", "apps", "labelstudio-s3-credentials"),
        Place("Secret", "apps", "hf-credentials"), Place("Secret", "apps", "ls-triton-adapter-cf-access"),
        Place("Secret", "apps", "ls-triton-adapter-sentry"), Place("Secret", "apps", "ghcr-creds"),
    }
)  # fmt: skip


def places(component: str) -> list[Place]:
    """Where the objects are that a deploy of the component creates, as far as their names are fixed."""
    own = [one.place for one in EXPECTED if one.component == component]
    namespaces = [Place("Namespace", "", name) for name in NAMESPACES[component]]
    return [*namespaces, *own, *_OTHERS.get(component, ())]


def check_existing(
    components: Iterable[str],
    live: Mapping[Place, Object],
    state: StackState,
    *,
    adopting: bool,
    releases: Sequence[Object],
    kubectl: str = "kubectl",
) -> list[Row]:
    """One row for each component: what is there, who manages it, and whether the stack knows of it.

    ``live`` holds the objects that are there, ``releases`` Helm's records of the operator's release. With ``adopting``
    the next run adopts what it finds. ``kubectl`` is how to call it so that it reaches this cluster.
    """
    known = set(state.objects)
    if RELEASE in state.releases:
        known |= {one.place for one in EXPECTED if one.component == "PulumiOperator"}
    rows: list[Row] = []
    for component in components:
        wanted = places(component)
        if component == "FluxBootstrap":
            wanted += [place for place in live if is_flux_crd(place)]
        rows.append(_row(component, wanted, live, known, adopting))
    if "PulumiOperator" in components and releases and RELEASE not in state.releases:
        fix = f"delete Helm's record, which is a Secret and nothing else: {kubectl} {FORGET_RELEASE}"
        rows.append(Row("existing", "operator release", "failed", f"Helm knows it, the state does not; {fix}"))
    return rows


def is_flux_crd(place: Place) -> bool:
    """Whether a place is that of a CRD which the Flux chart brings."""
    return place.kind == "CustomResourceDefinition" and place.name.endswith(FLUX_GROUPS)


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
    # The operator is a Helm release of ours, and helm is what writes it.
    if any(manager.startswith("pulumi") for manager in managers) or release == RELEASE.name:
        return "Pulumi"
    if release:
        return f"Helm (release {release})"
    return next((manager for manager in managers if not manager.startswith("kube-")), "somebody")
