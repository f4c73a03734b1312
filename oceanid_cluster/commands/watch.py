"""Keeps one issue open while the cluster differs from the program, or something in it is not ready.

The workflow "Watch" calls it: ``python -m oceanid_cluster workflow watch``. It asks what ``drift`` and ``health`` ask.
"""

import os
from collections.abc import Sequence

from oceanid_cluster.commands import health, issue
from oceanid_cluster.commands.drift import Difference, compare
from oceanid_cluster.commands.redact import Redactor, redactor
from oceanid_cluster.commands.report import Row
from oceanid_cluster.config.errors import StartUpError
from oceanid_cluster.startup.kubectl import open_cluster
from oceanid_cluster.startup.processes import CommandError

TITLE = "Watch: the cluster differs from the program, or is not ready"
_CLOSING = "The cluster is as the program says again, and everything is ready."
ALL_WELL = "no drift, everything is ready"
_TAIL = (
    "\n\nA difference: either somebody changed the cluster by hand, or a change was merged and not deployed:"
    " docs/runbook.md, 'Drift', says what to do. Its other entries are about what is not ready.\n"
)


def unready(stack: str, known: Redactor, seconds: float = 0) -> list[Row]:
    """The rows of health that failed, and still do after these seconds, without secrets. Raises CommandError."""
    patience = health.Patience(seconds)
    try:
        everything = patience.ask(lambda: health.load_expectations(stack, every=False))
        kubectl = open_cluster(everything.settings, os.environ)
        rows = patience.ask(lambda: health.check(kubectl, everything), health.failed)
    except StartUpError as problem:
        raise CommandError(" ".join(str(problem).split())) from None
    return [Row(row.area, row.name, row.state, known.text(row.detail)) for row in rows if row.state == "failed"]


def report(stack: str, differing: Sequence[Difference], failed: Sequence[Row]) -> str | None:
    """The body of the issue, in Markdown, as long as GitHub takes it; None when there is nothing to say."""
    said = [
        *([f"differs from the program in {len(differing)} places"] if differing else []),
        *([f"is not ready in {len(failed)} places"] if failed else []),
    ]
    if not said:
        return None
    lines = [
        *(f"not ready: {row.area} {row.name}: {row.detail}" for row in failed),
        *(one.line() for one in differing),
    ]
    shown = [f"- `{' '.join(line.split()).replace('`', chr(39))}`" for line in lines]
    return issue.fitting(f"The cluster of `{stack}` {' and '.join(said)}:\n\n", shown, _TAIL)


def keep_issue(stack: str, seconds: float) -> str:
    """Compare and look, and open, update or close the one issue that says so; returns what it says.

    What is not ready has so many seconds to get ready: Flux reconciles for a moment every few minutes.
    Raises CommandError when one of both could not be found out: then no issue is touched.
    """
    print(f"comparing {stack} with its cluster", flush=True)
    known = redactor(stack, os.environ)
    body = report(stack, compare(stack, known), unready(stack, known, seconds))
    print(body or ALL_WELL, flush=True)
    issue.keep(TITLE, body, _CLOSING)
    return body or ALL_WELL
