"""The tour, docs/tour.md: runs the commands of the page on a sandbox of its own, and writes what they say into it.

``python -m tests.tour`` (``make tour``). The page holds the commands: after ``$ `` in a block ``console``, or in a
comment before a block of another kind, which then holds what the command says. A line ``[…]`` in what a command says
stands for any number of lines; as many lines stay before and after it as there are.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.layout import ROOT
from tests.engine.engine import launch

PAGE = ROOT / "docs" / "tour.md"
CUT = "[…]"
WIDTH = 120
# What differs from run to run, and from machine to machine.
_VARIES = (
    (r"127\.0\.0\.1(:|#58;)\d+", "127.0.0.1:PORT"),
    (r"(?<=pods#58; )\d+", "COUNT"),
    (r"-[a-z0-9]{8,10}-[a-z0-9]{5}\b", "-POD"),
    (r"\b(sha\d+:)?[0-9a-f]{7,64}\b", "DIGEST"),
    (r"(?<![\w.])v?\d+\.\d+\.\d+(?![\w.])", "VERSION"),
    (r"\b(\d+(\.\d+)?(ms|[smhd]))+\b", "TIME"),
    (r"(?<=Makefile:)\d+", "LINE"),
    (r"\s+", " "),
)
_BLOCK = re.compile(r"(?:<!-- \$ (?P<command>.+) -->\n)?```(?P<kind>\w+)\n(?P<body>.*?)```\n", re.DOTALL)
_MARK = "tour-f3b1"


@dataclass(frozen=True)
class Step:
    """A command of the page, and what the page says that it says."""

    command: str
    said: tuple[str, ...]


def steps(page: str) -> list[Step]:
    """The commands of a page, in order."""
    return [step for block in _BLOCK.finditer(page) for step in _steps(block)]


def _steps(block: re.Match[str]) -> Iterator[Step]:
    lines = block["body"].splitlines()
    if block["command"]:
        yield Step(block["command"], tuple(lines))
    elif block["kind"] == "console":
        starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
        for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
            yield Step(lines[start].removeprefix("$ "), tuple(lines[start + 1 : end]))


def run(commands: Sequence[str], folder: Path, say: Callable[[str], None]) -> list[list[str]]:
    """Run the commands in one shell, in a work tree in ``folder`` with a sandbox of its own; what each says."""
    for path in ROOT.iterdir():
        if not path.name.startswith("."):
            (folder / path.name).symlink_to(path)
    script = "\n".join(f"printf '\\n{_MARK} %s\\n' $?\n{{ {command}\n}}" for command in commands)
    hidden = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "ARGS", "NAME"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    home = folder / ".sandbox"
    environment |= {"SANDBOX_DIR": str(home), "CHARTS": "local", "GIT_CONFIG_GLOBAL": os.devnull, "LC_ALL": "C.UTF-8"}
    said: list[list[str]] = []
    try:
        with subprocess.Popen(
            ["bash", "-c", f"{script}\nprintf '\\n{_MARK} %s\\n' $?"], cwd=folder, env=environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
        ) as shell:  # fmt: skip
            assert shell.stdout
            for line in shell.stdout:
                if line.startswith(_MARK):
                    if said:
                        say(f"exit code {line.split()[1]}")
                    if len(said) < len(commands):
                        say(commands[len(said)])
                    said.append([])
                elif said:
                    said[-1].append(line.rstrip().replace(f"{folder}/", ""))
    finally:
        launch(home, "down")
    return [_stripped(lines) for lines in said[:-1]]


def _stripped(lines: list[str]) -> list[str]:
    while lines and not lines[-1]:
        lines = lines[:-1]
    while lines and not lines[0]:
        lines = lines[1:]
    return lines


def written(page: str, said: Sequence[Sequence[str]]) -> str:
    """The page with what its commands said now; where only that changed which varies, the page stays as it is."""
    answers = iter(said)

    def block(found: re.Match[str]) -> str:
        lines: list[str] = []
        for step in _steps(found):
            now = next(answers)
            if found["kind"] == "console":
                lines.append(f"$ {step.command}")
                now = [line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…" for line in now]
            now = _cut(now, step.said)
            lines += step.said if varied(now) == varied(step.said) else now
        start, end = (found.span("body")[side] - found.start() for side in (0, 1))
        body = "".join(f"{line}\n" for line in lines)
        return f"{found[0][:start]}{body}{found[0][end:]}" if lines else found[0]

    return _BLOCK.sub(block, page)


def _cut(lines: Sequence[str], like: Sequence[str]) -> list[str]:
    """The lines, with as many before and after the cut as there are in ``like``."""
    if CUT not in like:
        return [*lines]
    before = like.index(CUT)
    after = len(like) - before - 1
    if len(lines) < before + after:
        return [*lines]
    return [*lines[:before], CUT, *lines[len(lines) - after :]]


def varied(lines: Sequence[str]) -> list[str]:
    """The lines without what differs from run to run."""
    found: list[str] = []
    for line in lines:
        for pattern, name in _VARIES:
            line = re.sub(pattern, name, line)
        found.append(line)
    return found


def main() -> None:
    """Run the tour, and write the page."""
    page = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        said = run(
            [step.command for step in steps(page)],
            Path(folder),
            lambda text: print(f"tour: {text}", file=sys.stderr, flush=True),
        )
    PAGE.write_text(written(page, said), encoding="utf-8")


if __name__ == "__main__":
    main()
