"""``python -m oceanid_cluster``: one help for every command."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from oceanid_cluster.__main__ import COMMANDS, main
from tests.recorded import ROOT


def test_help_says_what_a_command_does_and_how_it_ends(capsys: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS:
        with pytest.raises(SystemExit, match=r"^0$"):
            main([command, "--help"])
        said = capsys.readouterr().out
        assert said.startswith(f"usage: python -m oceanid_cluster {command}")
        assert "exit codes: 0 " in said


def test_alone_it_lists_every_command() -> None:
    command = [sys.executable, "-m", "oceanid_cluster"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stderr) == (2, "")
    assert re.findall(r"^  ([a-z-]+) +[a-z]", answer.stdout, re.MULTILINE)[-len(COMMANDS) :] == [*COMMANDS]
    modules = (ROOT / "oceanid_cluster" / "commands").glob("*.py")
    commands = {path.stem.replace("_", "-") for path in modules if "def main(" in path.read_text(encoding="utf-8")}
    assert commands == COMMANDS.keys()


def test_whoever_stops_reading_gets_no_traceback(tmp_path: Path) -> None:
    source, target = os.pipe()
    os.close(source)
    command = [sys.executable, "-m", "oceanid_cluster", "render", str(tmp_path), "--stack", "sandbox"]
    answer = subprocess.run(command, cwd=ROOT, stdout=target, stderr=subprocess.PIPE, text=True, check=False)
    os.close(target)
    assert answer.returncode == 128 + signal.SIGPIPE
    assert "Traceback" not in answer.stderr
    assert "BrokenPipe" not in answer.stderr
