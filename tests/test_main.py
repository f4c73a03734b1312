"""``python -m oceanid_cluster``: one help for every command."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from oceanid_cluster.__main__ import COMMANDS
from tests.recorded import ROOT


def run_module(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=ROOT, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_a_command_does_and_how_it_ends(command: str) -> None:
    answer = run_module("oceanid_cluster", command, "--help")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.startswith(f"usage: python -m oceanid_cluster {command}")
    assert "-h, --help" in answer.stdout
    assert "exit codes: 0 " in answer.stdout


def test_one_help_lists_every_command() -> None:
    answer = run_module("oceanid_cluster", "--help")
    assert answer.returncode == 0
    assert re.findall(r"^  ([a-z-]+) +[a-z]", answer.stdout, re.MULTILINE)[-len(COMMANDS) :] == [*COMMANDS]
    modules = (ROOT / "oceanid_cluster" / "commands").glob("*.py")
    commands = {path.stem.replace("_", "-") for path in modules if "def main(" in path.read_text(encoding="utf-8")}
    assert commands == COMMANDS.keys()


def test_an_unknown_command_is_answered_with_those_that_exist() -> None:
    answer = run_module("oceanid_cluster", "helth")
    assert answer.returncode == 2
    assert "health" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_alone_it_prints_the_list() -> None:
    answer = run_module("oceanid_cluster")
    assert (answer.returncode, answer.stderr) == (2, "")
    assert answer.stdout == run_module("oceanid_cluster", "--help").stdout


def test_whoever_stops_reading_gets_no_traceback(tmp_path: Path) -> None:
    source, target = os.pipe()
    os.close(source)
    command = [sys.executable, "-m", "oceanid_cluster", "render", str(tmp_path), "--stack", "sandbox"]
    answer = subprocess.run(command, cwd=ROOT, stdout=target, stderr=subprocess.PIPE, text=True, check=False)
    os.close(target)
    assert answer.returncode == 128 + signal.SIGPIPE
    assert "Traceback" not in answer.stderr
    assert "BrokenPipe" not in answer.stderr
