"""Runs the field's own command-line tools for the operators' commands: ``kubectl``, ``pulumi``, ``gh``."""

import os
import signal
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from oceanid_cluster.config.errors import StartUpError

_OF_THE_SANDBOX = ("kubectl", "pulumi")


class CommandError(StartUpError):
    """A tool is missing or could not answer; the message says which, why, and how to fix it."""


class PermanentError(CommandError):
    """No waiting helps."""


class NoAnswerError(CommandError):
    """A tool did not answer in time."""


def run(
    *command: str,
    stdin: str | None = None,
    variables: Mapping[str, str] | None = None,
    timeout_seconds: float | None = None,
    show_errors: bool = False,
    folder: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a tool in a ``folder`` with its output captured, and ``variables`` beside the environment that we have.

    With ``show_errors`` its standard error is ours, and not captured: it may ask a person for something. Raises
    PermanentError when it is not installed, or cannot be started; NoAnswerError when it takes longer than
    ``timeout_seconds``; CommandError when a signal ended it.
    """
    environ = {**os.environ, **(variables or {})}
    try:
        result = subprocess.run(  # an answer that is not UTF-8 must not fail
            command, input=stdin, env=environ, cwd=folder, stdout=subprocess.PIPE,
            stderr=None if show_errors else subprocess.PIPE, check=False, encoding="utf-8",
            errors="replace", timeout=timeout_seconds,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise NoAnswerError(f"'{command[0]}' got no answer in {timeout_seconds:.0f} seconds") from None
    except FileNotFoundError:
        own = '; the sandbox has one:  eval "$(make -s env)"' if command[0] in _OF_THE_SANDBOX else ""
        raise PermanentError(f"'{command[0]}' is not installed, or not on PATH{own}") from None
    except (OSError, ValueError) as problem:  # not executable, for another machine; a zero byte in an argument
        reason = problem.strerror if isinstance(problem, OSError) else "an argument holds a zero byte"
        raise PermanentError(f"'{command[0]}' cannot be started: {reason}") from None
    if result.returncode < 0:
        raise CommandError(ended_by_signal(command[0], result.returncode))
    result.stderr = result.stderr or ""
    return result


def ended_by_signal(tool: str, code: int) -> str:
    """The message for a tool whose return code, as Python has it, is a negative number: a signal."""
    words = signal.strsignal(-code) or "unknown"
    return f"'{tool}' was ended by signal {-code} ({words}) before it answered: try again; is there enough memory?"


@contextmanager
def answer_of(tool: str, *command: str) -> Generator[None]:
    """What is read in here is the answer of a tool that succeeded; an answer of another form is a CommandError."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError):
        called = " ".join((tool, *command))
        raise CommandError(
            f"'{called}' gave no JSON, or not what it was asked for: which program is it?  command -v {tool}"
        ) from None


def last_words(result: subprocess.CompletedProcess[str]) -> str:
    """The last line that a tool said, on standard error if there is any."""
    lines = (result.stderr.strip() or result.stdout.strip()).splitlines()
    return lines[-1].strip() if lines else "no output"


def check_output(*command: str, stdin: str | None = None, folder: Path | None = None) -> str:
    """The standard output of a tool that must succeed. Raises CommandError with its last words."""
    result = run(*command, stdin=stdin, folder=folder)
    if result.returncode:
        raise CommandError(f"'{' '.join(command[:3])}' failed: {last_words(result)}")
    return result.stdout
