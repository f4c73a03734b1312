"""What would an ``up`` do? ``python -m oceanid_cluster plan``: a few lines, and an exit code that a script can ask.

Exit code 0: it deletes and replaces nothing. 1: it would. 2: it could not be found out. It refreshes first, with the
kubeconfig of today, and changes nothing.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from oceanid_cluster.commands.operation import Outcome, run_engine
from oceanid_cluster.commands.pulumi_cli import selected_stack
from oceanid_cluster.commands.redact import redactor
from oceanid_cluster.commands.report import one_line
from oceanid_cluster.startup.processes import CommandError

_HARMLESS = ("create", "update", "import")
_EPILOG = "exit codes: 0 nothing would be deleted or replaced; 1 something would; 2 the engine could not tell"


def losses(outcome: Outcome) -> list[str]:
    """What the run would delete or replace, one line each."""
    return [change.line() for change in outcome.changes if change.operation not in _HARMLESS]


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m oceanid_cluster plan", epilog=_EPILOG,
        description="Says in a few lines what an up would do. It changes nothing.",
    )  # fmt: skip
    parser.add_argument("--stack", help="which stack; else the selected one")
    options = parser.parse_args(arguments)
    try:
        stack = selected_stack(options.stack, os.environ)
        outcome = run_engine("preview", stack, redactor(stack, os.environ))
        if outcome.code:
            print("plan: cannot tell: the preview failed; nothing was changed", file=sys.stderr)
            return 2
    except CommandError as problem:
        print(f"plan: cannot tell: {one_line(problem)}", file=sys.stderr)
        return 2
    print(outcome.count())
    lost = losses(outcome)
    if lost:
        print("plan: stop: this would delete or replace:", *lost, sep="\n  ", file=sys.stderr)
    return 1 if lost else 0
