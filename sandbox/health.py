"""``make health`` and ``make graph``: what the program says, and which of it nobody in this sandbox could make ready.

No image runs in KWOK's pods. Until ``make gitops`` starts Flux's controllers as processes, nobody reports on their
objects: that is not a failure, and the answer says so.
"""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import replace

from oceanid_cluster.commands import report
from oceanid_cluster.commands.mermaid import escape
from oceanid_cluster.commands.readiness import SILENT
from oceanid_cluster.commands.report import Row
from sandbox import cluster, engine
from sandbox.layout import Sandbox, say

_NOT_RUN = "not run in this sandbox: make gitops"


def ask(sandbox: Sandbox, arguments: Sequence[str]) -> int:
    """Run ``health``; returns its exit code."""
    answer = _answer(sandbox, "health", *arguments, "--json")
    try:
        rows = [Row(**fields) for fields in json.loads(answer.stdout)["rows"]]
    except ValueError:  # it could not ask, or was asked for its --help
        print(answer.stdout, end="")
        return answer.returncode
    if not _has_controllers(sandbox):
        rows = [
            replace(row, state="warning", detail=_NOT_RUN) if row.detail.startswith(SILENT) else row for row in rows
        ]
    return report.show(rows, in_json="--json" in arguments)


def draw(sandbox: Sandbox, arguments: Sequence[str]) -> int:
    """Run ``graph``; returns its exit code."""
    answer = _answer(sandbox, "graph", *arguments)
    picture = answer.stdout
    if not _has_controllers(sandbox):
        picture = picture.replace(f'{escape(SILENT)}"]:::failed', f'{escape(_NOT_RUN)}"]:::off')
    print(picture, end="")
    return int(":::failed" in picture) if answer.returncode == 1 else answer.returncode


def _answer(sandbox: Sandbox, verb: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What a command of the program answers on the sandbox; what it says on standard error is shown at once."""
    if engine.unfinished(sandbox).exists():
        say("the last `make up` did not finish; run it again")
    command = [sandbox.bin / "python", "-m", "oceanid_cluster", verb, *arguments]
    environment = sandbox.process_environment(verb)
    return subprocess.run(command, cwd=sandbox.project, env=environment, stdout=subprocess.PIPE, text=True, check=False)


def _has_controllers(sandbox: Sandbox) -> bool:
    return "kustomize-controller" in cluster.processes(sandbox).values()
