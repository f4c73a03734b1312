"""Released tools are downloaded whole and right, or built instead."""

import platform
import socket
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import trustme

from sandbox import download, golang, layout, releases, tools
from sandbox.layout import SandboxError
from tests.published import Site, pack, program, programs, serving

ALL = tuple(dict.fromkeys(releases.BY_PROGRAM.values()))
RELEASED = tuple(tool for tool in tools.TOOLS if tool.name in releases.BY_PROGRAM)
APISERVER, HELM = tools.ALL["kube-apiserver"], tools.ALL["helm"]
URL = releases.APISERVER.url


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    """A server in the place of all projects, which has published everything, and an empty cache."""
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setenv("OCEANID_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TOOLS", raising=False)
    with serving() as site:
        monkeypatch.setattr(download, "BASES", site.bases)
        for release in ALL:
            site.publish(release, programs(release))
        yield site


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the tools that were built, each as a program that says so. A real build takes minutes."""
    names: list[str] = []

    def build(folder: str, packages: Mapping[str, str], flags: str, target: Path) -> None:
        del folder, flags
        for name in packages:
            names.append(name)
            tools.script(target / name, f'echo "built {name}"')

    monkeypatch.setattr(golang, "build", build)
    monkeypatch.setattr(golang, "copy", lambda *_: None)
    return names


def run(path: Path) -> str:
    return subprocess.run([path], capture_output=True, text=True, check=True).stdout.strip()


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


@pytest.mark.parametrize(("machine", "named"), [("x86_64", "linux-x64"), ("aarch64", "linux-arm64")])
def test_every_tool_is_downloaded_in_the_form_of_its_project_and_kept(
    site: Site, built: list[str], machine: str, named: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    for release in ALL:
        site.publish(release, programs(release))
    left = tmp_path / "cache" / releases.APISERVER.folder.name / ".download-of-a-killed-run"
    left.mkdir(parents=True)
    for _ in range(2):
        found = tools.get(RELEASED)
        assert {name: run(path) for name, path in found.items()} == {
            one.name: f"released {one.name}" for one in RELEASED
        }
    assert len(site.asked) == 2 * len(ALL)  # a file and its checksum, once
    assert any(path.endswith(f"pulumi-v{tools.PULUMI}-{named}.tar.gz") for path in site.asked)
    assert built == []
    assert not left.exists()
    assert files(tmp_path) == releases.BY_PROGRAM.keys()  # and nothing else of an archive


def test_each_project_is_asked_for_the_pinned_version_over_https() -> None:
    for release in ALL:
        assert f"v{release.version}" in release.filled(release.url)
        assert all(release.filled(text).startswith("https://") for text in (release.url, release.checksums))


def cut(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"#!/bin/sh")
    handler.wfile.flush()


def cut_chunk(handler: BaseHTTPRequestHandler) -> None:
    handler.protocol_version = "HTTP/1.1"
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"100\r\n#!/bin/sh")
    handler.close_connection = True


def answer(how: Callable[[BaseHTTPRequestHandler], None], site: Site) -> None:
    site.answers[site.path(releases.APISERVER, URL)] = how


def stall(site: Site) -> None:
    def how(handler: BaseHTTPRequestHandler) -> None:
        cut(handler)
        site.over.wait(30)

    answer(how, site)


def checksums(content: bytes, site: Site) -> None:
    for release in (releases.APISERVER, releases.KWOK, releases.HELM):
        site.pages[site.path(release, release.checksums)] = content


def link(site: Site) -> None:
    entry = tarfile.TarInfo(releases.HELM.filled(releases.HELM.programs[0][1]))
    entry.type, entry.linkname = tarfile.SYMTYPE, "/bin/sh"
    site.serve(releases.HELM, pack({}, entry))


WRONG: dict[str, tuple[str, Callable[[Site], None]]] = {
    # Not whole.
    "ended after 9 of 1000 bytes": ("kube-apiserver", partial(answer, cut)),
    "IncompleteRead": ("kube-apiserver", partial(answer, cut_chunk)),
    "HTTP 404": ("kube-apiserver", partial(answer, lambda handler: handler.send_error(404))),
    "timed out": ("kube-apiserver", stall),
    # Not what the project published.
    "has the SHA-256": ("helm", lambda site: site.serve(releases.HELM, b"other", digest="1" * 64)),
    "no SHA-256 of kube-apiserver": ("kube-apiserver", partial(checksums, b"<html>not found</html>")),
    "no SHA-256 of kwok-linux-amd64": ("kwok", partial(checksums, b'{"message": "rate limit exceeded"}')),
    "/helm in ": ("helm", link),
    "holds no": ("helm", lambda site: site.serve(releases.HELM, pack({"elsewhere/helm": b""}))),
    "cannot be unpacked": ("helm", lambda site: site.serve(releases.HELM, b"no archive at all")),
}


@pytest.mark.parametrize("reason", WRONG)
def test_what_is_not_whole_or_not_what_was_published_is_never_used(
    site: Site, built: list[str], reason: str, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(download, "STALL_SECONDS", 0.5)
    name, damage = WRONG[reason]
    damage(site)
    assert run(tools.get([tools.ALL[name]])[name]) == f"built {name}"
    assert built == [name]
    assert reason in capfd.readouterr().err
    assert files(releases.BY_PROGRAM[name].folder) == set()


def test_a_redirect_to_http_is_refused(
    site: Site, built: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def redirect(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", f"{site.address}{handler.path}")
        handler.end_headers()

    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with serving(authority.issue_cert("127.0.0.1")) as secure:
        secure.answers = dict.fromkeys(site.pages, redirect)
        monkeypatch.setattr(download, "BASES", secure.bases)
        tools.get([APISERVER])
    assert built == ["kube-apiserver"]
    assert "which is not HTTPS" in capfd.readouterr().err
    assert site.asked == []


def test_without_an_answer_tools_are_built_and_one_line_says_so_or_it_fails_if_wished(
    site: Site, built: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        closed = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        monkeypatch.setattr(download, "BASES", {**site.bases, "kubernetes": closed})
        found = tools.get(RELEASED)
        assert built == [name for name in found if name.startswith("kube-")]
        (line,) = [line for line in capfd.readouterr().err.splitlines() if "instead of downloaded" in line]
        assert all(name in line for name in built)
        monkeypatch.setenv("TOOLS", "download")
        with pytest.raises(SandboxError, match="TOOLS=download") as failure:
            tools.get(RELEASED)
    assert str(failure.value).count("refused") == len(built)


@pytest.mark.parametrize(
    ("machine", "reason"),
    [("x86_64", "no answer in 0.2 s"), ("riscv64", "its project publishes no program for linux-riscv64")],
)
def test_an_unavailable_tool_is_built_without_delay(
    site: Site, built: list[str], machine: str, reason: str, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def mute(*_: object, **__: object) -> list[object]:
        site.over.wait(30)
        return []

    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(download, "_PROBE_SECONDS", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", mute)  # a silent name server
    assert run(tools.get([APISERVER])["kube-apiserver"]) == "built kube-apiserver"
    assert built == ["kube-apiserver"]
    assert reason in capfd.readouterr().err


def test_what_another_sandbox_is_downloading_is_awaited(
    site: Site, built: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    target, waiting = releases.APISERVER.folder, threading.Event()
    target.mkdir(parents=True)
    monkeypatch.setattr(layout, "say", lambda text: waiting.set() if "another sandbox is downloading" in text else None)
    second = threading.Thread(target=tools.get, args=([APISERVER],))
    with tools.lock(target / ".lock", ""):
        second.start()
        assert waiting.wait(30)
        (target / "kube-apiserver").write_bytes(program("kube-apiserver"))
    second.join()
    assert site.asked == built == []


def test_the_variable_tools_says_how(site: Site, built: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOOLS", "downlaod")
    with pytest.raises(SandboxError, match="TOOLS=downlaod is none of auto, download, build"):
        tools.get([APISERVER])
    monkeypatch.setenv("TOOLS", "build")
    tools.get(tools.TOOLS)
    assert built == [tool.name for tool in tools.TOOLS]
    monkeypatch.setenv("TOOLS", "auto")  # what was built is not downloaded
    assert run(tools.get([APISERVER])["kube-apiserver"]) == "built kube-apiserver"
    assert site.asked == []
    monkeypatch.setenv("TOOLS", "download")
    assert run(tools.get([APISERVER])["kube-apiserver"]) == "released kube-apiserver"
