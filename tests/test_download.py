"""Released tools are downloaded whole and right, or built instead."""

import io
import platform
import re
import socket
import ssl
import subprocess
import tarfile
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import trustme

from sandbox import download, golang, layout, releases, tools
from sandbox.download import Release
from sandbox.layout import SandboxError
from tests.published import Answer, Quiet, Site, pack, program, programs, serving

ALL = tuple(dict.fromkeys(releases.BY_PROGRAM.values()))
RELEASED = tuple(tool for tool in tools.TOOLS if tool.release)
APISERVER, HELM = tools.ALL["kube-apiserver"], tools.ALL["helm"]


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
            (target / name).write_text(f'#!/bin/sh\necho "built {name}"\n', encoding="utf-8")
            (target / name).chmod(0o755)

    monkeypatch.setattr(golang, "build", build)
    monkeypatch.setattr(golang, "copy", lambda *_: None)
    return names


def run(path: Path) -> str:
    return subprocess.run([path], capture_output=True, text=True, check=True).stdout.strip()


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


def test_every_tool_is_downloaded_in_the_form_of_its_project_and_kept(site: Site, built: list[str]) -> None:
    for _ in range(2):
        found = tools.get(RELEASED)
        assert {name: run(path) for name, path in found.items()} == {
            tool.name: f"released {tool.name}" for tool in RELEASED
        }
        assert run(found["pulumi"].with_name("pulumi-language-python-exec")) == "released pulumi-language-python-exec"
    assert len(site.asked) == 2 * len(ALL)  # a file and its checksum, once
    assert built == []


def test_each_project_has_the_pinned_version_at_its_own_address() -> None:
    addresses = {release.filled(text) for release in ALL for text in (release.url, release.checksums)}
    assert all(address.startswith("https://") for address in addresses)
    for release in ALL:
        assert f"v{release.version}" in release.filled(release.url)


def test_other_machines_have_other_files(site: Site, built: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    for release in ALL:
        site.publish(release, programs(release))
    found = tools.get([tools.ALL[name] for name in ("etcd", "pulumi", "kube-apiserver")])
    assert [run(path).split()[0] for path in found.values()] == ["released"] * 3
    assert any(path.endswith("-linux-arm64.tar.gz") for path in site.asked)
    assert built == []


@pytest.mark.usefixtures("site")
def test_a_machine_for_which_nothing_is_published_builds(
    built: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    tools.get([tools.ALL["kube-apiserver"]])
    assert built == ["kube-apiserver"]
    assert "kube-apiserver (its project publishes no program for linux-riscv64)" in capfd.readouterr().err


def cut(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"#!/bin/sh")


def cut_chunk(handler: BaseHTTPRequestHandler) -> None:
    handler.protocol_version = "HTTP/1.1"
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"100\r\n#!/bin/sh")
    handler.close_connection = True


def missing(handler: BaseHTTPRequestHandler) -> None:
    handler.send_error(404)


def hung_up(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (cut, "ended after 9 of 1000 bytes"),
        (cut_chunk, "after 9 bytes"),
        (missing, "HTTP 404"),
        (hung_up, "closed connection"),
    ],
)
@pytest.mark.parametrize("wanted", ["auto", "download"])
def test_what_does_not_arrive_whole_is_never_used(
    site: Site, built: list[str], answer: Answer, reason: str, wanted: str,
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    site.answers[site.path(releases.APISERVER, releases.APISERVER.url)] = answer
    monkeypatch.setenv("TOOLS", wanted)
    if wanted == "download":
        with pytest.raises(SandboxError, match=rf"kube-apiserver: .*{reason}"):
            tools.get([APISERVER, HELM])
        assert built == []
    else:
        found = tools.get([APISERVER, HELM])
        assert [run(path) for path in found.values()] == ["released helm", "built kube-apiserver"]
        said = [line for line in capfd.readouterr().err.splitlines() if "instead of downloaded: kube-apiserver" in line]
        assert len(said) == 1
        assert reason in said[0]
    assert files(tmp_path / "cache" / releases.APISERVER.key) == set()


def broken(site: Site, how: str) -> Release:
    """Publish one release wrongly."""
    helm, apiserver, kwok = releases.HELM, releases.APISERVER, releases.KWOK
    member, sums = helm.filled(helm.programs[0][1]), site.path(helm, helm.checksums)
    match how:
        case "has the SHA-256":
            site.serve(apiserver, program("kube-apiserver"), digest="1" * 64)
            return apiserver
        case "no SHA-256 of kube-apiserver":
            site.pages[site.path(apiserver, apiserver.checksums)] = b"<html>not found</html>"
            return apiserver
        case "no SHA-256 of kwok-linux-amd64":
            site.pages[site.path(kwok, kwok.checksums)] = b'{"message": "rate limit exceeded"}'
            return kwok
        case "no SHA-256 of helm":
            site.pages[sums] = site.pages[sums].replace(b"  helm", b"  other-helm")
        case "/helm in ":
            buffer = io.BytesIO()
            with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
                link = tarfile.TarInfo(member)
                link.type, link.linkname = tarfile.SYMTYPE, "/bin/sh"
                packed.addfile(link)
            site.serve(helm, buffer.getvalue())
        case "holds no":
            site.serve(helm, pack({"elsewhere/helm": b""}))
        case _:
            site.serve(helm, b"no archive at all")
    return helm


@pytest.mark.parametrize(
    "reason",
    [
        "has the SHA-256", "no SHA-256 of kube-apiserver", "no SHA-256 of kwok-linux-amd64", "no SHA-256 of helm",
        "/helm in ", "holds no", "cannot be unpacked",
    ],
)  # fmt: skip
def test_what_is_not_what_its_project_published_is_never_used(
    site: Site, built: list[str], reason: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    release = broken(site, reason)
    name = release.programs[0][0]
    assert run(tools.get([tools.ALL[name]])[name]) == f"built {name}"
    assert built == [name]
    assert reason in capfd.readouterr().err
    assert files(tmp_path / "cache" / release.key) == set()


def test_an_archive_writes_its_program_and_nothing_else(site: Site, built: list[str], tmp_path: Path) -> None:
    member = releases.HELM.filled(releases.HELM.programs[0][1])
    outside = {"../../outside": b"x", f"{tmp_path}/absolute": b"x", "linux-amd64/../../up": b"x", "README": b"x"}
    site.serve(releases.HELM, pack({**outside, member: program("helm")}))
    found = tools.get([HELM])
    assert run(found["helm"]) == "released helm"
    assert files(tmp_path) == {f"cache/{releases.HELM.key}/helm"}
    assert built == []


def test_what_a_killed_download_left_is_cleared(site: Site, tmp_path: Path) -> None:
    left = tmp_path / "cache" / releases.APISERVER.key / ".download-of-a-killed-run"
    left.mkdir(parents=True)
    (left / "file").write_bytes(b"half")
    assert run(tools.get([APISERVER])["kube-apiserver"]) == "released kube-apiserver"
    assert not left.exists()
    assert site.asked


def test_without_the_internet_everything_is_built_and_one_line_says_so(
    site: Site, built: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        closed = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        monkeypatch.setattr(download, "BASES", dict.fromkeys(site.bases, closed))
        found = tools.get(RELEASED)
        assert sorted(built) == sorted(found)
        assert len([line for line in capfd.readouterr().err.splitlines() if "instead of downloaded" in line]) == 1
        assert not any((tmp_path / "cache").glob("released-*"))
        monkeypatch.setenv("TOOLS", "download")
        with pytest.raises(SandboxError, match="TOOLS=download") as failure:
            tools.get(RELEASED)
    assert str(failure.value).count("refused") == len(RELEASED)


def test_a_silent_host_is_asked_once(
    site: Site, built: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(download, "_PROBE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        monkeypatch.setattr(download, "BASES", {**site.bases, "kubernetes": f"http://127.0.0.1:{port}"})
        found = tools.get(RELEASED)
        mute.setblocking(False)
        mute.accept()[0].close()
        with pytest.raises(BlockingIOError):
            mute.accept()
    assert [name for name in found if name in built] == built
    assert set(built) == {"kube-apiserver", "kube-controller-manager", "kube-scheduler"}
    assert re.search("no answer in|timed out", capfd.readouterr().err)


def test_a_silent_name_server_delays_nobody(
    site: Site, built: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def mute(*_: object, **__: object) -> list[object]:
        site.over.wait(30)
        return []

    monkeypatch.setattr(download, "_PROBE_SECONDS", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", mute)
    assert run(tools.get([APISERVER])["kube-apiserver"]) == "built kube-apiserver"
    assert built == ["kube-apiserver"]
    assert "no answer in 0.2 s" in capfd.readouterr().err


def test_what_another_sandbox_is_downloading_is_awaited(
    site: Site, built: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    target, waiting = tmp_path / "cache" / releases.APISERVER.key, threading.Event()
    target.mkdir(parents=True)
    monkeypatch.setattr(layout, "say", lambda text: waiting.set() if "another sandbox is downloading" in text else None)
    second = threading.Thread(target=tools.get, args=([APISERVER],))
    with tools.lock(target / ".lock", ""):
        second.start()
        assert waiting.wait(30)
        (target / "kube-apiserver").write_bytes(program("kube-apiserver"))
    second.join()
    assert site.asked == []
    assert built == []


def test_a_download_that_stops_is_given_up(
    site: Site, built: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def stall(handler: BaseHTTPRequestHandler) -> None:
        cut(handler)
        handler.wfile.flush()
        site.over.wait(30)

    monkeypatch.setattr(download, "STALL_SECONDS", 0.3)
    site.answers[site.path(releases.APISERVER, releases.APISERVER.url)] = stall
    assert run(tools.get([APISERVER])["kube-apiserver"]) == "built kube-apiserver"
    assert built == ["kube-apiserver"]
    assert "timed out after 9 bytes" in capfd.readouterr().err


def test_a_download_that_takes_longer_than_a_build_is_given_up(
    site: Site, built: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def trickle(handler: BaseHTTPRequestHandler) -> None:
        cut(handler)
        while not site.over.wait(0.02):
            try:
                handler.wfile.write(b"x")
            except OSError:
                return

    monkeypatch.setattr(download, "STALL_SECONDS", 1)
    site.answers[site.path(releases.APISERVER, releases.APISERVER.url)] = trickle
    assert run(tools.get([APISERVER])["kube-apiserver"]) == "built kube-apiserver"
    assert built == ["kube-apiserver"]
    assert "kB/s is too slow" in capfd.readouterr().err


def test_build_asks_nobody(site: Site, built: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOOLS", "build")
    assert set(tools.get(tools.TOOLS)) == {tool.name for tool in tools.TOOLS} == set(built)
    assert site.asked == []


def test_what_was_built_is_not_downloaded_unless_that_is_wanted(
    site: Site, built: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOOLS", "build")
    tools.get([APISERVER])
    monkeypatch.setenv("TOOLS", "auto")
    assert run(tools.get([APISERVER])["kube-apiserver"]) == "built kube-apiserver"
    assert site.asked == []
    monkeypatch.setenv("TOOLS", "download")
    assert run(tools.get([APISERVER])["kube-apiserver"]) == "released kube-apiserver"
    assert built == ["kube-apiserver"]


def test_an_unknown_wish_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOOLS", "downlaod")
    with pytest.raises(SandboxError, match="TOOLS=downlaod is none of auto, download, build"):
        tools.get([APISERVER])
    assert site.asked == []


def test_a_redirect_to_http_is_refused(
    site: Site, built: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    class Redirect(Quiet):
        def do_GET(self) -> None:  # noqa: N802 - named by the standard library
            self.send_response(302)
            self.send_header("Location", f"{site.address}/kubernetes{self.path}")
            self.end_headers()

        def do_HEAD(self) -> None:  # noqa: N802 - named by the standard library
            self.do_GET()

    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server = HTTPServer(("127.0.0.1", 0), Redirect)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        monkeypatch.setattr(download, "BASES", {**site.bases, "kubernetes": f"https://localhost:{server.server_port}"})
        tools.get([APISERVER])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert built == ["kube-apiserver"]
    assert "which is not HTTPS" in capfd.readouterr().err
    assert site.asked == []
