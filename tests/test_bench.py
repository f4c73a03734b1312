"""The benchmark: its targets, the page that shows it, and what may make a run slow."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench import alone, cpu, report
from tests.recorded import ROOT
from tests.samples import REQUIRED

DOCS = ROOT / "docs"


def test_every_target_that_is_missed_is_named() -> None:
    def results(program: float, grown: float, used: float) -> report.Results:
        took = {"program": program, "limit": 4, "predecessor": 12}
        measured = {name: report.spread([seconds]) for name, seconds in took.items()}
        growth = {"nodes": {"3": report.spread([1]), "300": report.spread([grown])}}
        return {"operations": dict.fromkeys(report.TARGETS, measured), "cpu": report.spread([used]), "growth": growth}

    assert report.missed(results(7, 2, 4.3)) == []
    assert report.missed(results(8, 2.5, 4.5)) == [
        "first up: 2.00 of the limit, target 1.8",
        "no-op preview: 4.50 CPU seconds, target 4.3",
        "nodes: 1.50 s more with 300, target 1.0",
    ]
    assert "destroy: 0.75 of the predecessor, target 0.7" in report.missed(results(9, 2, 4.3))


def test_the_page_and_its_plots_are_those_of_the_results_beside_it() -> None:
    measured = json.loads((DOCS / "performance.json").read_text(encoding="utf-8"))
    document = (DOCS / "performance.md").read_text(encoding="utf-8")
    assert report.page(document, measured) == document
    assert report.bars(measured["operations"]) == (DOCS / "performance.svg").read_text(encoding="utf-8")
    assert report.lines(measured["growth"]) == (DOCS / "growth.svg").read_text(encoding="utf-8")
    for spreads in (*measured["operations"].values(), *measured["growth"].values()):
        assert all(report.spread(one["seconds"]) == one for one in spreads.values())


@pytest.mark.slow
def test_cpu_seconds_are_those_of_every_process_with_and_without_a_parent_that_waits(tmp_path: Path) -> None:
    work = "sum(i * i for i in range(1_000_000))"
    orphan = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', '{work}'])"
    waited = f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{work}'])"
    idle, worked, *below = (
        cpu.seconds([sys.executable, "-c", one], tmp_path, os.environ) for one in ("pass", work, orphan, waited)
    )
    assert min(below) > idle + (worked - idle) / 2
    with pytest.raises(subprocess.CalledProcessError):
        cpu.seconds(["false"], tmp_path, os.environ)


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
