"""The benchmark: its targets, the page that shows it, and what may make a run slow."""

import importlib
import json
import re
import subprocess
import sys
from typing import Any

import pytest

from tests.bench import alone, report
from tests.recorded import ROOT
from tests.samples import REQUIRED

DOCS = ROOT / "docs"


def test_the_page_is_that_of_the_results_beside_it() -> None:
    measured = json.loads((DOCS / "performance.json").read_text(encoding="utf-8"))
    document = (DOCS / "performance.md").read_text(encoding="utf-8")
    assert report.page(document, measured) == document
    for spreads in (*measured["operations"].values(), *measured["growth"].values()):
        assert all(report.spread(one["seconds"]) == one for one in spreads.values())


def test_mermaid_draws_both_plots_of_the_page() -> None:
    mermaidx: Any = importlib.import_module("mermaidx")
    document = (DOCS / "performance.md").read_text(encoding="utf-8")
    operations, growth = re.findall(r"```mermaid\n(.*?)```", document, re.DOTALL)
    assert "first up: predecessor" in mermaidx.render(operations).svg()
    assert "1000 ingress rules" in mermaidx.render(growth).svg()


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
