"""JSON in a configuration value: lists and objects, and what is wrong with each entry of them.

What is wrong is the end of a sentence, as in parsers.py, whose subject is the key, the entry, or a part of it.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast

T = TypeVar("T")


def json_list(text: str, shape: str) -> list[object]:
    """A JSON list; ``shape`` is what a message calls what belongs there. Raises ValueError."""
    return cast("list[object]", _json(text, list, shape))


def json_object(text: str, shape: str) -> dict[str, object]:
    """A JSON object; ``shape`` is what a message calls what belongs there. Raises ValueError."""
    return cast("dict[str, object]", _json(text, dict, shape))


def _json(text: str, kind: type, shape: str) -> object:
    try:
        value: object = json.loads(text)
        if isinstance(value, kind) and is_utf8(json.dumps(value, ensure_ascii=False)):
            return value
    except (ValueError, RecursionError):
        pass
    raise ValueError(f"is not {shape}")


def numbered(text: str, shape: str, what: str) -> dict[str, object]:
    """The entries of a JSON list, by what a message calls them. Raises ValueError."""
    return {f"{what} {number}": entry for number, entry in enumerate(json_list(text, shape), start=1)}


def parse_entries(
    entries: Mapping[str, object],
    parse: Callable[[Any], T],
    check: Callable[[dict[str, T]], Iterable[str]] = lambda _: (),
) -> dict[str, T]:
    """Each entry of a list parsed, by what a message calls it; ``check`` says what is wrong with them together.

    Raises ValueError that names every wrong entry.
    """
    parsed: dict[str, T] = {}
    wrong: list[str] = []
    for name, entry in entries.items():
        try:
            parsed[name] = parse(entry)
        except ValueError as problem:
            wrong.append(f"{name} {problem}")
    wrong += check(parsed)
    if wrong:
        raise ValueError(wrong_entries(wrong))
    return parsed


def fields_of(entry: object, shape: str, known: Sequence[str]) -> dict[str, Any]:
    """The fields of an entry that must be an object with no others. Raises ValueError."""
    if not isinstance(entry, dict):
        raise ValueError(f"is not an object with {shape}")
    given = cast("dict[str, Any]", entry)
    if unknown := [name for name in given if name not in known]:
        raise ValueError(f"has the unknown field '{unknown[0]}' (known: {', '.join(known)})")
    return given


def wrong_entries(wrong: Sequence[str]) -> str:
    """What is wrong with a list, from a sentence about each wrong entry."""
    return "\n      ".join(["has wrong entries:", *wrong])


def parse_part(what: str, parse: Callable[[Any], T], value: object) -> T:
    """A part of a value, parsed; ``what`` is what a message calls it, with its article. Raises ValueError."""
    try:
        return parse(value)
    except ValueError as problem:
        raise ValueError(f"has {what} that {problem}") from None


def as_text(value: object) -> str | None:
    """The text of a value that ``pulumi config set --path`` has made a boolean or a number of; None for no text."""
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    return value if isinstance(value, str) else None


def is_utf8(value: str) -> bool:
    """Whether a text can be written: half a character, as JSON or the name of a file may leave it, cannot."""
    return not re.search(r"[\ud800-\udfff]", value)
