"""Measures the program against the limit and its predecessor, and brings docs/performance.md up to date.

``make bench``. The three take turns, each on a bare cluster of its own in a temporary folder, so that a slow moment of
the machine hits all of them. The variable RUNS says how often; a turn of the three takes some three minutes.
"""

import json
import os
import platform
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from sandbox import tools
from sandbox.layout import ROOT
from tests.bench import alone, report
from tests.bench.contenders import Limit, Predecessor, Program, bare, measure
from tests.engine.engine import Engine
from tests.samples import REQUIRED

DOCS = ROOT / "docs"
_RUNS = 3
# What `make up` says of the parts in use.
_SAID = re.compile(r"sandbox: (charts|provider kubernetes|provider random): (.*)")
Seconds = dict[str, dict[str, list[float]]]


def main() -> None:
    """Measure, write the results, and say which targets are missed."""
    runs = int(os.environ.get("RUNS") or _RUNS)
    with tempfile.TemporaryDirectory(prefix="oceanid-bench-") as scratch:
        seconds, used, parts = _take_turns(Path(scratch), runs)
    operations = {
        operation: {name: report.spread(took[name]) for name in report.CONTENDERS}
        for operation, took in seconds.items()
    }
    results: report.Results = {
        "conditions": {**_machine(runs), **parts}, "operations": operations,
        "cpu": report.spread(used), "alone": report.spread([alone.seconds(REQUIRED) for _ in range(runs)]),
        "growth": _growth(runs),
    }  # fmt: skip
    write(results)
    print(report.operations_table(results), report.other_figures(results), sep="\n\n")
    for line in report.missed(results):
        say(f"missed: {line}")


def say(text: str) -> None:
    """Say on standard error what is measured now, or what came out."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def write(results: report.Results) -> None:
    """Write the results, and the page that shows them."""
    document = DOCS / "performance.md"
    (DOCS / "performance.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    document.write_text(report.page(document.read_text(encoding="utf-8"), results), encoding="utf-8")


def _take_turns(scratch: Path, runs: int) -> tuple[Seconds, list[float], dict[str, str]]:
    """Seconds by operation and contender, CPU seconds of the program, and the parts that all contenders used."""
    seconds: Seconds = defaultdict(lambda: defaultdict(list))
    used: list[float] = []
    parts: dict[str, str] = {}
    objects: dict[str, Any] = {}

    def program(sandbox: Engine) -> Program:
        return Program(sandbox, objects, used)

    def limit(sandbox: Engine) -> Limit:
        return Limit(sandbox, objects["resources"], objects["release"])

    contenders: dict[str, Callable[[Engine], Any]] = {
        report.PROGRAM: program, report.LIMIT: limit, report.PREDECESSOR: Predecessor,
    }  # fmt: skip
    for number in range(1, runs + 1):
        for name, make in contenders.items():
            tell = partial(_tell, f"{number} of {runs}, {name}: ")
            with bare(scratch / f"{name}-{number}", tell) as (sandbox, said):
                parts = dict(_SAID.findall(said))
                for operation, took in measure(make(sandbox), tell).items():
                    seconds[operation][name].append(took)
    return seconds, used, parts


def _tell(start: str, text: str) -> None:
    say(start + text)


def _growth(runs: int) -> dict[str, dict[str, Any]]:
    """Seconds of the program alone by what grows, and its size; the sizes take turns."""
    seconds: dict[str, dict[str, list[float]]] = {what: defaultdict(list) for what in alone.SIZES}
    for number in range(1, runs + 1):
        for what, sizes in alone.SIZES.items():
            for size in sizes:
                say(f"{number} of {runs}, the program alone with {size} {what}")
                seconds[what][str(size)].append(alone.seconds(alone.configuration(REQUIRED, what, size)))
    return {what: {size: report.spread(took) for size, took in sizes.items()} for what, sizes in seconds.items()}


def _machine(runs: int) -> dict[str, str]:
    """What the figures depend on."""
    return {
        "date": datetime.now(tz=UTC).date().isoformat(), "repetitions": str(runs), "cores": str(os.cpu_count()),
        "load average of the last 15 minutes": f"{os.getloadavg()[2]:.1f}",
        "Python": platform.python_version(), "Pulumi": tools.PULUMI, "Kubernetes": tools.KUBERNETES,
    }  # fmt: skip


if __name__ == "__main__":
    main()
