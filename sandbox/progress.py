"""One line that says what takes long, and how far it is."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Before this part of the work is done, nothing can be said of the rest.
_JUDGED = 0.02


def _left(passed: float, part: float) -> str:
    """What is left, if it goes on as it went."""
    if not _JUDGED <= part < 1:
        return ""
    left = passed * (1 - part) / part
    return f", about {left:.0f} s left" if left < 60 else f", about {left / 60:.0f} min left"


def follow(process: subprocess.Popen[Any], log: Path) -> Iterator[str]:
    """What a process writes to a file, line by line, until it has ended, and an empty line where it waits."""
    seen, runs = 0, True
    while runs:
        try:
            process.wait(timeout=0.1)
            runs = False
        except subprocess.TimeoutExpired:
            pass
        text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        lines = text.split("\n")[:-1]  # the last one is not whole
        yield from (line.strip() for line in lines[seen:])
        yield ""
        seen = len(lines)


class Progress:
    """One line that names what is being done; redrawn on a terminal, every ten seconds elsewhere."""

    def __init__(self, doing: str, total: int, unit: str = "") -> None:
        """``total`` is the number of steps, 0 when it is not known; ``unit`` is what one step is."""
        self._doing, self._total, self._unit = doing, total, unit
        self._start = self._shown = time.monotonic()
        self._terminal = sys.stderr.isatty()

    def show(self, done: int, what: str = "") -> None:
        """Show that ``done`` steps are over, and ``what`` is done now."""
        now = time.monotonic()
        if now - self._shown < (0.1 if self._terminal else 10):
            return
        self._shown = now
        unit = f" {self._unit}" if self._unit else ""
        counted = f" [{min(done, self._total):>4}/{self._total}{unit}]" if self._total else ""
        passed = now - self._start
        part = done / self._total if self._total else 0
        text = f"sandbox: {self._doing}{counted} {passed:.0f} s{_left(passed, part)}  {what}"
        width = shutil.get_terminal_size().columns - 1
        end = "\r" if self._terminal else "\n"
        print(text[:width].ljust(width) if self._terminal else text, end=end, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line."""
        if self._terminal:
            print(" " * (shutil.get_terminal_size().columns - 1), end="\r", file=sys.stderr, flush=True)
