"""The picture of a live cluster. How it shows what is broken or turned off is looked at where that is done."""

import re
from itertools import pairwise

from oceanid_cluster.components.nodes.facts import NAME as NODES
from oceanid_cluster.components.settings import CHAIN, EXPECTED
from sandbox.layout import ROOT
from tests.commands.test_graph import LINE, shown
from tests.engine.engine import Engine, flux_reports

# docs/architecture.md, "The chain": its boxes, and the arrows between their titles.
DIAGRAM = (
    (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("flowchart LR")[2].partition("```")[0]
)
TITLES = dict(re.findall(r"(\w+)\[(\w+)\]", DIAGRAM))
ARROWS = {
    (TITLES[start], TITLES[end])
    for line in DIAGRAM.splitlines()
    for start, end in pairwise(re.findall(r"(\w+)(?:\[\w+\])?(?= -->|$)", line))
}


def chain(text: str) -> set[tuple[str, str]]:
    """The thick arrows, by the names of components."""
    names = dict(re.findall(r'subgraph (g\d+)\["\d (\w+)', text))
    return {(names[start], names[end]) for start, end in re.findall(r"(g\d+) ==> (g\d+)", text)}


def leads_to(text: str, host: str) -> str:
    """The box to which the box of a host name has an arrow."""
    boxes = dict(re.findall(r'(b\d+)\["([^"]*)"\]', text))
    (start,) = [name for name, label in boxes.items() if host in label]
    (end,) = re.findall(rf"{start} --> (b\d+)", text)
    return boxes[end]


def test_the_picture_shows_every_component_workload_node_and_host_name(engine: Engine) -> None:
    flux_reports(engine)
    text = engine.command("graph").stdout
    assert [line for line in text.splitlines() if not LINE.fullmatch(line)] == []
    assert chain(text) == ARROWS
    for one in EXPECTED:
        if one.kind in ("Deployment", "DaemonSet"):
            assert re.search(rf'"{one.kind.lower()}/{one.name}<br/>(\d)/\1"\]:::ok', text), one
    for number, component in enumerate((NODES, *(facts.name for facts in CHAIN))):
        assert re.search(rf'subgraph g\d+\["{number} {component}[ "]', text)
    assert re.search(r'"node/calypso<br/>pods#58; \d<br/>Ready, 4 labels"\]:::ok', text)
    assert leads_to(text, "label.boathou.se").startswith("deployment/label-studio<br/>")
    assert leads_to(text, "k3s.boathou.se").startswith("Kubernetes API<br/>")
    assert "gpu.boathou.se<br/>http#58;#47;#47;localhost#58;8000" in text
    assert ":::failed" not in text
    assert ":::off" not in text
    drawn = shown(text)  # by Mermaid itself
    assert "label.boathou.se" in drawn
    assert "Unsupportedmarkdown" not in drawn


def test_without_pulumi_every_component_is_drawn_and_no_order(engine: Engine) -> None:
    flux_reports(engine)
    text = engine.command("graph", "--all").stdout
    assert len(re.findall(r'subgraph g\d+\["\d ', text)) == len(CHAIN) + 1
    assert chain(text) == set()
