"""Does the cluster differ from the program? ``python -m oceanid_cluster drift``: read-only, one list, an exit code.

Exit code 0: no difference. 1: there is one. 2: it could not be found out. The workflow "Watch" asks the same way.
"""

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from oceanid_cluster.commands.operation import Change, run_engine
from oceanid_cluster.commands.pulumi_cli import selected_stack
from oceanid_cluster.commands.redact import Redactor, redactor
from oceanid_cluster.commands.release_drift import release_drift
from oceanid_cluster.commands.report import one_line
from oceanid_cluster.commands.stack_config import stack_settings
from oceanid_cluster.config.errors import StartUpError
from oceanid_cluster.startup.kubectl import Kubectl, open_cluster
from oceanid_cluster.startup.processes import CommandError

_LONGEST_LINE = 600


@dataclass(frozen=True)
class Difference:
    """One object that differs: what an ``up`` would do about it, its name, the paths.

    ``missing``: it would make it again. ``terminating``: nothing, as the cluster is about to delete it.
    ``release``: the Helm release that it belongs to; None for a resource of the stack.
    """

    operation: str
    what: str
    paths: tuple[str, ...]
    release: str | None = None

    def line(self) -> str:
        """The difference in one line, without values."""
        paths = f" ({', '.join(self.paths)})" if self.paths else ""
        release = f", in the Helm release {self.release}" if self.release else ""
        text = f"{self.operation} {self.what}{paths}"
        return (text if len(text) <= _LONGEST_LINE else f"{text[:_LONGEST_LINE]} …") + release


def compare(stack: str, known: Redactor) -> list[Difference]:
    """What differs between the cluster and the program, the objects of Helm releases included.

    A provider that only gets a new kubeconfig is not a difference. Raises CommandError when the comparison did
    not come to an end.
    """
    outcome = run_engine("preview", stack, known, say=lambda _: None)
    if outcome.code:
        raise CommandError(f"the comparison failed: {' '.join(outcome.errors)[-2000:]}")
    changes = [*outcome.changes, *outcome.terminating]
    found = [_difference(change) for change in changes if not change.type.startswith("pulumi:")]
    if outcome.releases:
        kubectl = _kubectl(stack)
        for release in sorted(outcome.releases):
            found += [Difference(*one, release) for one in release_drift(release, kubectl)]
    return found


def _difference(change: Change) -> Difference:
    return Difference("missing" if change.gone else change.operation, f"{change.kind} {change.name}", change.paths)


def _kubectl(stack: str) -> Kubectl:
    """The cluster of the program, wherever the shell points."""
    try:
        return open_cluster(stack_settings(stack), os.environ)
    except StartUpError as problem:
        raise CommandError(str(problem)) from None


def _count(found: Sequence[Difference], noun: str) -> str:
    return f"{len(found)} {noun}{'s' if len(found) > 1 else ''}"


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m oceanid_cluster drift",
        description="Does the cluster differ from the program? It compares, and changes nothing.",
        epilog="exit codes: 0 no drift; 1 drift; 2 the comparison failed",
    )
    parser.add_argument("--stack", help="which stack; else the selected one")
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    options = parser.parse_args(arguments)
    try:
        stack = selected_stack(options.stack, os.environ)
        found = compare(stack, redactor(stack, os.environ))
    except CommandError as problem:
        print(f"drift: cannot tell: {one_line(problem)}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps({"drift": bool(found), "differences": [dataclasses.asdict(one) for one in found]}, indent=2))
    else:
        print("\n".join([*(one.line() for one in found), _count(found, "difference") if found else "no drift"]))
    return 1 if found else 0
