"""What the outputs report."""

from pathlib import Path

import pytest

from oceanid_cluster.components.settings import CHAIN
from tests.program import Program
from tests.samples import REQUIRED


def test_outputs_are_those_of_the_contract(program: Program) -> None:
    outputs = program(REQUIRED).outputs
    assert list(outputs)[:6] == [
        "kubeconfigPath", "fluxNamespace", "pkoNamespace", "cloudflareNamespace", "labelStudioHostname",
        "migrationStatus",
    ]  # fmt: skip
    assert Path(outputs["kubeconfigPath"]).is_absolute()
    assert outputs["labelStudioHostname"] == "label.boathou.se"
    off = program({**REQUIRED, "enableLabelStudio": "false", "enableCloudflareTunnel": "false"}).outputs
    assert off["labelStudioHostname"] is off["cloudflareNamespace"] is off["labelStudioAdminPassword"] is None


@pytest.mark.parametrize(("phase", "completed"), [("preparation", 0), ("cutover", 2), ("cleanup", 3)])
def test_the_migration_status_reports_and_never_acts(program: Program, phase: str, completed: int) -> None:
    run = program({**REQUIRED, "migration_phase": phase, "enableNodeTunnels": "false"})
    status = run.outputs["migrationStatus"]
    assert status["phase"] == phase
    assert len(status["completedComponents"]) == completed
    assert "NodeTunnels" not in status["activeComponents"]
    assert len(status["activeComponents"]) == len(CHAIN) - 1
    assert status["nextSteps"]
    assert run.resources.keys() == program({**REQUIRED, "enableNodeTunnels": "false"}).resources.keys()
