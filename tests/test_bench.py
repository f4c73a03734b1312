"""The benchmark: its figures, its table and plots, and the page that shows them."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from tests.bench import alone, cpu, report
from tests.recorded import ROOT
from tests.samples import REQUIRED

DOCS = ROOT / "docs"


def results(
    program: float = 6, limit: float = 4, predecessor: float = 12, grown: float = 1.5, used: float = 4
) -> report.Results:
    """Results of one repetition, the same for every operation."""
    figures = {"program": program, "limit": limit, "predecessor": predecessor}
    return {
        "conditions": {"cores": "2"},
        "operations": {
            operation: {name: report.spread([took]) for name, took in figures.items()} for operation in report.TARGETS
        },
        "cpu": {name: report.spread([part * used]) for name, part in (("kubectl", 0.1), ("pulumi", 0.9), ("total", 1))},
        "alone": {"last registration": report.spread([1]), "imports": {"pulumi": 300.0}},
        "growth": {"nodes": {"3": report.spread([1]), "300": report.spread([grown])}},
    }


def test_repetitions_are_summed_up_by_minimum_median_and_maximum() -> None:
    assert report.spread([3, 1, 2.0004]) == {
        "minimum": 1, "median": 2.0, "maximum": 3, "seconds": [3, 1, 2.0],
    }  # fmt: skip
    assert report.spread([1, 2])["median"] == 1.5


def test_a_ratio_is_one_of_medians() -> None:
    measured = results()
    measured["operations"]["destroy"]["program"] = report.spread([1, 9, 3])
    assert report.ratio(measured, "destroy", "predecessor") == 3 / 12


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, []),
        ({"limit": 3}, ["first up: 2.00 of the limit, target 1.8"]),
        ({"grown": 2.5}, ["nodes: 1.50 s more with 300, target 1.0"]),
        ({"used": 4.5}, ["no-op preview: 4.50 CPU seconds, target 4.3"]),
        ({"predecessor": 8}, ["destroy: 0.75 of the predecessor, target 0.7"]),
        (
            {"predecessor": 5},
            [
                *(f"{name}: 1.20 of the predecessor, target 1.0" for name in ("no-op preview", "no-op up")),
                "destroy: 1.20 of the predecessor, target 0.7",
            ],
        ),
    ],
)
def test_every_target_that_is_missed_is_named(changed: dict[str, Any], said: list[str]) -> None:
    assert report.missed(results(**changed)) == said


def test_the_table_has_a_row_for_each_operation_with_its_ratios_and_targets() -> None:
    rows = report.operations_table(results()).splitlines()[2:]
    assert len(rows) == len(report.TARGETS)
    assert rows[0] == (
        "| first up | 6.00 (6.00 to 6.00) | 4.00 (4.00 to 4.00) | 12.00 (12.00 to 12.00) | 1.50 (target 1.8) | 0.50 |"
    )
    assert report.cpu_table(results()).splitlines()[2:] == [
        "| `pulumi` | 3.60 (3.60 to 3.60) |", "| `kubectl` | 0.40 (0.40 to 0.40) |",
        "| total | 4.00 (4.00 to 4.00) (target 4.3) |",
    ]  # fmt: skip
    assert report.growth_table(results()).splitlines()[-1] == "| 300 nodes | 1.50 (1.50 to 1.50) | 0.50 |"


def test_the_plots_are_svg_and_show_every_median() -> None:
    measured = results()
    drawn = (report.bars(measured["operations"]), report.lines(measured["growth"]))
    for svg in drawn:
        assert ET.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
    assert drawn[0].count(">6.0 s<") == drawn[0].count(">12.0 s<") == len(report.TARGETS)
    assert ">1.50<" in drawn[1]


def test_a_longer_measurement_has_a_longer_bar() -> None:
    widths = [
        float(one.attrib["width"])
        for one in ET.fromstring(report.bars(results()["operations"]))
        if one.tag.endswith("rect") and one.attrib["height"] == "14"
    ]
    assert widths[:3] == [260, pytest.approx(520 / 3, abs=0.1), 520]


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks the markers"):
        report.page("# How long", results())


def test_the_page_and_its_plots_are_those_of_the_results_beside_it() -> None:
    measured = json.loads((DOCS / "performance.json").read_text(encoding="utf-8"))
    document = (DOCS / "performance.md").read_text(encoding="utf-8")
    assert report.page(document, measured) == document
    assert report.bars(measured["operations"]) == (DOCS / "performance.svg").read_text(encoding="utf-8")
    assert report.lines(measured["growth"]) == (DOCS / "growth.svg").read_text(encoding="utf-8")
    for spreads in (*measured["operations"].values(), measured["cpu"], *measured["growth"].values()):
        assert all(report.spread(one["seconds"]) == one for one in spreads.values())


def test_a_configuration_has_as_many_nodes_or_rules_as_it_says() -> None:
    for what, key in (("nodes", "nodes"), ("ingress rules", "extraIngress")):
        assert len(json.loads(alone.configuration(REQUIRED, what, 300)[key])) == 300


@pytest.mark.slow
def test_cpu_seconds_are_those_of_every_process_with_and_without_a_parent_that_waits(tmp_path: Path) -> None:
    work = "sum(i * i for i in range(1_000_000))"
    orphan = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', '{work}'])"
    waited = f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{work}'])"
    used = [cpu.seconds([sys.executable, "-c", one], tmp_path, os.environ) for one in ("pass", work, orphan, waited)]
    idle, worked, *below = (one[cpu.TOTAL] for one in used)
    for one in below:
        assert one > idle + (worked - idle) / 2
    for one in used:
        assert one[cpu.TOTAL] == pytest.approx(sum(one.values()) - one[cpu.TOTAL], abs=0.1)
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
@pytest.mark.parametrize(("what", "largest"), [("nodes", 300), ("ingress rules", 1000)])
def test_the_largest_configuration_is_accepted(what: str, largest: int) -> None:
    assert alone.SIZES[what][-1] == largest
    assert alone.seconds(alone.configuration(REQUIRED, what, largest)) > 0
