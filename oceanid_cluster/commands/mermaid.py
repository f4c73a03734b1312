"""Flowcharts as Mermaid text: groups of boxes, and arrows. Whatever a label holds, the text can be parsed."""

import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "failed", "off", "plain"]

# Besides letters and digits: what no reader of a label takes for syntax.
_SAFE = frozenset(" -./,()='")
_HARMLESS_START = re.compile(r"[^\W\d_]|#|\d+(?![\d.)])|$")
_STYLES = """\
  classDef ok fill:#e6f4ea,stroke:#2e7d32,color:#111
  classDef failed fill:#fde7e7,stroke:#c62828,color:#111,stroke-width:3px
  classDef off fill:none,stroke:#888,color:#888,stroke-dasharray:5 5
  classDef plain fill:#eef2f7,stroke:#607d8b,color:#111"""


@dataclass(frozen=True)
class Box:
    """A box: the key by which arrows know it, its lines of text, its state."""

    key: Hashable
    lines: Sequence[str]
    state: State = "plain"


@dataclass(frozen=True)
class Group:
    """A frame with a title around boxes."""

    key: Hashable
    title: str
    boxes: Sequence[Box]


@dataclass(frozen=True)
class Arrow:
    """From one box or group to another, by their keys; a thick one is the order of the chain."""

    start: Hashable
    end: Hashable
    thick: bool = False


def flowchart(groups: Sequence[Group], arrows: Iterable[Arrow]) -> str:
    """The chart as text. A group without boxes, and an arrow to or from what is not drawn, are left out."""
    names: dict[Hashable, str] = {}
    lines = ["flowchart LR", *_STYLES.splitlines()]
    for group in groups:
        if not group.boxes:
            continue
        names[group.key] = f"g{len(names)}"
        lines.append(f'  subgraph {names[group.key]}["{escape(group.title)}"]')
        for box in group.boxes:
            names[box.key] = f"b{len(names)}"
            text = "<br/>".join(map(escape, box.lines))
            lines.append(f'    {names[box.key]}["{text}"]:::{box.state}')
        lines.append("  end")
    drawn = [one for one in dict.fromkeys(arrows) if one.start in names and one.end in names]
    lines += [f"  {names[one.start]} {'==>' if one.thick else '-->'} {names[one.end]}" for one in drawn]
    return "\n".join(lines)


def escape(text: str) -> str:
    """A text as one line of a quoted label: characters that could mean something become entities (``#58;``).

    Mermaid reads labels as HTML and as Markdown; a URL, a list or a heading in one is an error (mermaid-js/mermaid
    issue 6385). So no address is left as one, and no line starts like one of these. A colon before an entity would be
    taken for a style (packages/mermaid/src/utils.ts, encodeEntities).
    """
    words = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    words = re.sub(r"\$(?=\$)", "$ ", words)  # two would begin a formula
    safe = "".join(char if char.isalnum() or char in _SAFE else _entity(char) for char in words)
    safe = re.sub(r"//|(?<=www)\.", lambda match: "".join(map(_entity, match[0])), safe, flags=re.IGNORECASE)
    return safe if _HARMLESS_START.match(safe) else _entity(safe[0]) + safe[1:]


def _entity(char: str) -> str:
    return f"#{ord(char)};"
