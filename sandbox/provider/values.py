"""Property values on their way between the engine and Python: secrets, unknowns, and the structs that carry them."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct

Properties = dict[str, Any]

# The engine's marks (Pulumi, "deploying providers": property value encoding).
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


def secret(value: Any) -> Properties:
    """``value`` marked as a secret."""
    return {_SIGNATURE: _SECRET, "value": value}


def is_secret(value: object) -> bool:
    """Whether a value is marked as a secret."""
    return isinstance(value, dict) and cast("Properties", value).get(_SIGNATURE) == _SECRET


def from_struct(struct: Struct) -> Properties:
    """A struct as plain Python values; whole numbers become int, marks stay."""
    return _whole_numbers(json_format.MessageToDict(struct))


def to_struct(properties: Mapping[str, Any]) -> Struct:
    """Plain Python values as a struct."""
    struct = Struct()
    struct.update({name: value for name, value in properties.items() if value is not None})
    return struct


def plain(value: Any) -> Any:
    """The same value without marks of secrecy; unknowns stay."""
    if is_secret(value):
        return plain(value["value"])
    return _map(value, plain)


def has_unknown(value: Any) -> bool:
    """Whether a value contains something that is not known before other resources exist."""
    if isinstance(value, Mapping):
        return any(has_unknown(item) for item in cast("Properties", value).values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in cast("list[Any]", value))
    return value == UNKNOWN


def with_secrets_of(value: Any, marked: Any) -> Any:
    """``value`` with a mark wherever ``marked`` has one."""
    if is_secret(marked):
        return secret(plain(value))
    if isinstance(value, dict) and isinstance(marked, dict):
        marks = cast("Properties", marked)
        return {name: with_secrets_of(item, marks.get(name)) for name, item in cast("Properties", value).items()}
    if isinstance(value, list) and isinstance(marked, list):
        marks = [*cast("list[Any]", marked), *[None] * len(cast("list[Any]", value))]
        return [with_secrets_of(item, mark) for item, mark in zip(cast("list[Any]", value), marks, strict=False)]
    return value


def projected(value: Any, onto: Any) -> Any:
    """The part of ``value`` that ``onto`` speaks of: what we own of a live object. Unowned keys are left out."""
    if isinstance(value, dict) and isinstance(onto, dict):
        live = cast("Properties", value)
        return {
            name: projected(live[name], wanted) for name, wanted in cast("Properties", onto).items() if name in live
        }
    if isinstance(value, list) and isinstance(onto, list):
        wanted = cast("list[Any]", onto)
        items = cast("list[Any]", value)
        return [projected(item, wanted[at]) if at < len(wanted) else item for at, item in enumerate(items)]
    return value


def differences(old: Any, new: Any, path: str = "") -> dict[str, str]:
    """What changed between two values, by property path: "add", "delete" or "update"."""
    if isinstance(old, dict) and isinstance(new, dict):
        left, right = cast("Properties", old), cast("Properties", new)
        found: dict[str, str] = {}
        for name in dict.fromkeys([*left, *right]):
            step = name if name.replace("_", "a").isalnum() else f'["{name}"]'
            inner = f"{path}.{step}" if path and not step.startswith("[") else f"{path}{step}"
            if name not in right:
                found[inner] = "delete"
            elif name not in left:
                found[inner] = "add"
            else:
                found |= differences(left[name], right[name], inner)
        return found
    if isinstance(old, list) and isinstance(new, list):
        left, right = cast("list[Any]", old), cast("list[Any]", new)
        found = {}
        for at in range(max(len(left), len(right))):
            inner = f"{path}[{at}]"
            if at >= len(right):
                found[inner] = "delete"
            elif at >= len(left):
                found[inner] = "add"
            else:
                found |= differences(left[at], right[at], inner)
        return found
    return {} if old == new else {path: "update"}


def _whole_numbers(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return _map(value, _whole_numbers)


def _map(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, dict):
        return {name: change(item) for name, item in cast("Properties", value).items()}
    if isinstance(value, list):
        return [change(item) for item in cast("list[Any]", value)]
    return value
