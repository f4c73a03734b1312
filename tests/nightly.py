"""Keeps one issue while the nightly tests fail: ``python -m tests.nightly``, the last step of the workflow Nightly.

RESULT is the job's status in GitHub's words; the runner's own variables name the run.
"""

import os
import sys

from oceanid_cluster.commands import issue
from oceanid_cluster.startup.processes import CommandError

TITLE = "The nightly tests fail"


def main() -> int:
    """Open the issue, or bring it up to date, or close it; returns the exit code."""
    run = "{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}".format_map(os.environ)
    passed = os.environ["RESULT"] == "success"
    body = f"`make test-full` or `make soak` failed: {run}\n\nA night in which they pass closes this issue."
    try:
        issue.keep(TITLE, None if passed else body, f"They pass again: {run}")
    except CommandError as problem:
        print(f"nightly: error: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
