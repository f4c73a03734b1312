"""A server of released programs, as their projects publish them, that can do wrong."""

import hashlib
import io
import json
import ssl
import tarfile
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import trustme

from sandbox import download
from sandbox.download import Release

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Site:
    """What is served, by path; ``asked`` is what was asked for, without the question whether anybody is there."""

    address: str
    pages: dict[str, bytes] = field(default_factory=dict[str, bytes])
    answers: dict[str, Answer] = field(default_factory=dict[str, Answer])
    asked: list[str] = field(default_factory=list[str])
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def bases(self) -> dict[str, str]:
        """What takes the place of the projects' addresses."""
        return {name: f"{self.address}/{name}" for name in download.BASES}

    def path(self, release: Release, text: str) -> str:
        """The path of one of a release's addresses on this server."""
        return release.filled(text).removeprefix(self.address)

    def publish(self, release: Release, programs: Mapping[str, bytes]) -> str:
        """Serve a release with its programs, which ``programs`` holds; returns the path of its file."""
        path = self.path(release, release.url)
        members = {release.filled(member): programs[name] for name, member in release.programs}
        others = {"../../outside": b"x", "/absolute": b"x", "README": b"x"}
        self.serve(release, members[""] if "" in members else pack({**others, **members}))
        return path

    def serve(self, release: Release, content: bytes, digest: str = "") -> None:
        """Serve ``content`` as the file of a release, with its checksum in the form of the project."""
        path, checksums = (self.path(release, text) for text in (release.url, release.checksums))
        name, digest = path.rpartition("/")[2], digest or hashlib.sha256(content).hexdigest()
        self.pages[path] = content
        if checksums.endswith(".sha256"):
            text = digest
        elif "/tags/" in checksums:
            other = {"name": f"other-{name}", "digest": f"sha256:{'0' * 64}"}
            text = json.dumps({"tag_name": "v1", "assets": [other, {"name": name, "digest": f"sha256:{digest}"}]})
        else:
            text = f"{'0' * 64}  other-{name}\n{digest}  {name}\n"
        self.pages[checksums] = text.encode()


def pack(members: Mapping[str, bytes], *others: tarfile.TarInfo) -> bytes:
    """A tar archive of files, and of other entries."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=0) as packed:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content))
        for other in others:
            packed.addfile(other)
    return buffer.getvalue()


def program(name: str) -> bytes:
    """A program that says what it is."""
    return f'#!/bin/sh\necho "released {name}"\n'.encode()


def programs(release: Release) -> dict[str, bytes]:
    """A small program for each one of a release."""
    return {name: program(name) for name, _ in release.programs}


@contextmanager
def serving(certificate: trustme.LeafCert | None = None) -> Generator[Site]:
    """A server on loopback, for as long as the context lasts; with a certificate it speaks HTTPS."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the standard library
            del format, args

        def do_HEAD(self) -> None:
            self.send_error(404)

        def do_GET(self) -> None:
            site.asked.append(self.path)
            if self.path in site.answers:
                site.answers[self.path](self)
            elif self.path in site.pages:
                self.send_response(200)
                self.send_header("Content-Length", str(len(site.pages[self.path])))
                self.end_headers()
                self.wfile.write(site.pages[self.path])
            else:
                self.send_error(404)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    site = Site(f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield site
    finally:
        site.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
