"""What the engine's runs cost: how many there were, and the CPU seconds of each. The end of ``make test`` says it."""

import os
import resource
import statistics
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

# A file to which every process of a run of the tests adds its lines.
FILE = "OCEANID_RUNS"
_COUNTER = Path(__file__).parent / "counter"
_PROGRAM, _COST = "program", "cost"
# The commands of the engine that run the program.
_OPERATIONS = ("up", "preview", "refresh", "destroy")


def count_into(file: Path) -> None:
    """Have every Python that the engine starts from now on add a line to ``file``, whoever starts the engine."""
    os.environ[FILE] = str(file)
    inherited = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(_COUNTER), inherited)))


@contextmanager
def measured(operation: str) -> Generator[None]:
    """Note down the CPU seconds of the processes that run, and end, in here, if ``operation`` runs the program."""
    before = _seconds()
    yield
    file = os.environ.get(FILE)
    if file and operation in _OPERATIONS:
        with Path(file).open("a", encoding="utf-8") as handle:
            handle.write(f"{_COST} {_seconds() - before:.2f}\n")


def _seconds() -> float:
    """CPU seconds of all child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def report(file: Path) -> str:
    """One line: how many runs there were, and what one costs."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    costs = [float(line.split()[1]) for line in lines if line.startswith(_COST)]
    median = f", {statistics.median(costs):.1f} CPU seconds each (median)" if costs else ""
    return f"{lines.count(_PROGRAM)} runs of the engine{median}"
