"""The gate of each step: would an up of the selected stack delete or replace anything? ``python -m migration.plan``.

It refreshes first, with the kubeconfig of today, and changes nothing. Exit codes: 0 nothing would be deleted or
replaced; 1 something would; 2 the engine could not tell.
"""

import os
import sys

from oceanid_cluster.commands.operation import preview
from oceanid_cluster.commands.pulumi_cli import selected_stack
from oceanid_cluster.commands.redact import redactor
from oceanid_cluster.config.errors import StartUpError

_HARMLESS = ("create", "update", "import")


def main() -> int:
    """Run the command; returns the exit code."""
    try:
        stack = selected_stack(None, os.environ)
        outcome = preview(stack, redactor(stack, os.environ))
    except StartUpError as problem:
        print(f"plan: error: {problem}", file=sys.stderr)
        return 2
    print(outcome.count())
    lost = [change.line() for change in outcome.changes if change.operation not in _HARMLESS]
    if lost:
        print("plan: stop: this would delete or replace:", *lost, sep="\n  ", file=sys.stderr)
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
