"""The longer steps of the workflows, which run the same by hand: ``python -m oceanid_cluster.workflow <step>``.

Exit code 0: done. 1: it failed, and said why. ``drift`` is 0 whether it found a difference or not: the issue says it.
"""

import argparse
import contextlib
import io
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from oceanid_cluster import drift, health
from oceanid_cluster.commands import CommandError, run
from oceanid_cluster.operation import Outcome, run_engine
from oceanid_cluster.redact import Redactor, redactor

KUBECONFIG_PATH = "pulumiConfig.oceanid-cluster:kubeconfig"
# The runner drops a step's summary of more than 1 MiB (actions/runner, src/Runner.Worker/FileCommandManager.cs).
_SUMMARY_BYTES = 900_000


def kubeconfig(environment: str, target: Path, environ: Mapping[str, str]) -> None:
    """Take the kubeconfig out of the ESC environment ``org/project/name`` into the file ``target``, for this user only.

    When the key is absent there, the runner's own KUBECONFIG counts. Announces the choice to the steps that follow.
    Raises CommandError when ESC cannot be asked, or has something there that is no kubeconfig.
    """
    value = esc_value(environment, KUBECONFIG_PATH)
    if value is None:
        own = environ.get("KUBECONFIG", "").strip()
        if not own:
            raise CommandError(
                f"no kubeconfig: '{environment}' has no key '{KUBECONFIG_PATH}' (docs/esc.md says how to store it),"
                " and the runner has no variable KUBECONFIG"
            )
        _check_paths(own)
        print(f"'{environment}' has no key '{KUBECONFIG_PATH}'; using the runner's KUBECONFIG: {own}")
        return
    text = _checked_kubeconfig(value, environment)
    target.unlink(missing_ok=True)
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as handle:
        handle.write(text)
    later = environ.get("GITHUB_ENV")
    if later:
        with Path(later).open("a", encoding="utf-8") as handle:
            handle.write(f"KUBECONFIG={target}\n")
        print(f"wrote {target} from '{environment}'")
    else:
        print(f"export KUBECONFIG={target}")


def _check_paths(variable: str) -> None:
    """Raise CommandError, which shows nothing of the value, when it leads to no file: it may be a file's content."""
    names = [name for name in variable.split(os.pathsep) if name]
    try:
        found = any(Path(name).expanduser().is_file() for name in names)
    except (OSError, ValueError, RuntimeError):  # too long, with a zero byte, or of an unknown user
        found = False
    if not found:
        raise CommandError(
            "the runner's variable KUBECONFIG leads to no file (its value is not shown: it may be a kubeconfig's"
            " content). It must be a path. Put the content into ESC (docs/esc.md), or into a file of mode 0600"
        )


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
    words = (result.stderr.strip() or "it said nothing").splitlines()
    raise CommandError(f"could not ask ESC for '{environment}': {Redactor([]).text(words[-1])}")


def _checked_kubeconfig(value: object, environment: str) -> str:
    """The text of a kubeconfig. Raises CommandError, which shows nothing of the value."""
    where = f"'{KUBECONFIG_PATH}' of '{environment}'"
    text = value if isinstance(value, str) else json.dumps(value)
    if not text.strip():
        raise CommandError(f"{where} is empty; docs/esc.md says how to store it")
    if text.strip() in ("[secret]", "[unknown]"):
        raise CommandError(f"{where} is the placeholder {text.strip()}: it was not decrypted, or not opened")
    try:
        document: object = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or "clusters" not in document:
        raise CommandError(f"{where} is no kubeconfig; docs/esc.md says how to store it")
    return text


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
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        health.main(["--stack", stack])
    return known.text(said.getvalue()).splitlines()


def _say(text: str) -> None:
    print(text, flush=True)


def _finish(title: str, outcome: Outcome, table: Sequence[str], environ: Mapping[str, str]) -> None:
    """Say how it ended, and add it all to the summary of the job, if there is one."""
    end = "failed" if outcome.code else outcome.count()
    for line in (end, *table):
        _say(line)
    lines = [*outcome.lines(), *outcome.errors, *table]
    target = environ.get("GITHUB_STEP_SUMMARY")
    if target:
        with Path(target).open("a", encoding="utf-8") as handle:
            handle.write(summary(f"{title}: {end}", lines))


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
    parser = argparse.ArgumentParser(prog="python -m oceanid_cluster.workflow", description="steps of the workflows")
    steps = parser.add_subparsers(dest="step", required=True)
    one = steps.add_parser("kubeconfig", help="kubeconfig out of ESC, or the runner's own")
    one.add_argument("environment", help="org/project/environment")
    one.add_argument("target", type=Path, help="file to write")
    for name, text in (
        ("preview", "what an up would change"),
        ("up", "make the changes"),
        ("drift", "compare the cluster with the program, and keep one issue about it"),
    ):
        steps.add_parser(name, help=text).add_argument("--stack", required=True)
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run one step; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        if options.step == "kubeconfig":
            kubeconfig(options.environment, options.target.absolute(), os.environ)
        elif options.step == "drift":
            drift.keep_issue(options.stack)
        else:
            {"preview": preview, "up": up}[options.step](options.stack, os.environ)
    except CommandError as problem:
        print(f"{options.step}: error: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
