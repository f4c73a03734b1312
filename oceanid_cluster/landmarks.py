"""The objects by which operators judge a component: what preflight looks for and health looks at."""

from dataclasses import dataclass

# How kubectl is asked for each kind: Flux's need their group, other projects have a Kustomization too.
RESOURCES = {
    "Namespace": "namespaces",
    "Deployment": "deployments",
    "DaemonSet": "daemonsets",
    "GitRepository": "gitrepositories.source.toolkit.fluxcd.io",
    "Kustomization": "kustomizations.kustomize.toolkit.fluxcd.io",
}


@dataclass(frozen=True)
class Landmark:
    """One object of a component (named as in the output ``components``), and what it means when it is not ready."""

    component: str
    kind: str
    namespace: str
    name: str
    hint: str = ""


_NO_EDGE = 'no connection to Cloudflare\'s edge, or a bad token: docs/runbook.md, "Tunnel down"'
_FLUX_CONTROLLERS = ("source", "kustomize", "helm", "notification", "image-reflector", "image-automation")

# A test holds this table against the program: every workload of ours is in it, and nothing else.
LANDMARKS = (
    *(Landmark("FluxBootstrap", "Deployment", "flux-system", f"{name}-controller") for name in _FLUX_CONTROLLERS),
    Landmark("FluxBootstrap", "GitRepository", "flux-system", "flux-system", "cannot read Git: token or URL"),
    Landmark("FluxBootstrap", "Kustomization", "flux-system", "flux-system", "see: flux get all -A"),
    Landmark("PulumiOperator", "Deployment", "pulumi-system", "pulumi-kubernetes-operator-controller-manager"),
    Landmark("CloudflareTunnel", "Deployment", "cloudflared", "cloudflared", _NO_EDGE),
    Landmark("NodeTunnels", "DaemonSet", "node-tunnels", "cloudflared-tunnel", _NO_EDGE),
    Landmark("LabelStudio", "Deployment", "apps", "label-studio", "database or secrets: docs/runbook.md"),
    Landmark("TritonAdapter", "Deployment", "apps", "ls-triton-adapter"),
)
