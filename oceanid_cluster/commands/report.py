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


def as_table(rows: Sequence[Row]) -> str:
    """The rows as aligned columns."""
    cells = [("AREA", "NAME", "STATE", "DETAIL"), *(dataclasses.astuple(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(3)]
    return "\n".join(
        f"{'  '.join(text.ljust(width) for text, width in zip(row[:3], widths, strict=True))}  {row[3]}".rstrip()
        for row in cells
    )


def show(rows: Sequence[Row], *, in_json: bool = False) -> int:
    """Print the rows, in JSON as ``{"passed": …, "rows": […]}``; returns the exit code, 1 when something failed."""
    passed = all(row.state != "failed" for row in rows)  # a warning is not a failure
    whole = {"passed": passed, "rows": [dataclasses.asdict(row) for row in rows]}
    print(json.dumps(whole, indent=2) if in_json else as_table(rows))
    return 0 if passed else 1


def fitting(head: str, lines: Sequence[str], tail: str, limit: int) -> str:
    """``head``, as many of the lines as fit into ``limit`` bytes with a count of the rest, and ``tail``."""
    left = limit - len(f"{head}{tail}".encode()) - 100  # the line that counts the rest
    shown: list[str] = []
    for line in lines:
        left -= len(line.encode()) + 1
        if left < 0:
            shown.append(f"- … and {len(lines) - len(shown)} more")
            break
        shown.append(line)
    return head + "\n".join(shown) + tail
