"""What must be in the cluster for each component: what health looks at, and what preflight looks for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from oceanid_cluster.commands.readiness import Reason
from oceanid_cluster.commands.state import Place

# How kubectl is asked for each kind: Flux's need their group, other projects have a Kustomization too.
CUSTOM_RESOURCES = {
    "GitRepository": "gitrepositories.source.toolkit.fluxcd.io",
    "Kustomization": "kustomizations.kustomize.toolkit.fluxcd.io",
    "ImageRepository": "imagerepositories.image.toolkit.fluxcd.io",
    "ImagePolicy": "imagepolicies.image.toolkit.fluxcd.io",
    "ImageUpdateAutomation": "imageupdateautomations.image.toolkit.fluxcd.io",
    "Provider": "providers.notification.toolkit.fluxcd.io",
    "Alert": "alerts.notification.toolkit.fluxcd.io",
    "Receiver": "receivers.notification.toolkit.fluxcd.io",
}
# Kinds without a status: they are there, or they are not (notification-controller: api/v1beta3).
STATIC = frozenset({"Provider", "Alert"})

# The Secrets of Flux, which of them depends on the keys; a test holds them against the program.
FLUX_SECRETS = (
    "github-token", "flux-system-ssh", "github-app", "sops-age", "webhook-token", "git-verification-keys",
)  # fmt: skip
FLUX_GROUPS = tuple(f".{group}.toolkit.fluxcd.io" for group in ("source", "kustomize", "helm", "image", "notification"))
OPERATOR_GROUPS = (".pulumi.com",)
NODES = "NodeLabels"

DEPLOY = "a deploy puts it back: workflow 'Deploy Cluster (self-hosted)', or: pulumi up --refresh --run-program"


@dataclass(frozen=True)
class Expected:
    """One object of a component, and what to do about it.

    ``component`` is named as in the output ``components``. ``hints`` belong to reasons: a hint is shown for its reason
    only, so that it never contradicts the detail. An ``optional`` object depends on more than its component's flag:
    without the state, it is expected only where it exists.
    """

    component: str
    kind: str
    namespace: str
    name: str
    hints: Mapping[Reason, str] = field(default_factory=lambda: MappingProxyType({}))
    optional: bool = False

    @property
    def place(self) -> Place:
        """Where it is."""
        return Place(self.kind, self.namespace, self.name)

    def hint(self, reason: Reason) -> str:
        """What to do, for this reason; empty when the detail says it all."""
        if reason in ("missing", "scaled", "changed"):
            return DEPLOY
        return self.hints.get(reason, "")


_TUNNEL: dict[Reason, str] = {
    "probe": 'no connection to Cloudflare\'s edge: docs/runbook.md, "Tunnel down"',
    "crash": 'a bad token, or bad rules: docs/runbook.md, "Tunnel down"',
}
_NODE_TUNNEL: dict[Reason, str] = {
    **_TUNNEL,
    "no node": 'none carries oceanid.cluster/tunnel-enabled=true: docs/runbook.md, "Label or replace a node"',
}
_LABEL_STUDIO: dict[Reason, str] = dict.fromkeys(
    ("probe", "crash"), 'database or secrets: docs/runbook.md, "Label Studio"'
)


def _flux_hints(controller: str, resource: str, condition: str) -> dict[Reason, str]:
    """The hints of an object of Flux: which controller serves it, and how the flux command calls its kind."""
    return {
        "silent": f"why not: kubectl -n flux-system logs deploy/{controller}-controller",
        "suspended": f"flux resume {resource} <name>",
        "condition": condition,
    }


_FLUX_ENTRY = 'docs/runbook.md, "Flux does not reconcile"'
_GIT = _flux_hints("source", "source git", f"github_token, the deploy key or gitRepositoryUrl: {_FLUX_ENTRY}")
_ROOT = _flux_hints("kustomize", "kustomization", _FLUX_ENTRY)
_WEBHOOK = _flux_hints("notification", "receiver", f"its Secret or the repository is missing: {_FLUX_ENTRY}")
_SCAN = _flux_hints("image-reflector", "image repository", "the registry cannot be read")
_POLICY = _flux_hints("image-reflector", "image policy", "no tag fits, or its ImageRepository is not ready")
_UPDATE = _flux_hints("image-automation", "image update", f"Git cannot be read or written: {_FLUX_ENTRY}")

_FLUX_CONTROLLERS = ("source", "kustomize", "helm", "notification")
_IMAGE_CONTROLLERS = ("image-reflector", "image-automation")
_IMAGES = ("cloudflared", "cert-manager", "label-studio")
_FLUX, _IMAGE_AUTOMATION, _SYSTEM = "FluxBootstrap", "ImageAutomation", "flux-system"

# Tests hold this table against the program: every workload of ours is in it, and nothing else.
EXPECTED = (
    *(Expected(_FLUX, "Deployment", _SYSTEM, f"{name}-controller") for name in _FLUX_CONTROLLERS),
    Expected(_FLUX, "GitRepository", _SYSTEM, "flux-system", _GIT),
    Expected(_FLUX, "Kustomization", _SYSTEM, "flux-system", _ROOT),
    Expected(_FLUX, "Receiver", _SYSTEM, "flux-system", _WEBHOOK, optional=True),
    Expected("PulumiOperator", "Deployment", "pulumi-system", "pulumi-kubernetes-operator-controller-manager"),
    Expected("CloudflareTunnel", "Deployment", "cloudflared", "cloudflared", _TUNNEL),
    Expected("NodeTunnels", "DaemonSet", "node-tunnels", "cloudflared-tunnel", _NODE_TUNNEL),
    *(Expected(_IMAGE_AUTOMATION, "Deployment", _SYSTEM, f"{name}-controller") for name in _IMAGE_CONTROLLERS),
    *(Expected(_IMAGE_AUTOMATION, "ImageRepository", _SYSTEM, name, _SCAN) for name in _IMAGES),
    *(Expected(_IMAGE_AUTOMATION, "ImagePolicy", _SYSTEM, name, _POLICY) for name in _IMAGES),
    Expected(_IMAGE_AUTOMATION, "ImageUpdateAutomation", _SYSTEM, "flux-system", _UPDATE),
    Expected(_IMAGE_AUTOMATION, "Provider", _SYSTEM, "github-updates", optional=True),
    Expected(_IMAGE_AUTOMATION, "Alert", _SYSTEM, "image-updates", optional=True),
    Expected("LabelStudio", "Deployment", "apps", "label-studio", _LABEL_STUDIO),
    Expected("TritonAdapter", "Deployment", "apps", "ls-triton-adapter"),
)
COMPONENTS = frozenset({NODES, *(one.component for one in EXPECTED)})
NAMESPACES: Mapping[str, tuple[str, ...]] = {
    component: tuple(dict.fromkeys(one.namespace for one in EXPECTED if one.component == component))
    for component in dict.fromkeys(one.component for one in EXPECTED)
}
