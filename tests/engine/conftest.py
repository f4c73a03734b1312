"""Sandboxes for the tests of this tier: one for most of them, one that Git drives."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.engine import ADOPT
from tests.engine.engine import Engine, launch
from tests.engine.gitops import GitOps


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A sandbox on which the program ran once; stopped at the end, however the tests end.

    The variable KEEP names one that is there already, and stays.
    """
    folder = tmp_path_factory.mktemp("sandbox")
    kept = os.environ.get("KEEP")
    engine = Engine(Path(kept).absolute() if kept else folder / "home", folder / "program")
    previous = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        first = engine.launcher("up")
        assert first.returncode == 0, first.stdout + first.stderr
        (folder / "first-up.log").write_text(first.stdout + first.stderr, encoding="utf-8")
        yield engine
    finally:
        signal.signal(signal.SIGTERM, previous)
        if not kept:
            engine.launcher("down")


@pytest.fixture
def clean(engine: Engine) -> Iterator[Engine]:
    """The same engine, with the committed configuration before and after, and the program applied."""

    def written() -> list[int]:
        """When the state was last written."""
        stacks = engine.sandbox.home / "state" / ".pulumi" / "stacks"
        return [path.stat().st_mtime_ns for path in stacks.rglob("*.json")]

    engine.reset_configuration()
    before = written()
    yield engine
    engine.reset_configuration()
    if written() != before:
        answer = engine.pulumi("up", "--yes", "--skip-preview", variables=ADOPT)  # whatever a failed test left
        assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitOps]:
    """A sandbox that ``make gitops`` started; stopped at the end."""
    home = tmp_path_factory.mktemp("gitops") / "home"
    try:
        yield GitOps(home)
    finally:
        launch(home, "down")


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
