"""The stack's configuration as far as it is not secret, for commands that only look."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import yaml

from oceanid_cluster.commands.objects import Object, part
from oceanid_cluster.commands.pulumi_cli import ask_pulumi, entries, project_folder
from oceanid_cluster.components.settings import Settings, all_keys
from oceanid_cluster.config.cluster import which_cluster
from oceanid_cluster.config.errors import StartUpError
from oceanid_cluster.config.schema import PROJECT
from oceanid_cluster.config.secret import Secret
from oceanid_cluster.startup.configuration import read_without_secrets
from oceanid_cluster.startup.processes import CommandError, PermanentError


def stack_settings(stack: str) -> Settings:
    """What the stack's configuration says, apart from its secrets. Raises CommandError.

    What says which cluster it is counts even where it is stored as a secret.
    """
    given: dict[str, str] = {}
    for name, entry in entries(stack).items():
        key = name.removeprefix(f"{PROJECT}:")
        if not entry.get("secret") and "value" in entry and key != name:
            given[key] = str(entry["value"])
        elif key in which_cluster() and key != name:
            given[key] = ask_pulumi("config", "get", key, stack=stack).rstrip("\n")
    return _settings(given, short_name(stack))


def short_name(stack: str) -> str:
    """The name of a stack without its organization and project."""
    return stack.rpartition("/")[2]


def stack_file(stack: str, environ: Mapping[str, str]) -> Path:
    """The file of a stack's configuration, whether it is there or not."""
    return project_folder(environ) / f"Pulumi.{short_name(stack)}.yaml"


def local_settings(stack: str, environ: Mapping[str, str]) -> Settings:
    """What the stack's file says, without asking Pulumi, whose backend may be down.

    Raises CommandError for a file that is missing, cannot be read, or does not say which cluster it is.
    """
    file = stack_file(stack, environ)
    try:
        document: object = yaml.load(file.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a safe loader
        config = part(cast("Object", document), "config") if isinstance(document, dict) else part({})
        ours = {key.removeprefix(f"{PROJECT}:"): value for key, value in config.items() if _is_ours(key)}
        encrypted = {key for key, value in ours.items() if isinstance(value, dict) and "secure" in value}
        given = {key: _text(value) for key, value in ours.items() if key not in encrypted}
    except FileNotFoundError:
        raise CommandError(
            f"there is no file {file}, which says which cluster it is.\n"
            "Run it where the stack's file is, or name the stack:  --stack <name>"
        ) from None
    except (OSError, ValueError, TypeError, RecursionError, yaml.YAMLError):
        raise CommandError(f"the stack's file {file} cannot be read, or is not YAML") from None
    if unknown := encrypted & which_cluster():
        raise CommandError(f"'{min(unknown)}' is encrypted in {file}, and says which cluster it is: ask without --all")
    return _settings(given, short_name(stack))


class _Loader(yaml.SafeLoader):
    """YAML in which a date without quotes is text: nothing that says which cluster it is can be one."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own attribute
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _is_ours(key: object) -> bool:
    return isinstance(key, str) and key.startswith(f"{PROJECT}:")


def _text(value: object) -> str:
    """A value as the engine hands it over."""
    return value if isinstance(value, str) else json.dumps(value)


def _settings(given: Mapping[str, str], name: str) -> Settings:
    try:
        return read_without_secrets(given, name)
    except StartUpError as problem:
        raise PermanentError(str(problem)) from None


def stack_secret(stack: str, name: str) -> Secret | None:
    """The value of one secret key, in whichever spelling it is there; None when it is not. Raises CommandError."""
    spellings = next(row.spellings for row in all_keys() if row.name == name)
    given = entries(stack)
    found = next((key for key in spellings if f"{PROJECT}:{key}" in given), None)
    if found is None:
        return None
    return Secret(ask_pulumi("config", "get", found, stack=stack).rstrip("\n"))
