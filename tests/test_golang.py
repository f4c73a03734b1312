"""How far a build is: what is compiled of what has to be, how long that took, and what is left."""

import subprocess
import time
from pathlib import Path

import pytest

from sandbox import golang
from sandbox.progress import Progress


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
