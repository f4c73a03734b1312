"""Sandboxes for the tests of this tier, copies of prepared ones: one for most of them, one that Git drives."""

import os
import signal
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from sandbox.layout import Sandbox
from tests.engine import prepared
from tests.engine.engine import Engine
from tests.engine.gitops import GitOps


@pytest.fixture(scope="session", autouse=True)
def prepared_sandboxes(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> None:
    """Where the processes of this run of the tests keep the sandboxes that they copy."""
    base = tmp_path_factory.getbasetemp()
    os.environ[prepared.FOLDER] = str((base if worker_id == "master" else base.parent) / "prepared")


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A sandbox to which the program is applied; stopped at the end, however the tests end.

    The variable KEEP names one that is there already, and stays.
    """
    previous = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if kept := os.environ.get("KEEP"):
            home = Path(kept).absolute()
            engine = Engine(home, Sandbox(home).project)
            engine.launcher("up")
            yield engine
        else:
            with prepared.started("applied", tmp_path_factory.mktemp("sandbox")) as engine:
                assert engine.up().changes == {}
                yield engine
    finally:
        signal.signal(signal.SIGTERM, previous)


_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note down for ``clean`` that a test failed."""
    report = yield
    item.stash[_FAILED] = item.stash.get(_FAILED, False) or report.failed
    return report


@pytest.fixture
def clean(engine: Engine, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """The same engine, with the committed configuration before and after, and the program applied."""
    engine.reset_configuration()
    yield engine
    engine.reset_configuration()
    if engine.is_changed or request.node.stash[_FAILED]:
        engine.adopt("--refresh")


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Engine]:
    """A sandbox of its own for a test, on which the program has not run yet."""
    with prepared.started("bare", tmp_path) as engine:
        yield engine


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitOps]:
    """A sandbox on which ``make gitops`` ran; stopped at the end."""
    with prepared.started("applied", tmp_path_factory.mktemp("gitops")) as engine:
        yield GitOps(engine.sandbox.home)


@pytest.fixture
def flux(shared: GitOps) -> Iterator[GitOps]:
    """The shared sandbox, with Git and the configuration as they were before."""
    before = shared.git("rev-parse", "HEAD")
    yield shared
    configuration = (shared.folder / "Pulumi.sandbox.yaml").read_text(encoding="utf-8")
    if configuration != shared.configuration:
        shared.reset_configuration()
        shared.up()
    shared.restore(before)
