"""Keeps one issue open while the cluster differs from the program, or something in it is not ready.

The workflow "Watch" calls it: ``python -m oceanid_cluster workflow watch``. It asks what ``drift`` and ``health`` ask.
"""

from collections.abc import Sequence
from dataclasses import replace

from oceanid_cluster.commands import health, issue
from oceanid_cluster.commands.drift import WHAT_TO_DO, compare
from oceanid_cluster.commands.operation import Change
from oceanid_cluster.commands.redact import Redactor
from oceanid_cluster.commands.report import Row, fitting

TITLE = "Watch: the cluster of {stack} differs from the program, or is not ready"
_CLOSING = "The cluster is as the program says again, and everything is ready."
ALL_WELL = "no drift, everything is ready"
# GitHub refuses a body of more than 65,536 characters; counted in bytes, which are never fewer, with some to spare.
BODY_BYTES = 60_000
_TAIL = (
    "\n\nA difference: either somebody changed the cluster by hand, or a change was merged and not deployed:"
    f" {WHAT_TO_DO}, says what to do. Its other entries are about what is not ready.\n"
)


def report(stack: str, differing: Sequence[Change], failed: Sequence[Row]) -> str | None:
    """The body of the issue, in Markdown, as long as GitHub takes it; None when there is nothing to say."""
    said = [
        *([f"differs from the program in {len(differing)} places"] if differing else []),
        *([f"is not ready in {len(failed)} places"] if failed else []),
    ]
    if not said:
        return None
    lines = [
        *(f"not ready: {row.area} {row.name}: {row.detail}" for row in failed),
        *(one.difference() for one in differing),
    ]
    shown = [f"- `{' '.join(line.split()).replace('`', chr(39))}`" for line in lines]
    return fitting(f"The cluster of `{stack}` {' and '.join(said)}:\n\n", shown, _TAIL, BODY_BYTES)


def keep_issue(stack: str, known: Redactor, seconds: float) -> str:
    """Compare and look, and open, update or close the one issue that says so; returns what it says.

    What is not ready has so many seconds to get ready: Flux reconciles for a moment every few minutes.
    Raises StartUpError when one of both could not be found out: then no issue is touched.
    """
    print(f"comparing {stack} with its cluster", flush=True)
    differing = compare(stack, known)
    failed = [row for row in health.look(stack, seconds=seconds) if row.state == "failed"]
    body = report(stack, differing, [replace(row, detail=known.text(row.detail)) for row in failed])
    print(body or ALL_WELL, flush=True)
    issue.keep(TITLE.format(stack=stack), body, _CLOSING)
    return body or ALL_WELL
