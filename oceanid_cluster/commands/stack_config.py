"""The stack's configuration as far as it is not secret, for commands that only look."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import yaml

from oceanid_cluster.commands.objects import Object, part
from oceanid_cluster.components.settings import Settings, all_keys
from oceanid_cluster.config.cluster import which_cluster
from oceanid_cluster.config.errors import StartUpError
from oceanid_cluster.config.schema import PROJECT
from oceanid_cluster.config.secret import Secret
from oceanid_cluster.startup.configuration import read_without_secrets
from oceanid_cluster.startup.processes import CommandError, PermanentError, check_output


def stack_settings(stack: str | None) -> Settings:
    """What the stack's configuration says, apart from its secrets. Raises CommandError.

    What says which cluster it is counts even where it is stored as a secret.
    """
    given: dict[str, str] = {}
    for name, entry in _entries(stack).items():
        key = name.removeprefix(f"{PROJECT}:")
        if not entry.get("secret") and "value" in entry and key != name:
            given[key] = str(entry["value"])
        elif key in which_cluster() and key != name:
            given[key] = check_output("pulumi", "config", "get", key, *_chosen(stack)).rstrip("\n")
    return _settings(given, (stack or "stack").rpartition("/")[2])


def local_settings(stack: str | None, environ: Mapping[str, str]) -> Settings | None:
    """What the stack's file in the working directory says, without asking Pulumi, whose backend may be down.

    None when no stack is named, by ``stack`` or by PULUMI_STACK, and none is selected; or when it has no file. Raises
    CommandError for a file that cannot be read, or that does not say which cluster it is.
    """
    name = (stack or environ.get("PULUMI_STACK") or _selected(environ)).rpartition("/")[2]
    file = Path(f"Pulumi.{name}.yaml")
    if not name or not file.is_file():
        return None
    try:
        document: object = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        raise CommandError(f"the stack's file {file} cannot be read, or is not YAML") from None
    config = part(cast("Object", document), "config") if isinstance(document, dict) else part({})
    ours = {key.removeprefix(f"{PROJECT}:"): value for key, value in config.items() if key.startswith(f"{PROJECT}:")}
    encrypted = {key for key, value in ours.items() if isinstance(value, dict) and "secure" in value}
    if unknown := encrypted & which_cluster():
        raise CommandError(f"'{min(unknown)}' is encrypted in {file}, and says which cluster it is: ask without --all")
    given = {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in ours.items()
        if key not in encrypted
    }
    return _settings(given, name)


def _settings(given: Mapping[str, str], name: str) -> Settings:
    try:
        return read_without_secrets(given, name)
    except StartUpError as problem:
        raise PermanentError(" ".join(str(problem).split())) from None


def _selected(environ: Mapping[str, str]) -> str:
    """The stack selected for this folder; empty when none is (pulumi: sdk/go/common/workspace/workspace.go)."""
    project = Path("Pulumi.yaml").absolute()
    home = Path(environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    digest = hashlib.sha1(str(project).encode(), usedforsecurity=False).hexdigest()
    try:
        text = (home / "workspaces" / f"{PROJECT}-{digest}-workspace.json").read_text(encoding="utf-8")
        return str(json.loads(text).get("stack") or "")
    except (OSError, ValueError, AttributeError):
        return ""


def stack_secret(stack: str | None, name: str) -> Secret | None:
    """The value of one secret key, in whichever spelling it is there; None when it is not. Raises CommandError."""
    spellings = next(row.spellings for row in all_keys() if row.name == name)
    found = next((key for key in spellings if f"{PROJECT}:{key}" in _entries(stack)), None)
    if found is None:
        return None
    return Secret(check_output("pulumi", "config", "get", found, *_chosen(stack)).rstrip("\n"))


def _entries(stack: str | None) -> Mapping[str, dict[str, Any]]:
    try:
        return json.loads(check_output("pulumi", "config", "--json", *_chosen(stack)))
    except ValueError:
        raise CommandError("'pulumi config' gave no JSON") from None


def _chosen(stack: str | None) -> list[str]:
    return ["--stack", stack] if stack else []
