"""YAML as programs in Go read it: Pulumi the file of a stack (go.yaml.in/yaml v3), Kubernetes a manifest (v2).

PyYAML parses. What a text without quotes means is read here: PyYAML knows YAML 1.1 only, and makes dates, sets, numbers
to the base of 60. Kubernetes (sigs.k8s.io/yaml) differs from Pulumi in this: ``yes``, ``on`` and the like are booleans,
dates are texts, and the later one of two equal keys wins.
"""

import base64
import json
import math
import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import yaml

_PLAIN = "plain"  # the tag of a text that has neither quotes nor a tag
_LOADER: Any = type(
    "Loader",
    (getattr(yaml, "CSafeLoader", yaml.SafeLoader),),  # PyYAML's own is slow on CRDs
    {"yaml_implicit_resolvers": {None: [(_PLAIN, re.compile(""))]}},
)
# The tables and patterns of resolve.go, in both versions.
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_MORE_WORDS = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "off", "Off", "OFF"), False),
}
_NO_JSON = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_INTEGER = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_TIME = re.compile(r"(\d{4}-\d\d?-\d\d?)(?:[Tt ](\d\d?:\d\d?:\d\d?)(\.\d+)?(Z|[-+]\d\d:\d\d)?)?", re.ASCII)
_IMPLICIT = (_PLAIN, "null", "bool", "int", "float", "timestamp")


def documents(text: str, *, kubernetes: bool = False) -> Iterator[Any]:
    """The documents of a text, as data that JSON can hold; in the manner of ``kubernetes``, or of Pulumi.

    Raises yaml.YAMLError; RecursionError for a document that contains itself.
    """
    for node in yaml.compose_all(text, _LOADER):
        yield _data(node, kubernetes)


def json_text(value: object) -> str:
    """A value as Go's encoding/json writes it: a float has no exponent from a millionth on, until 1e21."""
    if not isinstance(value, float):
        return json.dumps(value)
    plain = not value or 1e-6 <= abs(value) < 1e21
    return f"{Decimal(repr(value)).normalize():f}" if plain else repr(value).replace("e-0", "e-")


def needs_quotes(text: str) -> bool:
    """Whether Kubernetes takes a text without quotes for something else."""
    try:
        return not isinstance(_implicit(text, kubernetes=True), str)
    except ValueError:
        return True


def _data(node: yaml.Node, kubernetes: bool) -> Any:
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, kubernetes)
    if isinstance(node, yaml.SequenceNode):
        return [_data(one, kubernetes) for one in node.value]
    try:
        return _scalar(node.tag, node.value, kubernetes)
    except ValueError as problem:
        raise _error(str(problem), node) from None


def _mapping(node: yaml.MappingNode, kubernetes: bool) -> dict[str, Any]:
    own: dict[str, Any] = {}
    merged: dict[str, Any] = {}
    for key, item in node.value:
        if key.value == "<<" and (key.tag == _PLAIN or not kubernetes):
            for one in reversed(item.value if isinstance(item, yaml.SequenceNode) else [item]):
                if not isinstance(one, yaml.MappingNode):
                    raise _error("only a map can be merged", one)
                merged |= _mapping(one, kubernetes)
            continue
        name = _name(_data(key, kubernetes), key)
        if name in own and not kubernetes:
            raise _error(f"the key '{name}' is there twice", key)
        own[name] = _data(item, kubernetes)
    return {**merged, **own}


def _name(key: object, node: yaml.Node) -> str:
    """A key as fmt.Sprint of Go prints it."""
    if isinstance(key, dict | list):
        raise _error("a key must be a text", node)
    return key if isinstance(key, str) else "<nil>" if key is None else json_text(key)


def _scalar(tag: str, text: str, kubernetes: bool) -> Any:
    kind = tag.removeprefix("tag:yaml.org,2002:")
    if kind == "binary":
        return base64.b64decode("".join(text.split()), validate=True).decode()
    return _implicit(text, kubernetes) if kind in _IMPLICIT else text


def _implicit(text: str, kubernetes: bool) -> Any:
    """What a text without quotes means."""
    if text in _WORDS:
        return _WORDS[text]
    if kubernetes and text in _MORE_WORDS:
        return _MORE_WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _NO_JSON.fullmatch(text):
        raise ValueError("JSON has no such number")
    number = _number(text)
    return number if number is not None else text if kubernetes else _time(text)


def _number(text: str) -> int | float | None:
    """The number that a text is, as far as 64 bits go; None for any other text."""
    # Underscores mean nothing; behind a leading dot, only those between two digits (strconv: ParseFloat).
    plain = re.sub("(?<=[0-9])_(?=[0-9])", "", text) if text[0] == "." else text.replace("_", "")
    if _INTEGER.fullmatch(plain):
        found = int(re.sub(r"^([-+]?0)(?=[0-9])", r"\1o", plain), 0)
        if -(2**63) <= found < 2**64:
            return found
    if not _FLOAT.fullmatch(plain) or math.isinf(float(plain)):
        return None
    written = json_text(float(plain))  # what is written without a dot is read as an integer by whoever reads the JSON
    return int(written) if written.lstrip("-").isdigit() else float(plain)


def _time(text: str) -> str:
    """A text; a time as Go prints it (time.Time.String). One without a zone is in UTC."""
    found = _TIME.fullmatch(text)
    if not found or (found[2] and ("T" in text.upper()) != bool(found[4])):
        return text
    day, clock, fraction, zone = found.groups(default="")
    try:
        moment = datetime.strptime(f"{day} {clock or '0:0:0'}", "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - a text
    except ValueError:
        return text
    zone = zone.replace(":", "")
    zone = "+0000 UTC" if zone in ("", "Z", "+0000") else f"{zone} {zone}"
    return f"{moment}{fraction.rstrip('0').rstrip('.')} {zone}"


def _error(what: str, node: yaml.Node) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(problem=what, problem_mark=node.start_mark)
