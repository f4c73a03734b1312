"""The Pulumi operator: where it may write, and what its workspaces may fetch."""

from tests.program import Program, in_namespace, peers
from tests.recorded import dependencies, plain
from tests.samples import REQUIRED


def test_the_operator_is_confined_to_its_namespace_before_it_runs_unless_a_key_says_otherwise(program: Program) -> None:
    run = program(REQUIRED)
    assert {"pko-admission", "pko-admission-binding"} & dependencies(run, "pko-helm") == {"pko-admission-binding"}
    assert dependencies(run, "pko-admission-binding") == {"pko-admission"}
    free = program({**REQUIRED, "confinePulumiOperator": "false"}).resources
    assert run.resources.keys() - free.keys() == {"pko-admission", "pko-admission-binding"}


def test_the_operators_workspaces_may_fetch_what_flux_read(program: Program) -> None:
    run = program(REQUIRED)
    policy = plain(run.resources["pko-flux-artifacts"].inputs)
    assert policy["metadata"]["namespace"] == "flux-system"
    assert policy["spec"]["podSelector"] == {"matchLabels": {"app": "source-controller"}}
    assert [rule["ports"] for rule in policy["spec"]["ingress"]] == [[{"protocol": "TCP", "port": "http"}]]
    workspace = {
        "app.kubernetes.io/managed-by": "pulumi-kubernetes-operator",
        "app.kubernetes.io/name": "pulumi",
        "app.kubernetes.io/component": "workspace",
    }
    assert peers(run, "pko-flux-artifacts") == [in_namespace("pulumi-system", **workspace)]
    alone = program({**REQUIRED, "enableFluxBootstrap": "false", "enableImageAutomation": "false"})
    assert "pko-flux-artifacts" not in alone.resources
