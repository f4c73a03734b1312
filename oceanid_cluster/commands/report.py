"""How the operators' commands answer: one table for people, JSON for scripts."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "failed"]


@dataclass(frozen=True)
class Row:
    """One thing that was looked at: what it belongs to, its name, its state, and what to know about it."""

    area: str
    name: str
    state: State
    detail: str


def one_line(problem: Exception) -> str:
    """The message of an error, which may have several lines, on one: for a row, or the end of a command."""
    return "; ".join(" ".join(line.split()).rstrip(".;:") for line in str(problem).splitlines())


def passed(rows: Sequence[Row]) -> bool:
    """Whether nothing failed; a warning is not a failure."""
    return all(row.state != "failed" for row in rows)


def as_table(rows: Sequence[Row]) -> str:
    """The rows as aligned columns."""
    cells = [("AREA", "NAME", "STATE", "DETAIL"), *(dataclasses.astuple(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(3)]
    return "\n".join(
        f"{'  '.join(text.ljust(width) for text, width in zip(row[:3], widths, strict=True))}  {row[3]}".rstrip()
        for row in cells
    )


def as_json(rows: Sequence[Row]) -> str:
    """The rows as one JSON document: ``{"passed": …, "rows": […]}``."""
    return json.dumps({"passed": passed(rows), "rows": [dataclasses.asdict(row) for row in rows]}, indent=2)
