"""Programs built from Go modules: each folder of ``sandbox/`` with a ``go.mod`` pins one set of them."""

import json
import os
import queue
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox.layout import ROOT, SandboxError, digest, say
from sandbox.progress import Progress


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


def environment() -> dict[str, str]:
    """The environment of ``go``: pure Go, the pinned modules, and less garbage collection in the compiler."""
    return {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOWORK": "off", "GOGC": "400"}


def build(folder: str, packages: Mapping[str, str], flags: str, target: Path) -> None:
    """Build the programs that the values of ``packages`` name into ``target``, each under its key.

    ``flags`` go to the linker. Each program appears when it is complete. Raises SandboxError.
    """
    source, names = ROOT / "sandbox" / folder, ", ".join(packages)
    say(f"building {names} from their Go modules (once; kept in {target})")
    total = len(_go(source, ["list", "-deps", *packages.values()], "reading modules").split())
    with tempfile.TemporaryDirectory(dir=target, prefix=".build-") as scratch:
        _go(source, ["build", "-v", "-ldflags", flags, "-o", f"{scratch}/", *packages.values()], "building", total)
        for name, package in packages.items():
            (Path(scratch) / _built_as(package)).replace(target / name)


def module(folder: str, name: str) -> Path:
    """Where the source of a module is that a folder pins. Raises SandboxError."""
    return Path(json.loads(_go(ROOT / "sandbox" / folder, ["mod", "download", "-json", name], "reading"))["Dir"])


def copy(folder: str, name: str, path: str, target: Path) -> None:
    """Copy a file of a module that a folder pins into ``target``, as a program. Raises SandboxError."""
    fresh = target / f".{Path(path).name}.{os.getpid()}"
    shutil.copyfile(module(folder, name) / path, fresh)
    fresh.chmod(0o755)
    fresh.replace(target / Path(path).name)


def _built_as(package: str) -> str:
    """The file name that Go gives the program of a package."""
    return [part for part in package.split("/") if not re.fullmatch(r"v\d+", part)][-1]


def _check_go(folder: Path) -> None:
    text = (folder / "go.mod").read_text(encoding="utf-8")
    minimum = [int(part) for part in re.findall(r"^go (\d+)\.(\d+)", text, re.MULTILINE)[0]]
    go = shutil.which("go")
    answer = subprocess.run([go, "version"], capture_output=True, text=True, check=False).stdout if go else ""
    match = re.search(r"go(\d+)\.(\d+)", answer)
    if not match or [int(match[1]), int(match[2])] < minimum:
        wanted = ".".join(map(str, minimum))
        raise SandboxError(
            f"Go {wanted} or newer is needed to build the tools, and {answer.strip() or 'no go'} was found; "
            "install it, or see TOOLS in docs/sandbox.md for released tools"
        )


def _go(folder: Path, arguments: Sequence[str], doing: str, total: int = 0) -> str:
    """Run ``go`` and show how far it is; returns its standard output. Raises SandboxError with its last words."""
    _check_go(folder)
    process = subprocess.Popen(
        ["go", *arguments], cwd=folder, env=environment(), text=True,
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
