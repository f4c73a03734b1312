"""The steps of the workflows that no other command does."""

import argparse
import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from oceanid_cluster.commands import health, issue
from oceanid_cluster.commands.drift import WHAT_TO_DO, compare
from oceanid_cluster.commands.operation import Change, run_engine
from oceanid_cluster.commands.pulumi_cli import selected_stack
from oceanid_cluster.commands.redact import Redactor, check_variable, redactor
from oceanid_cluster.commands.report import Row, add_to_summary, as_table, fitting
from oceanid_cluster.config.errors import StartUpError
from oceanid_cluster.startup.kubeconfig import read_all
from oceanid_cluster.startup.processes import CommandError, last_words, run

EPILOG = "exit codes: 0 done; of watch whatever it found, as the issue says it; 2 it failed, and said why"
KUBECONFIG_PATH = "pulumiConfig.oceanid-cluster:kubeconfig"
TITLE = "Watch: the cluster of {stack} differs from the program, or is not ready"
_CLOSING = "The cluster is as the program says again, and everything is ready."
ALL_WELL = "no drift, everything is ready"
# GitHub refuses a body of more than 65,536 characters; counted in bytes, which are never fewer, with some to spare.
BODY_BYTES = 60_000
_TAIL = (
    "\n\nA difference: either somebody changed the cluster by hand, or a change was merged and not deployed:"
    f" {WHAT_TO_DO}, says what to do. Its other entries are about what is not ready.\n"
)


def kubeconfig(environment: str, target: Path, environ: Mapping[str, str]) -> None:
    """Take the kubeconfig out of the ESC environment ``org/project/name`` into the file ``target``, for this user only.

    When the key is absent there, the runner's own KUBECONFIG is used. Announces the choice to the steps that follow.
    Raises CommandError when ESC cannot be asked, or has something there that is not a kubeconfig, or when a file cannot
    be written.
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
    later = environ.get("GITHUB_ENV")
    try:
        _keep(value if isinstance(value, str) else json.dumps(value), environment, target, later)
    except OSError as problem:
        also = f", or announced in {later} (GITHUB_ENV)" if later else ""
        raise CommandError(f"the kubeconfig cannot be written to {target}{also}: {problem.strerror}") from None
    print(f"wrote {target} from '{environment}'" if later else f"export KUBECONFIG={target}")


def _keep(contents: str, environment: str, target: Path, later: str | None) -> None:
    """Write a kubeconfig, and announce it in the file ``later``; what fails leaves no file behind."""
    target.unlink(missing_ok=True)
    with contextlib.ExitStack() as on_failure:
        on_failure.callback(target.unlink, missing_ok=True)
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as handle:
            handle.write(contents)
        if not (read_all(str(target)) or {}).get("clusters"):
            raise CommandError(
                f"'{KUBECONFIG_PATH}' of '{environment}' is not a kubeconfig, or was not decrypted;"
                " docs/esc.md says how to store it"
            )
        if later:
            with Path(later).open("a", encoding="utf-8") as handle:
                handle.write(f"KUBECONFIG={target}\n")
        on_failure.pop_all()


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


def operate(operation: str, stack: str, known: Redactor, environ: Mapping[str, str]) -> None:
    """Show what an ``up`` would change, or make the changes, in the log and in the job's summary.

    An ``up`` also repairs what somebody deleted or edited in the cluster. After a failed one, the table of health is
    shown: the provider does not always say which pod is not ready, and why. Raises CommandError when it failed.
    """
    outcome = run_engine(operation, stack, known, lambda line: print(line, flush=True))
    end = "failed" if outcome.code else outcome.count()
    table = _health(stack, known) if operation == "up" and outcome.code else []
    print(end, *table, sep="\n", flush=True)
    title = {"preview": "Preview", "up": "Update"}[operation]
    add_to_summary(f"{title} of {stack}: {end}", [*outcome.errors, *table, *outcome.lines()], environ)
    if outcome.code and operation == "preview":
        raise CommandError("the preview failed; nothing was changed")
    if outcome.code:
        exists = any("already exists" in error for error in outcome.errors)
        adopt = " To adopt what already exists: config key adoptExisting." if exists else ""
        raise CommandError(f'the update failed; what it finished stays: docs/runbook.md, "A deploy failed".{adopt}')


def _health(stack: str, known: Redactor) -> list[str]:
    try:
        text = as_table(health.look(stack))
    except StartUpError as problem:
        text = f"health: {problem}"
    return known.text(text).splitlines()


def issue_body(stack: str, differing: Sequence[Change], failed: Sequence[Row]) -> str | None:
    """The body of the issue, in Markdown, as long as GitHub takes it; None when there is nothing to say."""
    if not differing and not failed:
        return None
    lines = [
        *(f"not ready: {row.area} {row.name}: {row.detail}" for row in failed),
        *(one.difference() for one in differing),
    ]
    shown = [f"- `{' '.join(line.split()).replace('`', chr(39))}`" for line in lines]
    head = f"The cluster of `{stack}`. Differences from the program: {len(differing)}, not ready: {len(failed)}\n\n"
    return fitting(head, shown, _TAIL, BODY_BYTES)


def keep_issue(stack: str, known: Redactor, seconds: float) -> str:
    """Compare and look, and open, update or close the one issue that says so; returns what it says.

    What is not ready has so many seconds to get ready: Flux reconciles for a moment every few minutes.
    Raises StartUpError when one of both could not be found out: then no issue is touched.
    """
    print(f"comparing {stack} with its cluster", flush=True)
    differing = compare(stack, known)
    failed = [row for row in health.look(stack, seconds=seconds) if row.state == "failed"]
    body = issue_body(stack, differing, [replace(row, detail=known.text(row.detail)) for row in failed])
    print(body or ALL_WELL, flush=True)
    issue.keep(TITLE.format(stack=stack), body, _CLOSING)
    return body or ALL_WELL


def add_options(parser: argparse.ArgumentParser) -> None:
    """The steps, each with its own options."""
    steps = parser.add_subparsers(dest="step", required=True)
    one = steps.add_parser("kubeconfig", help="kubeconfig out of ESC, or the runner's own")
    one.add_argument("environment", help="org/project/environment")
    one.add_argument("target", type=Path, help="file to write")
    for name, text in (
        ("preview", "what an up would change"),
        ("up", "make the changes"),
        ("watch", "does the cluster differ, is it ready? keep one issue about it"),
    ):
        one = steps.add_parser(name, help=text, description=text, epilog=EPILOG)
        one.add_argument("--stack", help="the stack to look at; default: the selected stack")
    one.add_argument(
        "--wait", type=health.seconds, default=0, metavar="SECONDS", help="give the cluster time to get ready"
    )


def main(options: argparse.Namespace) -> int:
    """Run one step; returns the exit code."""
    if options.step == "kubeconfig":
        kubeconfig(options.environment, options.target.absolute(), os.environ)
        return 0
    stack = selected_stack(options.stack, os.environ)
    known = options.known or redactor(stack, os.environ)
    if options.step == "watch":
        said = keep_issue(stack, known, options.wait)
        add_to_summary(f"Watch of {stack}", said.splitlines(), os.environ)
    else:
        operate(options.step, stack, known, os.environ)
    return 0
