"""Sandboxes that a run of the tests makes once: stopped and kept, each test starts from a copy with its own ports."""

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from sandbox import cluster, tools
from sandbox.layout import Sandbox
from tests.engine.engine import Engine, launch

# ``bare``: the program never ran there; ``applied``: after ``make up``.
Kind = Literal["bare", "applied"]
# The folder of them, shared by all processes of a run of the tests.
FOLDER = "OCEANID_PREPARED"
# What the run that prepared a sandbox said.
FIRST_RUN = "first-run.log"


def _prepared(kind: Kind) -> Path:
    """The stopped sandbox of a kind, which the first process that wants it makes."""
    folder = Path(os.environ[FOLDER])
    folder.mkdir(exist_ok=True)
    home, ready = folder / kind, folder / f"{kind}-ready"
    with tools.lock(folder / f".{kind}.lock", f"another process is preparing a sandbox ({kind})"):
        if not ready.exists():
            shutil.rmtree(home, ignore_errors=True)
            try:
                if kind == "applied":
                    _copy("bare", home)
                said = launch(home, "up" if kind == "applied" else "cluster")
                (home / FIRST_RUN).write_text(said.stdout + said.stderr, encoding="utf-8")
            finally:
                launch(home, "down")
            ready.touch()
    return home


def _copy(kind: Kind, home: Path) -> None:
    shutil.copytree(_prepared(kind), home, symlinks=True, ignore=shutil.ignore_patterns("log", "tmp"))
    (home / "ports.json").unlink()  # so that it takes ports of its own
    Sandbox(home).temporary.mkdir(mode=0o700)


@contextmanager
def started(kind: Kind, folder: Path, *, keeps_token: bool = True) -> Generator[Engine]:
    """A sandbox of its own in ``folder``, stopped at the end.

    The state of an applied one has another endpoint, and without ``keeps_token`` another token, too.
    """
    engine = Engine(folder / "home", folder / "program")
    _copy(kind, engine.sandbox.home)
    if not keeps_token:
        (engine.sandbox.home / "token").unlink()
    try:
        cluster.start(engine.sandbox)
        yield engine
    finally:
        cluster.stop(engine.sandbox)
