"""Says in a few lines what an up would do. It refreshes first, with the kubeconfig of today, and changes nothing."""

import argparse
import os
import sys

from oceanid_cluster.commands.operation import preview
from oceanid_cluster.commands.pulumi_cli import selected_stack
from oceanid_cluster.commands.redact import redactor

EPILOG = "exit codes: 0 nothing would be deleted or replaced; 1 something would; 2 the engine could not tell"
_HARMLESS = ("create", "update", "import")


def main(options: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    stack = selected_stack(options.stack, os.environ)
    outcome = preview(stack, options.known or redactor(stack, os.environ))
    print(outcome.count())
    lost = [change.line() for change in outcome.changes if change.operation not in _HARMLESS]
    if lost:
        print("plan: stop: this would delete or replace:", *lost, sep="\n  ", file=sys.stderr)
    return 1 if lost else 0
