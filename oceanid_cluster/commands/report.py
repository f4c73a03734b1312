"""How the operators' commands answer: one table for people, JSON for scripts, a part of a job's summary."""

import dataclasses
import json
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

State = Literal["ok", "warning", "failed"]
# The runner drops a step's summary of more than 1 MiB (actions/runner, src/Runner.Worker/FileCommandManager.cs).
_SUMMARY_BYTES = 900_000


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
    """Print the rows and how many have which state, in JSON as ``{"passed": …, "rows": […]}``; returns the exit code.

    It is 1 when a row failed; a warning is not a failure.
    """
    number = Counter(row.state for row in rows)
    whole = {"passed": not number["failed"], "rows": [dataclasses.asdict(row) for row in rows]}
    end = f"{len(rows)} rows: {', '.join(f'{number[state]} {state}' for state in get_args(State) if number[state])}"
    print(json.dumps(whole, indent=2) if in_json else f"{as_table(rows)}\n{end}")
    return 1 if number["failed"] else 0


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


def add_to_summary(title: str, lines: Sequence[str], environ: Mapping[str, str], language: str = "text") -> None:
    """Add a part to the job's summary, if there is one; it undoes nothing when it cannot be written."""
    target = environ.get("GITHUB_STEP_SUMMARY")
    if not target:
        return
    try:
        with Path(target).open("a", encoding="utf-8") as handle:
            handle.write(summary(title, lines, language, _SUMMARY_BYTES - handle.tell()))
    except OSError as problem:
        print(f"warning: the job's summary {target} cannot be written: {problem.strerror}", file=sys.stderr)


def summary(title: str, lines: Sequence[str], language: str = "text", limit: int = _SUMMARY_BYTES) -> str:
    """A heading, and a block with as many of the lines as fit into ``limit`` bytes."""
    if not lines:
        return f"### {title}\n\n"
    fence = "~" * (3 + max((len(run) for run in re.findall(r"~+", "\n".join(lines))), default=0))
    return fitting(f"### {title}\n\n{fence}{language}\n", lines, f"\n{fence}\n\n", limit)
