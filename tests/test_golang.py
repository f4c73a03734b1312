"""How far a build is: what is compiled of what has to be, how long that took, and what is left."""

import subprocess
import time
from pathlib import Path

import pytest

from sandbox import golang, progress
from sandbox.progress import Progress


@pytest.mark.parametrize(
    ("total", "done", "line"),
    [
        (100, 50, "sandbox: building [  50/100] 120 s, about 2 min left  some/package"),
        (100, 1, "sandbox: building [   1/100] 120 s  some/package"),
        (0, 0, "sandbox: building 120 s  some/package"),
    ],
)
def test_a_line_says_done_of_all_and_the_time_passed_and_left(
    total: int, done: int, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = Progress("building", total)
    start = time.monotonic()
    monkeypatch.setattr(progress.time, "monotonic", lambda: start + 120)
    shown.show(done, "some/package")
    assert capsys.readouterr().err == f"{line}\n"


@pytest.mark.slow
def test_a_build_reports_what_go_compiles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = tmp_path / "sandbox" / "some"
    unique = time.time_ns()  # so that Go's cache has none of it
    (module / "cmd" / "hello").mkdir(parents=True)
    (module / "large").mkdir()
    (module / "go.mod").write_text("module oceanid.invalid/some\n\ngo 1.26\n", encoding="utf-8")
    (module / "large" / "large.go").write_text(f"package large\n\nconst Number = {unique}\n", encoding="utf-8")
    (module / "cmd" / "hello" / "main.go").write_text(
        'package main\n\nimport "oceanid.invalid/some/large"\n\nfunc main() { println(large.Number) }\n',
        encoding="utf-8",
    )
    (target := tmp_path / "built").mkdir()
    shown: list[tuple[int, str]] = []
    monkeypatch.setattr(golang, "ROOT", tmp_path)
    monkeypatch.setattr(Progress, "show", lambda _, done, what: shown.append((done, what)))
    golang.build("some", {"hello": "oceanid.invalid/some/cmd/hello"}, "-s -w", target)
    answer = subprocess.run([target / "hello"], capture_output=True, text=True, check=True)
    assert answer.stderr == f"{unique}\n"
    assert "oceanid.invalid/some/large" in {what for _, what in shown}
    done, doing = shown[-1]
    assert (done >= 2, doing) == (True, "linking")
