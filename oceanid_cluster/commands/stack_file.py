"""A stack's file, ``Pulumi.<stack>.yaml``, read without Pulumi: what it says, and what it encrypts."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from oceanid_cluster.commands.objects import Object, part
from oceanid_cluster.commands.plain_yaml import loader
from oceanid_cluster.commands.pulumi_cli import how_to_choose_the_folder
from oceanid_cluster.config.schema import PROJECT
from oceanid_cluster.startup.configuration import project_folder
from oceanid_cluster.startup.processes import CommandError

ENCRYPTED = {"secure": ""}  # any encrypted value: it is not decrypted here
_LOADER = loader()
Replacement = Callable[[str, object], str | None]


@dataclass(frozen=True)
class StackFile:
    """What a stack's file says: the values of this project's keys, and the ESC environments that it imports."""

    path: Path
    values: Mapping[str, object]
    environments: tuple[str, ...]

    @property
    def encrypted(self) -> frozenset[str]:
        """The keys whose value, or a part of it, is encrypted."""
        return frozenset(name for name, value in self.values.items() if any(_encrypted_parts(value)))

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
        document: object = yaml.load(path.read_text(encoding="utf-8"), _LOADER)  # noqa: S506 - a safe loader
        content: Object = cast("Object", document) if isinstance(document, dict) else part({})
        prefix = f"{PROJECT}:"
        values = {name.removeprefix(prefix): value for name, value in part(content, "config").items() if _ours(name)}
        json.dumps(values)  # as the engine hands them over
    except FileNotFoundError:
        raise CommandError(
            f"there is no file {path}, which says which cluster it is.\n{how_to_choose_the_folder(environ)}\n"
            "Or name another stack:  --stack <name>"
        ) from None
    except (OSError, ValueError, TypeError, RecursionError, yaml.YAMLError):
        raise CommandError(f"the stack's file {path} cannot be read, or is not YAML") from None
    imported: object = part(content, "environment").get("imports") or content.get("environment")
    names = cast("list[object]", imported) if isinstance(imported, list) else []
    return StackFile(path, values, tuple(str(name) for name in names))


def _ours(name: object) -> bool:
    return isinstance(name, str) and name.startswith(f"{PROJECT}:")


def is_encrypted(value: object) -> bool:
    """Whether a value of the file is encrypted as a whole."""
    return isinstance(value, dict) and set(cast("Object", value)) == {"secure"}


def _encrypted_parts(value: object) -> Iterator[object]:
    """The encrypted parts of a value."""
    if is_encrypted(value):
        yield value
    elif isinstance(value, dict | list):
        for item in cast("Object", value).values() if isinstance(value, dict) else cast("list[object]", value):
            yield from _encrypted_parts(item)


def _replaced(name: str, value: Any, replacement: Replacement) -> Any:
    text = replacement(name, value)
    if text is not None or is_encrypted(value):
        return text
    if isinstance(value, dict):
        fields = {key: _replaced(f"{name}.{key}", item, replacement) for key, item in cast("Object", value).items()}
        return {key: item for key, item in fields.items() if item is not None}
    if isinstance(value, list):
        return [_replaced(f"{name}[{at}]", item, replacement) for at, item in enumerate(cast("list[object]", value))]
    return value
