"""Labels and annotations: who made an object, for which component, and what others may do with it."""

from typing import Literal

COMPONENT = "oceanid.cluster/component"
MANAGED_BY = "oceanid.cluster/managed-by"
PART_OF = "app.kubernetes.io/part-of"
ROLLOUT = "oceanid.cluster/rollout"

# A Service's or claim's readiness says nothing beyond its workload's; the provider would wait ten seconds for it.
SKIP_AWAIT = {"pulumi.com/skipAwait": "true"}
# One replica, strategy Recreate: between the old pod and the new one the provider's own check may call it ready.
WAIT_FOR_RECREATED = {"pulumi.com/waitFor": '["jsonpath={.status.updatedReplicas}=1", "condition=Available"]'}
# Flux leaves alone what Pulumi put into a namespace that Git also describes.
FLUX_NEVER_PRUNES = {"kustomize.toolkit.fluxcd.io/prune": "disabled"}

PodSecurityLevel = Literal["restricted", "baseline", "privileged"]


def namespace_labels(cluster: str, component: str, level: PodSecurityLevel) -> dict[str, str]:
    """Labels of a namespace: ownership, and its Pod Security level (Kubernetes, "Pod Security Admission")."""
    return {
        PART_OF: cluster,
        MANAGED_BY: "pulumi",
        COMPONENT: component,
        "pod-security.kubernetes.io/enforce": level,
        "pod-security.kubernetes.io/warn": "restricted",
    }


def workload_labels(cluster: str, component: str, name: str, selector: dict[str, str]) -> dict[str, str]:
    """Recommended labels of a workload and its objects, beside the selector labels, which never change."""
    return {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/instance": name,
        "app.kubernetes.io/component": component,
        PART_OF: cluster,
        "app.kubernetes.io/managed-by": "pulumi",
        **selector,
    }
