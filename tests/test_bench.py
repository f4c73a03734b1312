"""The benchmark: its targets, the page that shows it, and what may make a run slow."""

import json
import subprocess
import sys

import pytest

from tests.bench import alone, report
from tests.recorded import ROOT
from tests.samples import REQUIRED

DOCS = ROOT / "docs"


def test_the_page_and_its_plots_are_those_of_the_results_beside_it() -> None:
    measured = json.loads((DOCS / "performance.json").read_text(encoding="utf-8"))
    document = (DOCS / "performance.md").read_text(encoding="utf-8")
    assert report.page(document, measured) == document
    assert report.bars(measured["operations"]) == (DOCS / "performance.svg").read_text(encoding="utf-8")
    assert report.lines(measured["growth"]) == (DOCS / "growth.svg").read_text(encoding="utf-8")
    for spreads in (*measured["operations"].values(), *measured["growth"].values()):
        assert all(report.spread(one["seconds"]) == one for one in spreads.values())


@pytest.mark.slow
def test_a_run_imports_no_classes_of_kinds() -> None:
    """They are thousands, and take longer to import than all the rest of the program (components/base.py)."""
    script = "import sys; from tests.bench import alone; alone.main(); print(*sys.modules)"
    command = [sys.executable, "-c", script]
    environment = alone.environment(REQUIRED)
    answer = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    imported = set(answer.stdout.splitlines()[-1].split())
    assert "pulumi_kubernetes.helm.v4.Chart" in imported
    assert not {"pulumi_kubernetes.core.v1", "pulumi_kubernetes.apps.v1", "pulumi_cloudflare", "requests"} & imported


@pytest.mark.slow
@pytest.mark.parametrize(("what", "key"), [("nodes", "nodes"), ("ingress rules", "extraIngress")])
def test_the_largest_configuration_is_accepted(what: str, key: str) -> None:
    config = alone.configuration(REQUIRED, what, alone.SIZES[what][-1])
    assert len(json.loads(config[key])) == alone.SIZES[what][-1] >= 300
    assert alone.seconds(config) > 0
