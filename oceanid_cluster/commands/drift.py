"""Says where the cluster differs from the program, as the workflow Watch does. It compares, and changes nothing."""

import argparse
import os

from oceanid_cluster.commands.operation import Change, preview
from oceanid_cluster.commands.pulumi_cli import selected_stack
from oceanid_cluster.commands.redact import Redactor, redactor
from oceanid_cluster.commands.release_drift import release_drift
from oceanid_cluster.commands.stack_config import stack_settings
from oceanid_cluster.startup.kubectl import open_cluster

EPILOG = "exit codes: 0 no drift; 1 drift; 2 the comparison failed"
WHAT_TO_DO = 'docs/runbook.md, "Drift"'


def compare(stack: str, known: Redactor) -> list[Change]:
    """What differs between the cluster and the program, the objects of Helm releases included.

    A provider that only gets a new kubeconfig is not a difference. Raises StartUpError when the comparison did not
    come to an end.
    """
    outcome = preview(stack, known, say=None)
    found = [one for one in (*outcome.changes, *outcome.terminating) if not one.type.startswith("pulumi:")]
    if outcome.releases:
        kubectl = open_cluster(stack_settings(stack, warn=False), os.environ)  # what is wrong fails the preview
        for release in sorted(outcome.releases):
            found += release_drift(release, kubectl)
    return found


def main(options: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    stack = selected_stack(options.stack, os.environ)
    found = compare(stack, options.known or redactor(stack, os.environ))
    count = f"{len(found)} difference{'s' if len(found) > 1 else ''}; what to do: {WHAT_TO_DO}" if found else "no drift"
    print(*(one.difference() for one in found), count, sep="\n")
    return 1 if found else 0
