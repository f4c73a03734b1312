"""Released programs, as their projects publish them: one file with one SHA-256, over HTTPS."""

import hashlib
import http.client
import json
import platform
import re
import shutil
import tarfile
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from sandbox.layout import SandboxError, cache, lock, say
from sandbox.progress import Progress

# Where the projects publish. The names stand in the addresses of a Release.
BASES: Mapping[str, str] = {
    "kubernetes": "https://dl.k8s.io/release",
    "github": "https://github.com",
    "github_api": "https://api.github.com",
    "helm": "https://get.helm.sh",
    "pulumi": "https://get.pulumi.com/releases/sdk",
}
_PROBE_SECONDS = 3
STALL_SECONDS = 20  # without a byte
_CHUNK = 1 << 20


class Unavailable(SandboxError):
    """Why a program is unavailable here."""


@dataclass(frozen=True)
class Release:
    """One file of a project's release, and the programs in it.

    ``url``, ``checksums`` and the members of ``programs`` (name, path in the archive; no path: the file is the
    program) have placeholders: the names of BASES, ``version``, ``os``, ``arch`` as Go names them, ``x64`` for
    projects that call amd64 so. The file of checksums is the SHA-256 alone, the lines of ``sha256sum``, or GitHub's
    description of the release, which has the digests of files.
    """

    version: str
    url: str
    checksums: str
    programs: tuple[tuple[str, str], ...]

    def filled(self, text: str) -> str:
        """``text`` with its placeholders replaced, for this machine."""
        system, machine = _this_machine()
        x64 = "x64" if machine == "amd64" else machine
        return text.format(**BASES, version=self.version, os=system, arch=machine, x64=x64)

    @property
    def urls(self) -> tuple[str, str]:
        """Where the file and its checksum are."""
        return self.filled(self.url), self.filled(self.checksums)

    @property
    def folder(self) -> Path:
        """Where its programs are, or would be, when they are downloaded."""
        return cache() / f"released-{self.programs[-1][0]}-{self.version}-{'-'.join(_this_machine())}"

    def install(self) -> None:
        """Download its programs where the cache lacks them, each when all are complete and the checksum is right.

        Raises Unavailable; then the folder is as it was.
        """
        system, machine = _this_machine()
        if system != "linux" or machine not in ("amd64", "arm64"):
            raise Unavailable(f"its project publishes no program for {system}-{machine}")
        if silent := silence(self.urls):
            raise Unavailable("; ".join(f"no answer from {origin}: {why}" for origin, why in silent.items()))
        self.folder.mkdir(parents=True, exist_ok=True)
        with lock(self.folder / ".lock", f"another sandbox is downloading {self.folder.name}"):
            if not (self.folder / self.programs[-1][0]).exists():
                self._fetch()

    def _fetch(self) -> None:
        url, checksums = self.urls
        for left in self.folder.glob(".download-*"):  # of a killed run
            shutil.rmtree(left)
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".download-") as scratch:
            expected = _published(_read(checksums), url.rpartition("/")[2], checksums)
            packed = Path(scratch) / "file"
            if (found := _download(url, packed, f"{self.programs[-1][0]} {self.version}")) != expected:
                raise Unavailable(f"{url} has the SHA-256 {found}, and {checksums} says {expected}")
            for name, member in self.programs:
                program = Path(scratch) / f"program-{name}"
                if member:
                    _unpack(packed, self.filled(member), program, url)
                else:
                    packed.rename(program)
                program.chmod(0o755)
            for name, _ in self.programs:
                (Path(scratch) / f"program-{name}").replace(self.folder / name)


def _this_machine() -> tuple[str, str]:
    """Operating system and architecture, as Go names them."""
    machine = platform.machine().lower()
    return platform.system().lower(), {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


_said: dict[str, str] = {}  # by those that were asked: why they do not answer, or nothing when they do


def silence(urls: Iterable[str]) -> dict[str, str]:
    """Which hosts (scheme and name) of these addresses do not answer, and why.

    All are asked at once, for seconds, and each once in a run.
    """
    origins = dict.fromkeys(map(_origin, urls))
    threads = [threading.Thread(target=_ask, args=(one,), daemon=True) for one in origins if one not in _said]
    for thread in threads:
        thread.start()
    end = time.monotonic() + _PROBE_SECONDS
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    reasons = {one: _said.setdefault(one, f"no answer in {_PROBE_SECONDS} s") for one in origins}
    return {one: why for one, why in reasons.items() if why}


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but not from HTTPS to HTTP."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if req.type == "https" and not newurl.startswith("https:"):
            raise Unavailable(f"{req.full_url} redirects to {newurl}, which is not HTTPS")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _ask(origin: str) -> None:
    """Note whether a host answers, whatever it answers. No redirect is followed."""
    request = urllib.request.Request(f"{origin}/", method="HEAD")  # noqa: S310 - a host of BASES
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler, urllib.request.HTTPHandler, urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler, urllib.request.HTTPErrorProcessor,
    ):  # fmt: skip
        opener.add_handler(handler())
    try:
        opener.open(request, timeout=_PROBE_SECONDS)
    except urllib.error.HTTPError as answer:
        answer.close()
    except (OSError, http.client.HTTPException) as problem:
        _said.setdefault(origin, _reason(problem))
    _said.setdefault(origin, "")


@contextmanager
def _opened(url: str) -> Generator[http.client.HTTPResponse]:
    """What is at an address. Whatever goes wrong while it is read is raised as Unavailable, too."""
    try:
        with urllib.request.build_opener(_NoDowngrade).open(url, timeout=STALL_SECONDS) as answer:
            yield answer
    except urllib.error.HTTPError as problem:
        raise Unavailable(f"{url}: HTTP {problem.code}") from None
    except (OSError, http.client.HTTPException) as problem:
        raise Unavailable(f"{url}: {_reason(problem)}") from None


def _reason(problem: Exception) -> str:
    inner = problem.reason if isinstance(problem, urllib.error.URLError) else problem
    return (inner.strerror if isinstance(inner, OSError) else "") or str(inner).strip() or type(inner).__name__


def _read(url: str) -> str:
    with _opened(url) as answer:
        return answer.read(_CHUNK).decode("utf-8", "replace")


def _published(text: str, name: str, where: str) -> str:
    """The SHA-256 of the file ``name`` in what a project publishes at ``where``. Raises Unavailable."""
    found: list[str] = []
    if text.lstrip().startswith("{"):  # GitHub's REST API, "Get a release by tag name": assets[].digest
        try:
            assets: list[dict[str, Any]] = json.loads(text).get("assets") or []
        except ValueError:
            assets = []
        digests = [str(asset.get("digest")) for asset in assets if asset.get("name") == name]
        found = [digest.removeprefix("sha256:") for digest in digests if digest.startswith("sha256:")]
    else:
        for line in text.splitlines():
            fields = line.split()
            if len(fields) == 1 or (len(fields) == 2 and fields[1].removeprefix("*").removeprefix("./") == name):
                found.append(fields[0].lower())
    if len(found) != 1 or not re.fullmatch(r"[0-9a-f]{64}", found[0]):
        raise Unavailable(f"{where} has no SHA-256 of {name}")
    return found[0]


def _download(url: str, to: Path, what: str) -> str:
    """Write what is at ``url`` to a file; returns its SHA-256. Raises Unavailable when it is cut."""
    say(f"downloading {what} from {_origin(url)} (once)")
    with _opened(url) as answer, to.open("w+b") as file:
        total = int(answer.headers.get("Content-Length") or 0)
        progress = Progress(f"downloading {what}", total // 1_000_000, "MB")
        while chunk := answer.read1(_CHUNK):
            file.write(chunk)
            progress.show(file.tell() // 1_000_000)
        progress.end()
        if file.tell() < total:
            raise Unavailable(f"{url} ended after {file.tell()} of {total} bytes")
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unpack(archive: Path, member: str, to: Path, url: str) -> None:
    """Write one regular file of an archive, and nothing else of it, to ``to``. Raises Unavailable."""
    try:
        with tarfile.open(archive) as packed, to.open("wb") as target:
            source = packed.extractfile(member) if packed.getmember(member).isreg() else None
            if source is None:
                raise Unavailable(f"{member} in {url} is not a file")
            shutil.copyfileobj(source, target)
    except KeyError:
        raise Unavailable(f"{url} holds no {member}") from None
    except (OSError, EOFError, tarfile.TarError) as problem:
        raise Unavailable(f"{url} cannot be unpacked: {_reason(problem)}") from None
