"""The programs that the sandbox runs: taken from PATH where they fit, else built from pinned Go modules."""

import fcntl
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.layout import ROOT, Sandbox, SandboxError, cache, digest, say

Version = tuple[int, int, int]

KUBERNETES = "1.34.2"
PULUMI = "3.259.0"
HELM = "3.19.2"
KUBERNETES_PROVIDER = "4.25.0"  # the one release whose module is served, as v4.0.0-20260115033456-f47bc2d6f199
GO_MINIMUM = (1, 26)
# What the linker writes into the programs of a module: their versions.
_LINKED = {
    "tools": (
        f"-X k8s.io/component-base/version.gitVersion=v{KUBERNETES}",
        f"-X helm.sh/helm/v3/internal/version.version=v{HELM}",
        f"-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{PULUMI}",
    ),
    "kubernetes-provider": (f"-X main.version={KUBERNETES_PROVIDER}",),
}
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True)
class Tool:
    """A program: the Go module (a folder of ``sandbox/``) and package it is built from, and which versions fit.

    ``files`` are copied beside it, each from a module that a folder of ``sandbox/`` pins: folder, module, path.
    """

    name: str
    module: str
    package: str
    version_command: tuple[str, ...]
    fits: Callable[[Version], bool]
    files: tuple[tuple[str, str, str], ...] = ()

    @property
    def built_as(self) -> str:
        """The file name that Go gives it."""
        return [part for part in self.package.split("/") if not re.fullmatch(r"v\d+", part)][-1]


def _kubernetes(version: Version) -> bool:
    return version[:2] == (1, 34)


def _never(_: Version) -> bool:
    return False


_KUBERNETES_CMD = "k8s.io/kubernetes/cmd"
_PULUMI = "github.com/pulumi/pulumi"
_PROVIDER = "github.com/pulumi/pulumi-kubernetes/provider/v4"
_FLAG = ("--version",)

TOOLS = (
    Tool("etcd", "tools", "go.etcd.io/etcd/server/v3", _FLAG, lambda v: v[:2] in ((3, 5), (3, 6))),
    Tool("helm", "tools", "helm.sh/helm/v3/cmd/helm", ("version", "--short"), lambda v: (3, 17, 0) <= v < (4, 0, 0)),
    Tool("kubectl", "tools", f"{_KUBERNETES_CMD}/kubectl", ("version", "--client"), lambda v: 33 <= v[1] <= 35),
    Tool("kube-apiserver", "tools", f"{_KUBERNETES_CMD}/kube-apiserver", _FLAG, _kubernetes),
    Tool("kube-controller-manager", "tools", f"{_KUBERNETES_CMD}/kube-controller-manager", _FLAG, _kubernetes),
    Tool("kube-scheduler", "tools", f"{_KUBERNETES_CMD}/kube-scheduler", _FLAG, _kubernetes),
    Tool("kwok", "tools", "sigs.k8s.io/kwok/cmd/kwok", _FLAG, lambda v: (0, 6, 0) <= v < (1, 0, 0)),
    Tool("pulumi", "tools", f"{_PULUMI}/pkg/v3/cmd/pulumi", ("version",), lambda v: (3, 259, 0) <= v < (4, 0, 0)),
    Tool(
        "pulumi-language-python",
        "language-host",
        f"{_PULUMI}/sdk/v3/python/cmd/pulumi-language-python",
        (),
        _never,
        files=(("tools", f"{_PULUMI}/sdk/v3", "python/cmd/pulumi-language-python-exec"),),  # of the SDK's version
    ),
)
CONTROLLER_GEN = Tool("controller-gen", "crds", "sigs.k8s.io/controller-tools/cmd/controller-gen", (), _never)
ACTIONLINT = Tool("actionlint", "actionlint", "github.com/rhysd/actionlint/cmd/actionlint", (), _never)
PROVIDER = Tool(
    "pulumi-resource-kubernetes", "kubernetes-provider", "oceanid.invalid/sandbox/pulumi-resource-kubernetes", (),
    _never,
    files=tuple(
        ("kubernetes-provider", _PROVIDER, f"cmd/pulumi-resource-kubernetes/{name}")
        for name in ("schema.json", "terraform-mapping.json")
    ),
)  # fmt: skip
# The newest releases whose modules, and those that they need, are served.
FLUX = tuple(
    Tool(package.rpartition("/")[2], "flux-controllers", package, (), _never)
    for package in (
        "github.com/fluxcd/source-controller",
        "github.com/fluxcd/kustomize-controller",
        "github.com/fluxcd/helm-controller",
        "github.com/getsops/sops/v3/cmd/sops",
        "filippo.io/age/cmd/age-keygen",
    )
)
IMAGE_AUTOMATION = Tool("image-automation", "image-automation", "oceanid.invalid/sandbox/image-automation", (), _never)
ALL = {tool.name: tool for tool in (*TOOLS, CONTROLLER_GEN, ACTIONLINT, PROVIDER, *FLUX, IMAGE_AUTOMATION)}


def provide(sandbox: Sandbox) -> None:
    """Put every tool into the sandbox's ``bin``, building what is missing. Raises SandboxError."""
    found = {tool.name: path for tool in TOOLS if (path := _on_path(tool, sandbox))}
    host = shutil.which("pulumi-language-python", path=path_without(sandbox))
    if "pulumi" in found and host:
        found["pulumi-language-python"] = Path(host)
    else:
        found.pop("pulumi", None)  # an engine without its own language host is of no use
    built = build([tool for tool in TOOLS if tool.name not in found])
    sandbox.bin.mkdir(parents=True, exist_ok=True)
    for tool in TOOLS:
        link(sandbox.bin / tool.name, found.get(tool.name) or built[tool.name])
    for name in ("python", "python3"):  # a link would not find its virtual environment
        script(sandbox.bin / name, f'exec "{sys.executable}" "$@"')


def build(tools: Sequence[Tool]) -> dict[str, Path]:
    """Build what is not yet in the cache; returns the path of each of ``tools`` by name. Raises SandboxError."""
    built: dict[str, Path] = {}
    for module in dict.fromkeys(tool.module for tool in tools):
        source = ROOT / "sandbox" / module
        files = sorted(path for path in source.iterdir() if path.suffix in (".go", ".mod", ".sum"))
        target = cache() / f"{module}-{digest(_ldflags(module), *files)}"
        target.mkdir(parents=True, exist_ok=True)
        wanted = [tool for tool in tools if tool.module == module]
        with lock(target / ".lock", f"another sandbox is building {', '.join(tool.name for tool in wanted)}"):
            if missing := [tool for tool in wanted if not (target / tool.name).exists()]:
                _check_go()
                _build_module(module, missing, target)
        built |= {tool.name: target / tool.name for tool in wanted}
    return built


def _ldflags(module: str) -> str:
    return " ".join(("-s -w", *_LINKED.get(module, ())))


def link(path: Path, to: Path) -> None:
    """Make ``path`` a symbolic link, replacing what was there in one step."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(to)
    fresh.replace(path)


def script(path: Path, line: str) -> None:
    """Make ``path`` a program that runs one shell line, replacing what was there in one step."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
    fresh.chmod(0o755)
    fresh.replace(path)


@contextmanager
def lock(path: Path, waiting: str) -> Generator[None]:
    """Hold a file lock, saying ``waiting`` while somebody else does."""
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{waiting}; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def path_without(sandbox: Sandbox) -> str:
    """PATH without the sandbox's own ``bin``: what the machine has."""
    own = str(sandbox.bin)
    return os.pathsep.join(p for p in os.environ.get("PATH", "").split(os.pathsep) if p and p != own)


def _on_path(tool: Tool, sandbox: Sandbox) -> Path | None:
    path = shutil.which(tool.name, path=path_without(sandbox))
    if path is None or not tool.version_command:
        return None
    try:
        answer = subprocess.run(
            [path, *tool.version_command],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(answer.stdout)
    return Path(path) if match and tool.fits((int(match[1]), int(match[2]), int(match[3]))) else None


def _check_go() -> None:
    go = shutil.which("go")
    answer = subprocess.run([go, "version"], capture_output=True, text=True, check=False).stdout if go else ""
    match = re.search(r"go(\d+)\.(\d+)", answer)
    if not match or (int(match[1]), int(match[2])) < GO_MINIMUM:
        wanted = ".".join(map(str, GO_MINIMUM))
        raise SandboxError(
            f"Go {wanted} or newer is needed to build the tools, and {answer.strip() or 'no go'} was found"
        )


def go_environment() -> dict[str, str]:
    """The environment of ``go``: pure Go, the pinned modules, and less garbage collection in the compiler."""
    return {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOWORK": "off", "GOGC": "400"}


def _build_module(module: str, tools: Sequence[Tool], target: Path) -> None:
    folder = ROOT / "sandbox" / module
    packages = [tool.package for tool in tools]
    names = ", ".join(tool.name for tool in tools)
    say(f"building {names} from their Go modules (once; kept in {target})")
    total = len(_go(folder, ["list", "-deps", *packages], "reading modules").split())
    with tempfile.TemporaryDirectory(dir=target, prefix=".build-") as scratch:
        flags = ["-v", "-ldflags", _ldflags(module)]
        _go(folder, ["build", *flags, "-o", f"{scratch}/", *packages], "building", total)
        for tool in tools:
            for pinned, source, path in tool.files:
                asked = ["list", "-m", "-f", "{{.Dir}}", source]
                directory = _go(ROOT / "sandbox" / pinned, asked, "reading").strip()
                shutil.copyfile(Path(directory, path), target / Path(path).name)
                (target / Path(path).name).chmod(0o755)
            (Path(scratch) / tool.built_as).replace(target / tool.name)  # last: it says that the tool is complete


def _go(folder: Path, arguments: Sequence[str], doing: str, total: int = 0) -> str:
    """Run ``go`` and show how far it is; returns its standard output. Raises SandboxError with its last words."""
    process = subprocess.Popen(
        ["go", *arguments], cwd=folder, env=go_environment(), text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    output: list[str] = []
    lines: queue.Queue[str | None] = queue.Queue()

    def drain() -> None:
        for line in process.stderr or ():
            lines.put(line.strip())
        lines.put(None)

    readers = [
        threading.Thread(target=drain, daemon=True),
        threading.Thread(target=lambda: output.append(process.stdout.read() if process.stdout else ""), daemon=True),
    ]
    for reader in readers:
        reader.start()
    seen: list[str] = []
    progress = Progress(doing, total)
    while True:
        try:
            line = lines.get(timeout=1)
        except queue.Empty:
            progress.show(len(seen), "linking" if total and seen else "")
            continue
        if line is None:
            break
        seen.append(line)
        progress.show(len(seen), line)
    for reader in readers:
        reader.join()
    progress.end()
    if process.wait():
        reason = "\n  ".join([line for line in seen if not line.startswith("go: downloading")][-8:])
        raise SandboxError(f"go {arguments[0]} failed in {folder}:\n  {reason}")
    return output[0]


class Progress:
    """One line that names what is being done; redrawn on a terminal, every ten seconds elsewhere."""

    def __init__(self, doing: str, total: int) -> None:
        """``total`` is the number of steps, 0 when it is not known."""
        self._doing, self._total = doing, total
        self._start = self._shown = time.monotonic()
        self._terminal = sys.stderr.isatty()

    def show(self, done: int, what: str) -> None:
        """Show that ``done`` steps are over, the last of which was ``what``."""
        now = time.monotonic()
        if now - self._shown < (0.1 if self._terminal else 10):
            return
        self._shown = now
        counted = f" [{min(done, self._total):>4}/{self._total}]" if self._total else ""
        text = f"sandbox: {self._doing}{counted} {now - self._start:4.0f} s  {what}"
        width = shutil.get_terminal_size().columns - 1
        end = "\r" if self._terminal else "\n"
        print(text[:width].ljust(width) if self._terminal else text, end=end, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line."""
        if self._terminal:
            print(" " * (shutil.get_terminal_size().columns - 1), end="\r", file=sys.stderr, flush=True)
