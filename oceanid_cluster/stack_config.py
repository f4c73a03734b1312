"""The stack's configuration as far as it is not secret, for commands that only look."""

import json
from collections.abc import Mapping
from typing import Any

from oceanid_cluster.commands import CommandError, answer
from oceanid_cluster.config import PROJECT, Settings, all_keys, read_without_secrets
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
