"""The stack's configuration as far as it is not secret, for commands that only look."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import yaml

from oceanid_cluster.commands import CommandError, answer
from oceanid_cluster.config import PROJECT, Settings, all_keys, read_without_secrets
from oceanid_cluster.objects import Object, part
from oceanid_cluster.secret import Secret


def stack_settings(stack: str | None) -> Settings:
    """What the stack's configuration says, apart from its secrets. Raises CommandError."""
    entries = _entries(stack)
    given = {
        name.removeprefix(f"{PROJECT}:"): str(entry["value"])
        for name, entry in entries.items()
        if name.startswith(f"{PROJECT}:") and not entry.get("secret") and "value" in entry
    }
    return read_without_secrets(given, (stack or "stack").rpartition("/")[2])


def local_settings(stack: str | None, environ: Mapping[str, str]) -> Settings | None:
    """What the stack's file in the working directory says, without asking Pulumi, whose backend may be down.

    None when no stack is named, by ``stack`` or by PULUMI_STACK, and none is selected; or when it has no file. Raises
    CommandError for a file that cannot be read.
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
    given = {
        key.removeprefix(f"{PROJECT}:"): value if isinstance(value, str) else json.dumps(value)
        for key, value in config.items()
        if key.startswith(f"{PROJECT}:") and not (isinstance(value, dict) and "secure" in value)
    }
    return read_without_secrets(given, name)


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
    return Secret(answer("pulumi", "config", "get", found, *_chosen(stack)).rstrip("\n"))


def _entries(stack: str | None) -> Mapping[str, dict[str, Any]]:
    try:
        return json.loads(answer("pulumi", "config", "--json", *_chosen(stack)))
    except ValueError:
        raise CommandError("'pulumi config' gave no JSON") from None


def _chosen(stack: str | None) -> list[str]:
    return ["--stack", stack] if stack else []
