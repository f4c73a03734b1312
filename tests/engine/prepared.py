"""Sandboxes that a run of the tests makes once: stopped and kept, each test starts from a copy with its own ports."""

import os
import shutil
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from sandbox import cluster, tools
from sandbox.layout import Sandbox
from tests.engine.engine import Engine, launch

# The folder of them, shared by all processes of a run of the tests.
FOLDER = "OCEANID_PREPARED"
FIRST_UP = "first-up.log"


def _bare(home: Path) -> None:
    """A control plane on which the program never ran."""
    started = launch(home, "cluster")
    assert started.returncode == 0, started.stderr


def _applied(home: Path) -> None:
    """The same after ``make up``, with what that said."""
    _copy("bare", home)
    started = launch(home, "up")
    assert started.returncode == 0, started.stdout + started.stderr
    (home / FIRST_UP).write_text(started.stdout + started.stderr, encoding="utf-8")


_MAKERS: dict[str, Callable[[Path], None]] = {"bare": _bare, "applied": _applied}


def _prepared(kind: str) -> Path:
    """The stopped sandbox of a kind, which the first process that wants it makes."""
    folder = Path(os.environ[FOLDER])
    folder.mkdir(exist_ok=True)
    home, ready = folder / kind, folder / f"{kind}-ready"
    with tools.lock(folder / f".{kind}.lock", f"another process is preparing a sandbox ({kind})"):
        if not ready.exists():
            shutil.rmtree(home, ignore_errors=True)
            try:
                _MAKERS[kind](home)
            finally:
                launch(home, "down")
            ready.touch()
    return home


def _copy(kind: str, home: Path) -> None:
    shutil.copytree(_prepared(kind), home, symlinks=True, ignore=shutil.ignore_patterns("log", "tmp"))
    (home / "ports.json").unlink()  # so that it takes ports of its own
    Sandbox(home).temporary.mkdir(mode=0o700)


@contextmanager
def _started(kind: str, folder: Path, *, keeps_token: bool = True) -> Generator[Engine]:
    engine = Engine(folder / "home", folder / "program")
    _copy(kind, engine.sandbox.home)
    if not keeps_token:
        (engine.sandbox.home / "token").unlink()
    try:
        cluster.start(engine.sandbox)
        yield engine
    finally:
        cluster.stop(engine.sandbox)


def bare_cluster(folder: Path) -> AbstractContextManager[Engine]:
    """A sandbox of its own in ``folder``, on which the program has not run yet; stopped at the end."""
    return _started("bare", folder)


def applied_cluster(folder: Path, *, keeps_token: bool = True) -> AbstractContextManager[Engine]:
    """A sandbox of its own in ``folder``, with the program applied; stopped at the end.

    Its state has another endpoint, and without ``keeps_token`` another token, too.
    """
    return _started("applied", folder, keeps_token=keeps_token)
