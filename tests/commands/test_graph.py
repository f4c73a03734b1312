"""The picture of the cluster, as far as it needs none: text that Mermaid can read, and what leads where."""

import importlib
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Any

import pytest

from oceanid_cluster.commands import graph
from oceanid_cluster.commands.health import CheckResult, Snapshot
from oceanid_cluster.commands.mermaid import Arrow, Box, Group, escape, flowchart
from oceanid_cluster.commands.readiness import Verdict
from oceanid_cluster.components.facts import ObjectRef

# All that a chart of ours may consist of. Between quotes: letters, digits, a few harmless characters, entities.
LABEL = r"(?:[^\W_]|[ \-./,()=']|#\d+;)*"
TEXT = rf'"{LABEL}(?:<br/>{LABEL})*"'
LINE = re.compile(
    "|".join(
        [
            "flowchart LR",
            "  classDef [a-z]+ [a-z0-9#:,\\- ]+",
            rf"  subgraph g\d+\[{TEXT}\]",
            rf"    b\d+\[{TEXT}\]:::(?:ok|failed|off|plain)",
            "  end",
            r"  [gb]\d+ (?:-->|==>) [gb]\d+",
        ]
    )
)
HOSTILE = [
    'a"b', "end", "`code`", "%%{init: {}}%%", "https://user@example.org/x", "www.example.org", "Ww.WWW.example.org",
    "1. one", "2) two", "- item", "+ item", "* item", "*.nodes.example.org", "__bold__", "# title", "=====", "---",
    "<b>x</b>", "<br/>", "&amp;", "a;b", "style a:b#c;", "classDef x:#1;", "click b1 href", "]:::failed", "[x](y)",
    "a\nb", "\ttab", "a@example.org", "subgraph x", "$$x$$", "ünïcode.例", "~~~", "|a|b|", "\\",
    "    code", "http_status:404", "graph", ":::ok", "a -- b --> c", "#quot;", "10.0.0.1", "10. x", "0",
]  # fmt: skip


def chart(texts: Sequence[str]) -> str:
    boxes = [Box(number, [text, text]) for number, text in enumerate(texts)]
    return flowchart([Group("g", texts[0], boxes)], [Arrow(0, len(texts) - 1), Arrow("g", "g")])


def unescaped(label: str) -> str:
    return re.sub(r"#(\d+);", lambda match: chr(int(match[1])), label)


def shown(text: str) -> str:
    """What Mermaid itself shows of a chart, without white space: it wraps lines."""
    mermaidx: Any = importlib.import_module("mermaidx")
    return "".join("".join(ET.fromstring(mermaidx.render(text).svg()).itertext()).split())


@pytest.mark.slow
def test_mermaid_itself_shows_hostile_names_as_they_are() -> None:
    picture = shown(chart(HOSTILE))
    assert "Unsupportedmarkdown" not in picture
    for text in HOSTILE:
        assert "".join(unescaped(escape(text)).split()) in picture, text


def test_what_is_not_drawn_has_no_arrow_and_an_empty_group_no_frame() -> None:
    lines = flowchart([Group("a", "A", [Box(1, ["x"])]), Group("b", "B", [])], [Arrow(1, 2), Arrow("a", "b")])
    assert "subgraph" in lines
    assert '"B"' not in lines
    assert not re.search("-->|==>", lines)


def test_a_picture_that_nobody_can_take_in_is_folded_with_the_failures_shown() -> None:
    judged = [
        CheckResult("NodeLabels", ObjectRef("Node", "", f"n{number}"), Verdict("ready", "Ready"))
        for number in range(300)
    ]
    judged[299] = CheckResult("NodeLabels", ObjectRef("Node", "", "n299"), Verdict("missing", "has it joined?"))
    nodes = graph.nodes(Snapshot({}, judged))
    assert len(nodes.boxes) == 12
    assert nodes.boxes[0].lines == ["node/n299", "pods: 0", "has it joined?"]
    assert nodes.boxes[-1].lines == ["and 289 more"]
    failed = graph.nodes(Snapshot({}, [CheckResult(one.area, one.ref, judged[299].verdict) for one in judged[:20]]))
    assert failed.boxes[-1].lines == ["and 9 more, 9 of them not ready"]
    assert failed.boxes[-1].state == "failed"


SERVICE: dict[str, Any] = {"spec": {"selector": {"app": "web"}}}
WEB: dict[str, Any] = {"spec": {"template": {"metadata": {"labels": {"app": "web", "x": "y"}}}}}
PLACE = ObjectRef("Deployment", "web", "web")


@pytest.mark.parametrize(
    ("service", "target", "problem"),
    [
        ("http://app.web.svc.cluster.local:80", PLACE, []),
        ("http://app.web.svc:80", PLACE, []),
        ("http://app.other.svc:80", None, ["this Service does not exist"]),
        ("http://going.web.svc:80", None, ["this Service is being deleted since 2026-11-27T10:00:00Z"]),
        ("https://kubernetes.default.svc.cluster.local:443", "Kubernetes API", []),
        ("http://localhost:8000", None, []),
        ("http://192.0.2.1:80", None, []),
        ("http_status:404", None, []),
        ("http://[", None, []),
    ],
)
def test_a_host_name_leads_to_the_pods_behind_its_service(service: str, target: object, problem: list[str]) -> None:
    found = Snapshot({PLACE: WEB, ObjectRef("Deployment", "web", "other"): {}}, [])
    going = {**SERVICE, "metadata": {"deletionTimestamp": "2026-11-27T10:00:00Z"}}
    services = {ObjectRef("Service", "web", "app"): SERVICE, ObjectRef("Service", "web", "going"): going}
    assert graph.target(service, services, found) == (target, problem)


def test_a_url_is_shown_without_its_user_and_a_random_text_not_at_all() -> None:
    token = "Zk8vQ1" * 6
    text = f"cannot clone https://git:{token}@example.org/a.git: 403, {token}"
    assert graph.public(text) == "cannot clone https://example.org/a.git: 403, [secret]"
    assert graph.public("ssh://git@example.org/a.git") == "ssh://example.org/a.git"
