"""A stack's file, ``Pulumi.<stack>.yaml``, read without Pulumi: what it says, and what it encrypts."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from oceanid_cluster.commands.objects import Object, part
from oceanid_cluster.commands.plain_yaml import StackFileLoader
from oceanid_cluster.commands.pulumi_cli import how_to_choose_the_folder
from oceanid_cluster.config.schema import PROJECT
from oceanid_cluster.startup.configuration import project_folder
from oceanid_cluster.startup.processes import CommandError

ENCRYPTED = {"secure": ""}  # any encrypted value: it is not decrypted here
# A key of this project: without a namespace, or in one of two forms (pulumi: sdk/go/common/resource/config/key.go).
_OURS = re.compile(rf"(?:{PROJECT}:(?:config:)?)?([^:]+)")
Replacement = Callable[[str, object], str | None]


@dataclass(frozen=True)
class StackFile:
    """What a stack's file says: the values of this project's keys, and the ESC environments that it imports.

    ``encrypted`` are the keys whose value, or a part of it, is encrypted.
    """

    path: Path
    values: Mapping[str, object]
    encrypted: frozenset[str]
    environments: tuple[str, ...] = ()

    def texts(self, replacement: Replacement = lambda _name, _value: None) -> dict[str, str]:
        """Each key with its text, as the engine hands it over: objects as JSON.

        ``replacement`` says for a value, by its name with dots, which text stands for it; None for its own. An
        encrypted value without a replacement is left out.
        """
        replaced = {name: _replaced(name, value, replacement) for name, value in self.values.items()}
        return {
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in replaced.items()
            if value is not None
        }


def short_name(stack: str) -> str:
    """The name of a stack without its organization and project."""
    return stack.rpartition("/")[2]


def stack_file(stack: str, environ: Mapping[str, str]) -> Path:
    """The file of a stack's configuration, whether it is there or not."""
    return project_folder(environ) / f"Pulumi.{short_name(stack)}.yaml"


def read_stack_file(stack: str, environ: Mapping[str, str]) -> StackFile:
    """The file of a stack. Raises CommandError when there is none, or when it cannot be read."""
    path = stack_file(stack, environ)
    try:
        document: object = next(yaml.load_all(path.read_text(encoding="utf-8"), StackFileLoader), None)
        content: Object = cast("Object", document) if isinstance(document, dict) else part({})
        found = {_OURS.fullmatch(str(name)): value for name, value in part(content, "config").items()}
        values = {name[1]: value for name, value in found.items() if name}
        json.dumps(values, allow_nan=False)  # as the engine hands them over
    except FileNotFoundError:
        raise CommandError(
            f"there is no file {path}, which says which cluster it is.\n{how_to_choose_the_folder(environ)}\n"
            "Or name another stack:  --stack <name>"
        ) from None
    except (OSError, ValueError, TypeError, RecursionError, yaml.YAMLError) as problem:
        raise CommandError(f"the stack's file {path} cannot be read, or is not YAML{_why(problem)}") from None
    imported: object = part(content, "environment").get("imports") or content.get("environment")
    names = cast("list[object]", imported) if isinstance(imported, list) else []
    encrypted = frozenset(name for name, value in values.items() if hides(value))
    return StackFile(path, values, encrypted, tuple(map(str, names)))


def _why(problem: Exception) -> str:
    """What is wrong and in which line, without what is there: of PyYAML's words only those that quote nothing."""
    if isinstance(problem, OSError):
        return f": {problem.strerror}"
    if not isinstance(problem, yaml.MarkedYAMLError) or problem.problem_mark is None:
        return ""
    own = f": {problem.problem}" if isinstance(problem, yaml.constructor.ConstructorError) else ""
    return f" (line {problem.problem_mark.line + 1}{own})"


def is_encrypted(value: object) -> bool:
    """Whether a value of the file is encrypted as a whole."""
    return isinstance(value, dict) and set(cast("Object", value)) == {"secure"}


def hides(value: object) -> bool:
    """Whether a value, or a part of it, is encrypted."""
    if is_encrypted(value):
        return True
    inside = cast("Object", value).values() if isinstance(value, dict) else cast("list[object]", value)
    return isinstance(value, dict | list) and any(map(hides, inside))


def _replaced(name: str, value: Any, replacement: Replacement) -> Any:
    text = replacement(name, value)
    if text is not None or is_encrypted(value):
        return text
    if isinstance(value, dict):
        fields = {key: _replaced(f"{name}.{key}", item, replacement) for key, item in cast("Object", value).items()}
        return {key: item for key, item in fields.items() if item is not None or value[key] is None}
    if isinstance(value, list):
        return [_replaced(f"{name}[{at}]", item, replacement) for at, item in enumerate(cast("list[object]", value))]
    return value
