"""Settings of all tests."""

import gc
import json
import os
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling  # pyright: ignore[reportMissingTypeStubs]

from sandbox import tools
from tests import tiers
from tests.engine import runs
from tests.program import Program
from tests.recorded import Run, run_program

# The same cases in every run, so that a change is judged by what it changed; `make soak` looks for new ones.
# A busy machine is slow, and that is not a defect of what is tested.
settings.register_profile(
    "project", derandomize="SOAK" not in os.environ, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("project")


# Each of their tests has a sandbox of its own: with several processes they may run apart. The longest first.
OWN_SANDBOX = ("test_migration.py", "test_histories.py", "test_crash.py")


class _Scheduling(LoadFileScheduling):
    """Gives files to processes, or single tests of those that share no sandbox."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return nodeid if Path(file).name in OWN_SANDBOX else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _Scheduling | None:
    """Of pytest-xdist: how tests are given to processes. The quick tests need no files kept together."""
    return _Scheduling(config, log) if config.option.dist == "loadfile" else None


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option of ``make test-full``."""
    parser.addoption(
        "--full", action="store_true", help="also the tests of tests/tiers.py, each of which has a witness"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Count the runs of the engine, and let Ctrl-C be heard, in this process and in those that it starts.

    A shell has its background jobs ignore SIGINT, and so would all that they start.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):
        runs.count_into(Path(tempfile.mkdtemp(prefix="oceanid-runs-")) / "runs")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what the engine's runs cost."""
    file = Path(os.environ[runs.FILE])
    if file.exists():
        terminalreporter.write_line(runs.report(file))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the count."""
    if not hasattr(config, "workerinput"):
        shutil.rmtree(Path(os.environ[runs.FILE]).parent, ignore_errors=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what only ``make test-full`` runs; what takes long first: short files fill up who is done before."""
    if not config.option.full:
        full = [item for item in items if tiers.is_full(item.nodeid) or any(item.iter_markers("full"))]
        config.hook.pytest_deselected(items=full)
        items[:] = [item for item in items if item not in full]
    tests_of = Counter(item.path for item in items)
    slow = {item.path for item in items if any(item.iter_markers("slow"))}

    def order(item: pytest.Item) -> tuple[int, int]:
        if item.path.name in OWN_SANDBOX:
            return 0, OWN_SANDBOX.index(item.path.name)
        if "engine" in item.path.parts:
            return 2, -tests_of[item.path]
        return (1 if item.path in slow else 3), 0

    items.sort(key=order)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Collect garbage less often: it would take a fifth of the quick tests' time.

    What was imported stays, and each run of the program makes a hundred thousand objects.
    """
    del session
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)


@pytest.fixture(scope="session", autouse=True)
def kubectl_on_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The program reads kubeconfigs by kubectl: the machine's where it fits, else the sandbox's."""
    kubectl, path = tools.ALL["kubectl"], os.environ.get("PATH", "")
    if tools.on_path(kubectl, path):
        yield
        return
    folder = tmp_path_factory.mktemp("bin")
    tools.link(folder / "kubectl", tools.get([kubectl])["kubectl"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{folder}{os.pathsep}{path}")
        yield


_runs: dict[str, Run] = {}


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Runs the program on a configuration; the same configuration is run once."""

    def run(config: Mapping[str, str]) -> Run:
        key = json.dumps(config, sort_keys=True)
        if key not in _runs:
            _runs[key] = run_program(config, tmp_path, monkeypatch)
        return _runs[key]

    return run
