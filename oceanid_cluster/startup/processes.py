"""Runs the field's own command-line tools for the operators' commands: ``kubectl``, ``pulumi``, ``gh``."""

import os
import subprocess
from collections.abc import Mapping


class CommandError(Exception):
    """A tool is missing or could not answer; the message says which, why, and how to fix it."""


class PermanentError(CommandError):
    """No waiting helps."""


class ToolMissingError(PermanentError):
    """A tool is not installed."""


def run(
    *command: str,
    stdin: str | None = None,
    variables: Mapping[str, str] | None = None,
    timeout_seconds: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a tool with its output captured, and ``variables`` beside the environment that we have.

    Raises ToolMissingError when it is not installed, or cannot be started; CommandError when it takes longer than
    ``timeout_seconds``.
    """
    environ = {**os.environ, **(variables or {})}
    try:  # what is not UTF-8 in an answer is no reason to fail
        return subprocess.run(
            command, input=stdin, env=environ, capture_output=True, check=False, encoding="utf-8", errors="replace",
            timeout=timeout_seconds,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise CommandError(f"'{command[0]}' got no answer in {timeout_seconds:.0f} seconds") from None
    except FileNotFoundError:
        raise ToolMissingError(f"'{command[0]}' is not installed, or not on PATH") from None
    except (OSError, ValueError) as problem:  # not executable, for another machine; a zero byte in an argument
        reason = problem.strerror if isinstance(problem, OSError) else "an argument holds a zero byte"
        raise ToolMissingError(f"'{command[0]}' cannot be started: {reason}") from None


def check_output(*command: str, stdin: str | None = None) -> str:
    """The standard output of a tool that must succeed. Raises CommandError with its last words."""
    result = run(*command, stdin=stdin)
    if result.returncode:
        words = (result.stderr.strip() or result.stdout.strip() or "it said nothing").splitlines()
        raise CommandError(f"'{' '.join(command[:3])}' failed: {words[-1]}")
    return result.stdout
