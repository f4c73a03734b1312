"""Programs built from Go modules: each folder of ``sandbox/`` with a ``go.mod`` pins one set of them."""

import json
import os
import queue
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from sandbox import wheels
from sandbox.download import Unavailable
from sandbox.layout import ROOT, SandboxError, ask, digest, in_one_step, say, version_in
from sandbox.progress import Progress

# Whatever the user set for a Go of their own: no other toolchain is downloaded, and its library is that beside it.
_OWN = {"GOTOOLCHAIN": "local", "GOROOT": ""}
# Debugging information takes the compiler's time, and the linker then leaves it out: what is built is the same.
_COMPILER = ("-gcflags=all=-dwarf=false",)
_STALE = "-f={{if .Stale}}{{.ImportPath}}{{end}}"  # what the build cache lacks


def pinned(folder: str, module: str) -> str:
    """The version of ``module`` that the ``go.mod`` of a folder requires, without "v". Raises LookupError."""
    text = (ROOT / "sandbox" / folder / "go.mod").read_text(encoding="utf-8")
    match = re.search(rf"^(?:require)?\s+{re.escape(module)} v(\S+)", text, re.MULTILINE)
    if match is None:
        raise LookupError(f"sandbox/{folder}/go.mod does not require {module}")
    return match[1]


def key(folder: str, flags: str) -> str:
    """What a build depends on, as the name of a folder in the cache."""
    files = sorted(path for path in (ROOT / "sandbox" / folder).iterdir() if path.suffix in (".go", ".mod", ".sum"))
    return f"{folder}-{digest(flags, *files)}"


def minimum() -> tuple[int, ...]:
    """The oldest Go that builds every module of the sandbox."""
    texts = (path.read_text(encoding="utf-8") for path in (ROOT / "sandbox").glob("*/go.mod"))
    return max(version_in(line) for text in texts for line in text.splitlines() if line.startswith("go "))


def go() -> Path:
    """The Go that builds: that of PATH where it is new enough, else that of a Python package. Raises SandboxError."""
    found, wanted = shutil.which("go"), ".".join(map(str, minimum()))
    answer = ask([found, "version"], {**os.environ, **_OWN}) if found else ""
    if found and version_in(answer) >= minimum():
        return Path(found).absolute()
    if not (wheels.GO.folder / "go").exists():
        say(f"PATH has {answer.strip() or 'no go'}, and Go {wanted} or newer builds the tools")
    try:
        wheels.GO.install()
    except Unavailable as problem:
        raise SandboxError(
            f"{problem}. Install Go {wanted} or newer, or see TOOLS in docs/sandbox.md for released tools"
        ) from None
    return wheels.GO.folder / "go"


def environment() -> dict[str, str]:
    """The environment of ``go()``: pure Go, the pinned modules, less garbage collection. Raises SandboxError."""
    path = f"{go().parent}{os.pathsep}{os.environ.get('PATH', '')}"
    own = {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOWORK": "off", "GOGC": "400"}
    return {**os.environ, **_OWN, **own, "PATH": path}


def build(folder: str, packages: Mapping[str, str], flags: str, target: Path) -> None:
    """Build the programs that the values of ``packages`` name into ``target``, each under its key.

    ``flags`` go to the linker. Each program appears when it is complete. Raises SandboxError.
    """
    source, names = ROOT / "sandbox" / folder, ", ".join(packages)
    say(f"building {names} from their Go modules (once; kept in {target})")
    options = [*_COMPILER, "-ldflags", flags]
    stale = _go(source, ["list", "-deps", _STALE, *options, *packages.values()], "reading modules").split()
    with tempfile.TemporaryDirectory(dir=target, prefix=".build-") as scratch:
        arguments = ["build", "-v", *options, "-o", f"{scratch}/", *packages.values()]
        _go(source, arguments, "building", frozenset(stale))
        for name, package in packages.items():
            (Path(scratch) / _built_as(package)).replace(target / name)


def module(folder: str, name: str) -> Path:
    """Where the source of a module is that a folder pins. Raises SandboxError."""
    return Path(json.loads(_go(ROOT / "sandbox" / folder, ["mod", "download", "-json", name], "reading"))["Dir"])


def copy(folder: str, name: str, path: str, target: Path) -> None:
    """Copy a file of a module that a folder pins into ``target``, as a program. Raises SandboxError."""
    with in_one_step(target / Path(path).name) as fresh:
        shutil.copyfile(module(folder, name) / path, fresh)
        fresh.chmod(0o755)


def _built_as(package: str) -> str:
    """The file name that Go gives the program of a package."""
    return [part for part in package.split("/") if not re.fullmatch(r"v\d+", part)][-1]


def _go(folder: Path, arguments: Sequence[str], doing: str, packages: Collection[str] = ()) -> str:
    """Run ``go`` and show how far it is; returns its standard output. Raises SandboxError with its last words.

    ``packages`` are those that a build compiles: ``go build -v`` names each when its compiler starts.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        process = subprocess.Popen(
            ["go", *arguments], cwd=folder, env=environment(), text=True,
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE,
        )  # fmt: skip
        seen, started = list[str](), 0
        progress = Progress(doing, len(packages))
        for line in _lines(process):
            seen += [line] if line else []
            started += line in packages
            linking = packages and started == len(packages)  # the programs' own packages come last
            progress.show(started, "linking" if linking else "".join(seen[-1:]))
        progress.end()
        if process.wait():
            reason = "\n  ".join([line for line in seen if not line.startswith("go: downloading")][-8:])
            raise SandboxError(f"go {arguments[0]} failed in {folder}:\n  {reason}")
        output.seek(0)
        return output.read()


def _lines(process: subprocess.Popen[str]) -> Iterator[str]:
    """What a process writes to standard error, line by line, and an empty line in each second without one."""
    lines: queue.Queue[str | None] = queue.Queue()

    def drain() -> None:
        for line in process.stderr or ():
            lines.put(line.strip())
        lines.put(None)

    threading.Thread(target=drain, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=1)
        except queue.Empty:
            line = ""
        if line is None:
            return
        yield line
