"""The tour, run from its first command to its last on a sandbox of its own."""

import sys
from pathlib import Path

from tests.tour import PAGE, run, steps, written


def test_the_tour_says_what_happens(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    commands = [step.command for step in steps(page)]
    said = run(commands, tmp_path, lambda text: print(f"tour: {text}", file=sys.stderr))
    assert written(page, said) == page, "run: make tour"
