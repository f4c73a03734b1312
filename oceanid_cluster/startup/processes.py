"""Runs the field's own command-line tools for the operators' commands: ``kubectl``, ``pulumi``, ``gh``."""

import codecs
import os
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager

# What a tool has left behind may hold its standard error open: after this, what it has said so far is used.
_LAST_WORDS_SECONDS = 2
_OF_THE_SANDBOX = ("kubectl", "pulumi")


class CommandError(Exception):
    """A tool is missing or could not answer; the message says which, why, and how to fix it."""


class PermanentError(CommandError):
    """No waiting helps."""


class ToolMissingError(PermanentError):
    """A tool is not installed."""


class NoAnswerError(CommandError):
    """A tool did not answer in time."""


def run(
    *command: str,
    stdin: str | None = None,
    variables: Mapping[str, str] | None = None,
    timeout_seconds: float | None = None,
    show_errors: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run a tool with its output captured, and ``variables`` beside the environment that we have.

    With ``show_errors`` its standard error appears on ours, too, as it comes: it may ask a person for something. Raises
    ToolMissingError when it is not installed, or cannot be started; NoAnswerError when it takes longer than
    ``timeout_seconds``.
    """
    environ = {**os.environ, **(variables or {})}
    try:
        with _errors(show=show_errors) as (errors, said):
            result = subprocess.run(  # an answer that is not UTF-8 must not fail
                command, input=stdin, env=environ, stdout=subprocess.PIPE, stderr=errors, check=False,
                encoding="utf-8", errors="replace", timeout=timeout_seconds,
            )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise NoAnswerError(f"'{command[0]}' got no answer in {timeout_seconds:.0f} seconds") from None
    except FileNotFoundError:
        own = '; the sandbox has one:  eval "$(make -s env)"' if command[0] in _OF_THE_SANDBOX else ""
        raise ToolMissingError(f"'{command[0]}' is not installed, or not on PATH{own}") from None
    except (OSError, ValueError) as problem:  # not executable, for another machine; a zero byte in an argument
        reason = problem.strerror if isinstance(problem, OSError) else "an argument holds a zero byte"
        raise ToolMissingError(f"'{command[0]}' cannot be started: {reason}") from None
    if show_errors:
        result.stderr = "".join(said)
    return result


@contextmanager
def _errors(*, show: bool) -> Generator[tuple[int, list[str]]]:
    """Where a tool's standard error goes; with ``show`` a pipe, whose text appears on ours and in the list."""
    said: list[str] = []
    if not show:
        yield subprocess.PIPE, said
        return
    source, target = os.pipe()
    copier = threading.Thread(target=_copy, args=(source, said), daemon=True)
    copier.start()
    try:
        yield target, said
    finally:
        os.close(target)
        copier.join(_LAST_WORDS_SECONDS)


def _copy(source: int, said: list[str]) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    with os.fdopen(source, "rb", buffering=0) as stream:
        while data := stream.read(4096):
            said.append(decoder.decode(data))
            sys.stderr.write(said[-1])
            sys.stderr.flush()


def last_words(result: subprocess.CompletedProcess[str]) -> str:
    """The last line that a tool said, on standard error if there is any."""
    lines = (result.stderr.strip() or result.stdout.strip()).splitlines()
    return lines[-1].strip() if lines else "no output"


def check_output(*command: str, stdin: str | None = None) -> str:
    """The standard output of a tool that must succeed. Raises CommandError with its last words."""
    result = run(*command, stdin=stdin)
    if result.returncode:
        raise CommandError(f"'{' '.join(command[:3])}' failed: {last_words(result)}")
    return result.stdout
