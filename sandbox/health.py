"""``make health``: what the program says of the sandbox, and which of it nobody here could make ready."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import replace

from oceanid_cluster.commands import report
from oceanid_cluster.commands.readiness import SILENT
from oceanid_cluster.commands.report import Row
from sandbox import cluster, engine
from sandbox.layout import Sandbox, say


def ask(sandbox: Sandbox, arguments: Sequence[str]) -> int:
    """Run ``health``; returns its exit code.

    No image runs in KWOK's pods. Until ``make gitops`` starts Flux's controllers as processes, nobody reports on their
    objects: such a row says so, and is not a failure.
    """
    if engine.unfinished(sandbox).exists():
        say("the last `make up` did not finish; run it again")
    command = [sandbox.bin / "python", "-m", "oceanid_cluster", "health", *arguments]
    environment = sandbox.process_environment("health")
    answer = subprocess.run(
        [*command, "--json"], cwd=sandbox.project, env=environment, stdout=subprocess.PIPE, text=True, check=False
    )
    try:
        rows = [Row(**fields) for fields in json.loads(answer.stdout)["rows"]]
    except ValueError:  # it could not ask, or was asked for its --help
        print(answer.stdout, end="")
        return answer.returncode
    if "kustomize-controller" not in cluster.processes(sandbox).values():
        here = "not run in this sandbox: make gitops"
        rows = [replace(row, state="warning", detail=here) if row.detail.startswith(SILENT) else row for row in rows]
    return report.show(rows, in_json="--json" in arguments)
