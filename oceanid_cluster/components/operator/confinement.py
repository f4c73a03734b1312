"""Keeps what the operator's account writes in the operator's own namespace.

Its ClusterRole lets it create pods anywhere, with any service account (chart, templates/clusterrole.yaml): whoever
controls it would be an administrator of the cluster. What it may read, no admission policy limits.
"""

from oceanid_cluster.components.operator.settings import ACCOUNT, CONFINED, NAMESPACE
from oceanid_cluster.manifests.objects import kubernetes_object
from oceanid_cluster.manifests.pods import Manifest

_API = "admissionregistration.k8s.io/v1"
_MESSAGE = (
    f"the Pulumi operator writes in namespace {NAMESPACE} only: put the Stack there, or turn confinePulumiOperator off"
    " (oceanid-cluster, SECURITY.md)"
)


def admission_policy() -> Manifest:
    """The rule: the operator's account changes nothing outside of its namespace.

    It still writes events, and updates and deletes its own kinds everywhere: a Stack that is elsewhere already has a
    finalizer, without which it could not be deleted.
    """
    everything = {"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"], "scope": "Namespaced"}
    excepted = [
        {"apiGroups": ["", "events.k8s.io"], "resources": ["events"], "operations": ["CREATE", "UPDATE"]},
        {"apiGroups": ["pulumi.com", "auto.pulumi.com"], "resources": ["*/*"], "operations": ["UPDATE", "DELETE"]},
    ]
    account = f"request.userInfo.username == 'system:serviceaccount:{NAMESPACE}:{ACCOUNT}'"
    inside = f"request.namespace == '{NAMESPACE}'"
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [{**everything, "operations": ["*"]}],
            "excludeResourceRules": [{**everything, **one} for one in excepted],
        },
        "matchConditions": [{"name": "operator", "expression": account}],
        "validations": [{"expression": inside, "message": _MESSAGE, "reason": "Forbidden"}],
    }
    return kubernetes_object(_API, "ValidatingAdmissionPolicy", CONFINED, spec=spec)


def admission_binding() -> Manifest:
    """Puts the rule into force."""
    spec = {"policyName": CONFINED, "validationActions": ["Deny"]}
    return kubernetes_object(_API, "ValidatingAdmissionPolicyBinding", CONFINED, spec=spec)
