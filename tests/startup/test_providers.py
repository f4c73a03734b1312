"""The providers."""

from tests.program import Program
from tests.recorded import plain
from tests.samples import REQUIRED


def test_the_provider_replaces_nothing_and_its_kubeconfig_is_secret(program: Program) -> None:
    inputs = program(REQUIRED).resources["k3s-provider"].inputs
    assert plain(inputs["kubeconfig"]) != inputs["kubeconfig"]
    assert "canary-kubeconfig" in plain(inputs["kubeconfig"])
    assert inputs["clusterIdentifier"] == "oceanid-dev"
    assert inputs["enableConfigMapMutable"] == inputs["enableSecretMutable"] == "true"
    assert "upsertExistingObjects" not in inputs  # so that the variable of the provider's process is read
    assert program({**REQUIRED, "adoptExisting": "true"}).resources["k3s-provider"].inputs[
        "upsertExistingObjects"
    ] == "true"  # fmt: skip
