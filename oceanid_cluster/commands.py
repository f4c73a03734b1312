"""Runs the field's own command-line tools for the operators' commands: ``kubectl``, ``pulumi``, ``gh``."""

import json
import os
import subprocess
from collections.abc import Mapping
from typing import Any

_REQUEST_TIMEOUT_SECONDS = 20
# What kubectl says of an object, or of a kind, that is not there.
_ABSENT = ("NotFound", "could not find the requested resource", "doesn't have a resource type")


class CommandError(Exception):
    """A tool is missing or could not answer; the message says which, why, and how to mend it."""


def run(
    *command: str, stdin: str | None = None, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a tool with its output captured, and ``variables`` beside the environment that we have.

    Raises CommandError only when it is not installed.
    """
    environ = {**os.environ, **(variables or {})}
    try:
        return subprocess.run(command, input=stdin, env=environ, text=True, capture_output=True, check=False)
    except FileNotFoundError:
        raise CommandError(f"'{command[0]}' is not installed, or not on PATH") from None


def answer(*command: str, stdin: str | None = None) -> str:
    """The standard output of a tool that must succeed. Raises CommandError with its last words."""
    result = run(*command, stdin=stdin)
    if result.returncode:
        words = (result.stderr.strip() or result.stdout.strip() or "it said nothing").splitlines()
        raise CommandError(f"'{' '.join(command[:3])}' failed: {words[-1]}")
    return result.stdout


def kubectl_get(*what: str) -> list[dict[str, Any]]:
    """Live objects: ``kubectl get <what> -o json``. An object or a kind that is not there gives an empty list.

    Waits at most 20 seconds for the API server. Raises CommandError when it cannot be asked.
    """
    command = ("kubectl", "get", *what, "-o", "json", f"--request-timeout={_REQUEST_TIMEOUT_SECONDS}s")
    result = run(*command)
    if result.returncode:
        if any(word in result.stderr for word in _ABSENT):
            return []
        words = (result.stderr.strip() or "it said nothing").splitlines()
        raise CommandError(f"'kubectl get {' '.join(what)}' failed: {words[-1]}")
    document: dict[str, Any] = json.loads(result.stdout)
    return document["items"] if document["kind"] == "List" else [document]
