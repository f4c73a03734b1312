"""How far a build is: what is compiled of what has to be, how long that took, and what is left."""

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from sandbox import golang, progress
from sandbox.progress import Progress

CORES = os.cpu_count() or 1


def judged(builds: golang.Builds, lines: Sequence[str]) -> list[tuple[int, float, str]]:
    return [builds.judge(line) for line in lines]


def test_a_package_is_compiled_once_as_many_others_have_started_as_there_are_cores() -> None:
    names = [f"p{number}" for number in range(CORES + 3)]
    steps = judged(golang.Builds(dict.fromkeys(names, 1), 1), names[:-1])
    assert [done for done, _, _ in steps] == [0] * CORES + [1, 2]
    assert [doing for _, _, doing in steps] == names[:-1]


def test_only_when_every_package_has_started_does_it_link() -> None:
    builds = golang.Builds({"a": 1, "b": 1}, 1)
    steps = judged(builds, ["a", "", "", "go: a line about something else", "b", ""])
    assert [doing for _, _, doing in steps] == ["a", "a", "a", "a", "linking", "linking"]
    done, part, _ = steps[-1]
    assert done == builds.total == 2
    assert 0.9 < part < 1


def test_a_large_package_is_more_work_than_a_small_one() -> None:
    rest = [f"rest{number}" for number in range(CORES)]
    costs = {"large": 900, "small": 100} | dict.fromkeys(rest, 0)
    for first, part in (("large", 0.9), ("small", 0.1)):
        _, judged_part, _ = judged(golang.Builds(costs, 0), [first, *rest])[-1]
        assert judged_part == pytest.approx(part)


def test_a_build_of_compiled_packages_only_links() -> None:
    assert golang.Builds({}, 1).judge("") == (0, 0, "linking")


@pytest.mark.parametrize(
    ("done", "part", "line"),
    [
        (50, 0.5, "sandbox: building [  50/100] 120 s, about 2 min left  some/package"),
        (90, 0.8, "sandbox: building [  90/100] 120 s, about 30 s left  some/package"),
        (50, 0.01, "sandbox: building [  50/100] 120 s  some/package"),
        (100, None, "sandbox: building [ 100/100] 120 s  some/package"),
        (25, None, "sandbox: building [  25/100] 120 s, about 6 min left  some/package"),
    ],
)
def test_a_line_says_done_of_all_and_the_time_passed_and_left(
    done: int, part: float | None, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = Progress("building", 100)
    start = time.monotonic()
    monkeypatch.setattr(progress.time, "monotonic", lambda: start + 120)
    shown.show(done, part, "some/package")
    assert capsys.readouterr().err == f"{line}\n"


def test_what_has_no_known_end_says_no_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = Progress("reading modules", 0)
    start = time.monotonic()
    monkeypatch.setattr(progress.time, "monotonic", lambda: start + 20)
    shown.show(0, 0, "go: downloading x")
    assert capsys.readouterr().err == "sandbox: reading modules 20 s  go: downloading x\n"


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
    shown: list[tuple[int, float | None, str]] = []
    totals: list[int] = []
    start = Progress.__init__

    def init(self: Progress, doing: str, total: int, unit: str = "") -> None:
        totals.append(total)
        start(self, doing, total, unit)

    monkeypatch.setattr(golang, "ROOT", tmp_path)
    monkeypatch.setattr(Progress, "__init__", init)
    monkeypatch.setattr(Progress, "show", lambda _, done, part=None, what="": shown.append((done, part, what)))
    golang.build("some", {"hello": "oceanid.invalid/some/cmd/hello"}, "-s -w", target)
    answer = subprocess.run([target / "hello"], capture_output=True, text=True, check=True)
    assert answer.stderr == f"{unique}\n"
    done, part, doing = shown[-1]
    assert done == totals[-1] >= 2
    assert part
    assert doing == "linking"
