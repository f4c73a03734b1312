"""Programs built from Go modules: each folder of ``sandbox/`` with a ``go.mod`` pins one set of them."""

import json
import os
import queue
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sandbox import wheels
from sandbox.download import Unavailable
from sandbox.layout import ROOT, SandboxError, ask, digest, in_one_step, say, version_in
from sandbox.progress import Progress

# Whatever the user set for a Go of their own: no other toolchain is downloaded, and its library is that beside it.
_OWN = {"GOTOOLCHAIN": "local", "GOROOT": ""}
# Debugging information takes the compiler's time, and the linker then leaves it out: what is built is the same.
_COMPILER = ("-gcflags=all=-dwarf=false",)
_STALE = """-f={{if .Stale}}{{.ImportPath}}\t{{.Dir}}\t{{join .GoFiles "\t"}}{{end}}"""
# Measured: a package costs the compiler as much as this many bytes of its source, and a program the linker this part
# of compiling everything.
_PACKAGE, _LINKING = 25_000, 0.01


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
    costs = _costs(_go(source, ["list", "-deps", _STALE, *options, *packages.values()], "reading modules"))
    with tempfile.TemporaryDirectory(dir=target, prefix=".build-") as scratch:
        arguments = ["build", "-v", *options, "-o", f"{scratch}/", *packages.values()]
        _go(source, arguments, "building", Builds(costs, len(packages)))
        for name, package in packages.items():
            (Path(scratch) / _built_as(package)).replace(target / name)


class Builds:
    """How far a build is, judged by the packages that ``go build -v`` names: each when its compiler starts."""

    def __init__(self, costs: Mapping[str, int], programs: int) -> None:
        """``costs`` is what has to be compiled: the cost of each package, in bytes of source."""
        self._costs, self._started = costs, list[str]()
        self._at_once = os.cpu_count() or 1
        self._work = (1 + programs * _LINKING) * sum(costs.values())
        self.total = len(costs)

    def judge(self, line: str) -> tuple[int, float, str]:
        """After one more line: how many packages are compiled, at least, which part of the work that is, what runs."""
        if line in self._costs:
            self._started.append(line)
        linking = len(self._started) == self.total  # the programs' own packages come last, after what they import
        done = self._started if linking else self._started[: -self._at_once]
        part = sum(self._costs[name] for name in done) / self._work if self._work else 0
        return len(done), part, "linking" if linking else "".join(self._started[-1:])


def module(folder: str, name: str) -> Path:
    """Where the source of a module is that a folder pins. Raises SandboxError."""
    return Path(json.loads(_go(ROOT / "sandbox" / folder, ["mod", "download", "-json", name], "reading"))["Dir"])


def copy(folder: str, name: str, path: str, target: Path) -> None:
    """Copy a file of a module that a folder pins into ``target``, as a program. Raises SandboxError."""
    with in_one_step(target / Path(path).name) as fresh:
        shutil.copyfile(module(folder, name) / path, fresh)
        fresh.chmod(0o755)


def _costs(listed: str) -> dict[str, int]:
    """What compiling each package costs that the build cache lacks, of what ``go list`` says."""
    packages = [line.split("\t") for line in listed.splitlines() if line]
    return {
        name: _PACKAGE + sum(Path(folder, file).stat().st_size for file in files if file)
        for name, folder, *files in packages
    }


def _built_as(package: str) -> str:
    """The file name that Go gives the program of a package."""
    return [part for part in package.split("/") if not re.fullmatch(r"v\d+", part)][-1]


def _go(folder: Path, arguments: Sequence[str], doing: str, builds: Builds | None = None) -> str:
    """Run ``go`` and show how far it is; returns its standard output. Raises SandboxError with its last words."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        process = subprocess.Popen(
            ["go", *arguments], cwd=folder, env=environment(), text=True,
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE,
        )  # fmt: skip
        seen = list[str]()
        progress = Progress(doing, builds.total if builds else 0)
        for line in _lines(process):
            seen += [line] if line else []
            progress.show(*(builds.judge(line) if builds else (0, 0, line)))
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
