"""The Pulumi Kubernetes Operator: its configuration, and what the commands know of it."""

from dataclasses import dataclass

from oceanid_cluster import versions
from oceanid_cluster.components.facts import ComponentSettings, Expected, Facts
from oceanid_cluster.config import parsers
from oceanid_cluster.config.schema import key
from oceanid_cluster.config.secret import Secret

NAMESPACE = "pulumi-system"
RELEASE = "pulumi-kubernetes-operator"
API_SECRET = "pulumi-api-secret"
ACCOUNT = RELEASE  # the chart names its service account after its release (templates/_helpers.tpl)
CONFINED = "confine-pulumi-operator"
# The Deployment is Helm's: a deploy compares the release, and not what is in it.
_ROLLBACK = (
    'Helm puts it back, by helm rollback: docs/runbook.md, "Drift"; a deploy does where Helm has no record of it'
)
FACTS = Facts(
    name="PulumiOperator",
    title="operator",
    logical_name="pko",
    type_token="oceanid:pko:PulumiOperator",
    namespace=NAMESPACE,
    expected=(
        Expected("Deployment", NAMESPACE, f"{RELEASE}-controller-manager", {"missing": _ROLLBACK, "scaled": _ROLLBACK}),
    ),
    optional={
        "Secret": [API_SECRET],
        "ValidatingAdmissionPolicy": [CONFINED],
        "ValidatingAdmissionPolicyBinding": [CONFINED],
    },
    crd_groups=(".pulumi.com",),
    releases=(RELEASE,),
)


@dataclass(frozen=True)
class OperatorSettings(ComponentSettings):
    """The Pulumi Kubernetes Operator."""

    facts = FACTS

    enabled: bool = key(
        "enablePulumiOperator", parsers.boolean, "install the Pulumi Kubernetes Operator", default="true"
    )
    access_token: Secret | None = key(
        "pulumi_access_token", parsers.token, "the operator's Pulumi Cloud token", secret=True,
        old=("pulumi.access_token",), value="token",
    )  # fmt: skip
    confined: bool = key(
        "confinePulumiOperator", parsers.boolean,
        "let the operator write in `pulumi-system` only: its Stacks must be there",
        default="true",
    )  # fmt: skip
    chart: str = key(
        "pulumiOperatorChart", parsers.text, "chart of the operator: OCI reference or local path",
        default=versions.chart("pulumi-kubernetes-operator").chart,
    )  # fmt: skip
    chart_version: str = key(
        "pulumiOperatorChartVersion", parsers.chart_version, "version of the operator's chart",
        default=versions.chart("pulumi-kubernetes-operator").version,
    )  # fmt: skip
