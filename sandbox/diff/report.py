"""A difference in words, for a terminal and for the summary of a pull request."""

import difflib
import json
from collections import Counter
from collections.abc import Iterator, Sequence

import yaml

from sandbox.diff.compare import Change, Field

_MARKS = {"added": "+", "changed": "~", "removed": "-"}
_LINES, _WIDTH = 60, 400  # of one object; the rest is counted


def as_text(stack: str, changes: Sequence[Change], unknown: Sequence[str] = ()) -> str:
    """How many objects change, in the first line; then each of them, what that means, and its fields.

    ``unknown`` are the charts that were not compared.
    """
    count = Counter(change.operation for change in changes)
    kinds = ", ".join(f"{count[operation]} {operation}" for operation in _MARKS if count[operation])
    lines = [f"{stack}: {kinds or 'nothing changes'}"]
    lines += [f"  the objects of chart {name} are known on one side only, and are not compared" for name in unknown]
    for change in changes:
        meaning = f": {'; '.join(change.meaning)}" if change.meaning else ""
        lines.append(f"{_MARKS[change.operation]} {change.place}{meaning}")
        lines += [f"    {line}" for line in _details(change)]
    return "\n".join(lines)


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
