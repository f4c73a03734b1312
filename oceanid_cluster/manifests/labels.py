"""Labels and annotations: who made an object, for which component, and what others may do with it."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

MANAGED_BY = "oceanid.cluster/managed-by"
PART_OF = "app.kubernetes.io/part-of"
ROLLOUT = "oceanid.cluster/rollout"
CRD_DIGEST = "oceanid.cluster/crd-digest"
_WAIT_FOR = "pulumi.com/waitFor"

# A Service's or claim's readiness says nothing beyond its workload's; the provider would wait ten seconds for it.
SKIP_AWAIT = {"pulumi.com/skipAwait": "true"}
# One replica, strategy Recreate: between the old pod and the new one the provider's own check may call it ready.
WAIT_FOR_RECREATED = {_WAIT_FOR: '["jsonpath={.status.updatedReplicas}=1", "condition=Available"]'}
# kustomize-controller, internal/controller/kustomization_controller.go: apply() skips a live object that has this,
# whatever Git says, and deleteObjects() does not prune it. On a Kustomization or GitRepository it means just that, too:
# their own reconciliation does not read it.
FLUX_LEAVES_ALONE = {"kustomize.toolkit.fluxcd.io/reconcile": "disabled"}
# A second belt for what cannot be made again: whoever gives such an object to Git by taking the first one off keeps it.
FLUX_NEVER_PRUNES = {"kustomize.toolkit.fluxcd.io/prune": "disabled"}

PodSecurityLevel = Literal["restricted", "baseline", "privileged"]


def owned(metadata: Mapping[str, Any], *, retained: bool = False) -> dict[str, Any]:
    """The metadata of an object that Pulumi owns: Git can neither change nor prune it.

    ``retained`` is for what ``pulumi destroy`` keeps, too. Pod templates are not objects: they do not get it.
    """
    given: Mapping[str, str] = metadata.get("annotations") or {}
    added = {**FLUX_LEAVES_ALONE, **(FLUX_NEVER_PRUNES if retained else {})}
    return {**metadata, "annotations": {**given, **added}}


def wait_until_served(crd: Mapping[str, Any]) -> dict[str, str]:
    """Annotations with which the provider waits for a CRD until the API server serves its kind.

    The API server stores a CRD before it serves its kind. If it is killed in between, only an update of the CRD or the
    resync of its informers establishes the CRD (apiextensions-apiserver, ``pkg/apiserver/customresource_handler.go``).
    The provider watches all CRDs at once and may see one as it was before an update, so it waits for the digest, too.
    """
    digest = hashlib.sha256(json.dumps(crd, sort_keys=True).encode()).hexdigest()[:16]
    conditions = [f"jsonpath={{.metadata.annotations['{CRD_DIGEST}']}}={digest}", "condition=Established"]
    return {CRD_DIGEST: digest, _WAIT_FOR: json.dumps(conditions)}


def workload_labels(cluster: str, component: str, name: str, selector: Mapping[str, str]) -> dict[str, str]:
    """Recommended labels of a workload and its objects, beside the selector labels, which never change."""
    return {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/instance": name,
        "app.kubernetes.io/component": component,
        PART_OF: cluster,
        "app.kubernetes.io/managed-by": "pulumi",
        **selector,
    }
