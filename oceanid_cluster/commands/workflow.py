"""The steps of the workflows, which run the same by hand: ``python -m oceanid_cluster workflow <step>``.

Exit code 0: done. 1: it failed, and said why. ``watch`` is 0 whatever it found: the issue says it.
``preflight`` and ``health`` are the commands of that name, with their exit codes; their words go through the redactor.
"""

import argparse
import contextlib
import io
import json
import os
import re
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path

from oceanid_cluster.commands import health, preflight, watch
from oceanid_cluster.commands.operation import Outcome, run_engine
from oceanid_cluster.commands.redact import Redactor, check_variable, redactor
from oceanid_cluster.commands.report import one_line
from oceanid_cluster.startup.kubeconfig import read_all
from oceanid_cluster.startup.processes import CommandError, last_words, run

KUBECONFIG_PATH = "pulumiConfig.oceanid-cluster:kubeconfig"
# The runner drops a step's summary of more than 1 MiB (actions/runner, src/Runner.Worker/FileCommandManager.cs).
_SUMMARY_BYTES = 900_000
_WAITING = ("health", "watch")


def kubeconfig(environment: str, target: Path, environ: Mapping[str, str]) -> None:
    """Take the kubeconfig out of the ESC environment ``org/project/name`` into the file ``target``, for this user only.

    When the key is absent there, the runner's own KUBECONFIG is used. Announces the choice to the steps that follow.
    Raises CommandError when ESC cannot be asked, or has something there that is not a kubeconfig.
    """
    value = esc_value(environment, KUBECONFIG_PATH)
    if value is None:
        own = environ.get("KUBECONFIG", "").strip()
        if not own:
            raise CommandError(
                f"no kubeconfig: '{environment}' has no key '{KUBECONFIG_PATH}' (docs/esc.md says how to store it),"
                " and the runner has no variable KUBECONFIG"
            )
        check_variable(own)
        print(f"'{environment}' has no key '{KUBECONFIG_PATH}'; using the runner's KUBECONFIG: {own}")
        return
    text = _kubeconfig_text(value, environment)
    later = environ.get("GITHUB_ENV")
    with _removed_on_failure(target):
        _write_private(target, text)
        _check_kubeconfig(target, environment)
        if later:
            _append(Path(later), f"KUBECONFIG={target}\n")
    print(f"wrote {target} from '{environment}'" if later else f"export KUBECONFIG={target}")


@contextlib.contextmanager
def _removed_on_failure(target: Path) -> Generator[None]:
    """What fails in here leaves no file behind; a file that cannot be written is a CommandError."""
    try:
        yield
    except (CommandError, OSError) as problem:
        with contextlib.suppress(OSError):
            target.unlink(missing_ok=True)
        if isinstance(problem, OSError):
            raise CommandError(f"cannot write {problem.filename}: {problem.strerror}") from None
        raise


def _write_private(target: Path, text: str) -> None:
    target.unlink(missing_ok=True)
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as handle:
        handle.write(text)


def _append(file: Path, text: str) -> None:
    with file.open("a", encoding="utf-8") as handle:
        handle.write(text)


def esc_value(environment: str, path: str) -> object:
    """A value of an ESC environment; None when the environment has no such key.

    Opens the environment, as a value may be dynamic (``esc env get`` would show ``[unknown]``). As JSON, because only
    there an absent key (null) differs from an empty one. Raises CommandError when ESC could not be asked.
    """
    result = run("pulumi", "env", "open", environment, path, "--format", "json")
    try:
        if result.returncode == 0:
            return json.loads(result.stdout)
    except ValueError:
        pass  # it prints diagnostics of a broken environment instead, and calls that a success
    words = Redactor([]).text(last_words(result)) if result.stderr.strip() else "no output"
    raise CommandError(f"could not ask ESC for '{environment}': {words}")


def _kubeconfig_text(value: object, environment: str) -> str:
    """The text of a value of ESC. Raises CommandError, which shows nothing of it, when it is not a kubeconfig."""
    text = value if isinstance(value, str) else json.dumps(value)
    if not text.strip():
        raise CommandError(f"{_key_of(environment)} is empty; docs/esc.md says how to store it")
    if text.strip() in ("[secret]", "[unknown]"):
        raise CommandError(f"{_key_of(environment)} is the placeholder {text.strip()}: not decrypted, or not opened")
    return text


def _check_kubeconfig(target: Path, environment: str) -> None:
    """Raise CommandError, which shows nothing of it, when kubectl does not take a file for a kubeconfig."""
    if not (read_all(str(target)) or {}).get("clusters"):
        raise CommandError(f"{_key_of(environment)} is not a kubeconfig; docs/esc.md says how to store it")


def _key_of(environment: str) -> str:
    return f"'{KUBECONFIG_PATH}' of '{environment}'"


def preview(stack: str, environ: Mapping[str, str]) -> None:
    """Show what an ``up`` would change, in the log and in the job's summary."""
    outcome = run_engine("preview", stack, redactor(stack, environ), _say)
    _finish(f"Preview of {stack}", outcome, [], environ)
    if outcome.code:
        raise CommandError("the preview failed; nothing was changed")


def up(stack: str, environ: Mapping[str, str]) -> None:
    """Make the changes that the program asks for, and repair what somebody deleted or edited in the cluster.

    After a failure it shows the table of health: the provider does not always say which pod is not ready, and why.
    """
    known = redactor(stack, environ)
    outcome = run_engine("up", stack, known, _say)
    table = _health(stack, known) if outcome.code else []
    _finish(f"Update of {stack}", outcome, table, environ)
    if outcome.code:
        exists = any("already exists" in error for error in outcome.errors)
        adopt = " To adopt what already exists: config key adoptExisting." if exists else ""
        raise CommandError(f'the update failed; what it finished stays: docs/runbook.md, "A deploy failed".{adopt}')


def _health(stack: str, known: Redactor) -> list[str]:
    lines: list[str] = []
    with redacted(known, lines.append):
        health.main(["--stack", stack])
    return lines


class _Lines(io.TextIOBase):
    """Takes what is printed, and passes it on line by line."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._begun = ""

    def write(self, text: str, /) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._say(line)
        return len(text)

    def finish(self) -> None:
        """Pass on what has no end of line."""
        if self._begun:
            self._say(self._begun)


@contextlib.contextmanager
def redacted(known: Redactor, say: Callable[[str], None]) -> Generator[None]:
    """Everything that is printed in here is said without secrets, standard error included."""
    lines = _Lines(lambda line: say(known.text(line)))
    with contextlib.redirect_stdout(lines), contextlib.redirect_stderr(lines):
        try:
            yield
        finally:
            lines.finish()


def _command(step: str, stack: str, wait: float) -> int:
    """Run ``preflight`` or ``health`` with its words redacted; returns its exit code."""
    patience, out = health.Patience(wait), sys.stdout
    known = patience.ask(lambda: redactor(stack, os.environ))
    with redacted(known, lambda line: print(line, file=out, flush=True)):
        if step == "preflight":
            return preflight.main(["--stack", stack])
        return health.main(["--stack", stack, "--wait", str(patience.left)])


def _say(text: str) -> None:
    print(text, flush=True)


def _finish(title: str, outcome: Outcome, table: Sequence[str], environ: Mapping[str, str]) -> None:
    """Say how it ended, and add it all to the summary of the job, if there is one."""
    end = "failed" if outcome.code else outcome.count()
    for line in (end, *table):
        _say(line)
    lines = [*outcome.lines(), *outcome.errors, *table]
    _add_to_summary(f"{title}: {end}", lines, environ)


def _add_to_summary(title: str, lines: Sequence[str], environ: Mapping[str, str]) -> None:
    target = environ.get("GITHUB_STEP_SUMMARY")
    if not target:
        return
    try:
        _append(Path(target), summary(title, lines))
    except OSError as problem:  # it undoes nothing of what was done
        print(f"warning: the job's summary {target} cannot be written: {problem.strerror}", file=sys.stderr)


def summary(title: str, lines: Sequence[str], limit: int = _SUMMARY_BYTES) -> str:
    """A part of the job's summary: a heading, and a block of lines, cut in the middle when it is too long."""
    if not lines:
        return f"### {title}\n\n"
    text = "\n".join(lines)
    fence = "~" * (3 + max((len(run) for run in re.findall(r"~+", text)), default=0))
    encoded = text.encode()
    if len(encoded) > limit:
        half = limit // 2
        left_out = f"\n… {len(encoded) - 2 * half} bytes are left out: the job's log has them …\n"
        text = encoded[:half].decode(errors="ignore") + left_out + encoded[-half:].decode(errors="ignore")
    return f"### {title}\n\n{fence}text\n{text}\n{fence}\n\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m oceanid_cluster workflow", description="The steps of the workflows."
    )
    steps = parser.add_subparsers(dest="step", required=True)
    one = steps.add_parser("kubeconfig", help="kubeconfig out of ESC, or the runner's own")
    one.add_argument("environment", help="org/project/environment")
    one.add_argument("target", type=Path, help="file to write")
    for name, text in (
        ("preflight", "may a deploy start?"),
        ("preview", "what an up would change"),
        ("up", "make the changes"),
        ("health", "is the cluster healthy?"),
        ("watch", "does the cluster differ, is it ready? keep one issue about it"),
    ):
        one = steps.add_parser(name, help=text)
        one.add_argument("--stack", required=True)
        one.add_argument("--wait", type=float, default=0, help=argparse.SUPPRESS if name not in _WAITING else "seconds")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run one step; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        if options.step == "kubeconfig":
            kubeconfig(options.environment, options.target.absolute(), os.environ)
        elif options.step in ("preflight", "health"):
            return _command(options.step, options.stack, options.wait)
        elif options.step == "watch":
            said = watch.keep_issue(options.stack, options.wait)
            _add_to_summary(f"Watch of {options.stack}", said.splitlines(), os.environ)
        else:
            {"preview": preview, "up": up}[options.step](options.stack, os.environ)
    except CommandError as problem:
        print(f"{options.step}: error: {one_line(problem)}", file=sys.stderr)
        return 1
    return 0
