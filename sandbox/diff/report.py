"""A difference in words: as text for a terminal, and as Markdown for a pull request."""

import difflib
import json
from collections import Counter
from collections.abc import Iterator

import yaml

from sandbox.diff.compare import Change, Difference, Field

_MARKS = {"added": "+", "changed": "~", "removed": "-"}
_LINES, _WIDTH = 60, 400  # of one object; the rest is counted


def headline(stack: str, difference: Difference) -> str:
    """How many objects change, in one line."""
    count = Counter(change.operation for change in difference.changes)
    if not count:
        return f"{stack}: nothing changes"
    kinds = ", ".join(f"{count[operation]} {operation}" for operation in _MARKS if count[operation])
    return f"{stack}: {kinds}"


def as_text(stack: str, difference: Difference) -> str:
    """Every object that changes, what that means, and its fields."""
    lines = [headline(stack, difference), *(f"  {note}" for note in difference.notes)]
    for change in difference.changes:
        lines.append(f"{_MARKS[change.operation]} {change.place}{_meaning(': ', change)}")
        lines += [f"    {line}" for line in _details(change)]
    return "\n".join(lines)


def as_markdown(stack: str, difference: Difference) -> str:
    """The same: a table of the objects, and their fields to unfold."""
    lines = [f"### {headline(stack, difference)}", ""]
    lines += [f"- {note}" for note in difference.notes]
    if not difference.changes:
        return "\n".join(lines)
    lines += ["", "| | object | what that means |", "|---|---|---|"]
    for change in difference.changes:
        lines.append(f"| {change.operation} | `{change.place}` | {_escaped(_meaning('', change))} |")
    fields = [line for change in difference.changes for line in ("", f"# {change.place}", *_details(change))]
    fence = "`" * (1 + max(3, *(_longest_run(line) for line in fields)))
    lines += ["", "<details><summary>fields</summary>", "", f"{fence}diff", *fields[1:], fence, "", "</details>", ""]
    return "\n".join(lines)


def _meaning(before: str, change: Change) -> str:
    return f"{before}{'; '.join(change.meaning)}" if change.meaning else ""


def _details(change: Change) -> list[str]:
    lines = [line for field in change.fields for line in _of_field(field)]
    shown = [line if len(line) <= _WIDTH else f"{line[:_WIDTH]} …" for line in lines[:_LINES]]
    return [*shown, f"… and {len(lines) - _LINES} more lines"] if len(lines) > _LINES else shown


def _of_field(field: Field) -> Iterator[str]:
    """A field's value before and after, in one line when both are short."""
    blocks = [_block(value) for value in (field.before, field.after)]
    if not any(blocks):
        yield f"! {field.path}: {_value(field.before)} -> {_value(field.after)}"
        return
    if field.path:
        yield f"! {field.path}:"
    old, new = (block or _lines(value) for block, value in zip(blocks, (field.before, field.after), strict=True))
    for line in difflib.ndiff(old, new):
        if line.startswith(("+ ", "- ")):
            yield line.rstrip()


def _block(value: object) -> list[str]:
    """The lines of a value that is written in several; nothing for another one."""
    if isinstance(value, dict | list):
        return yaml.safe_dump(value, width=10_000, allow_unicode=True).splitlines()
    return value.splitlines() if isinstance(value, str) and "\n" in value else []


def _lines(value: object) -> list[str]:
    return [] if value is None else [_value(value)]


def _value(value: object) -> str:
    return "absent" if value is None else json.dumps(value, ensure_ascii=False)


def _longest_run(line: str) -> int:
    """How many backticks follow one another at most."""
    return max((len(run) for run in "".join(ch if ch == "`" else " " for ch in line).split()), default=0)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
