"""A Git server on loopback, as one hosts it oneself: HTTPS with a CA of its own, and a token.

``python -m sandbox.git_server <folder> <port>`` serves the bare repositories in ``<folder>/repositories`` through
Git's own ``git http-backend``. The token is the text of ``<folder>/token``, read for each request.
"""

import base64
import hmac
import os
import ssl
import subprocess
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit


class GitServer(ThreadingHTTPServer):
    """The server: certificate and key lie in ``folder``, too."""

    def __init__(self, folder: Path, port: int, handler: "type[GitHandler] | None" = None) -> None:
        """Listen at once, on loopback."""
        super().__init__(("127.0.0.1", port), handler or GitHandler)
        self.folder = folder
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.pem")
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)


class GitHandler(BaseHTTPRequestHandler):
    """One request, handed to ``git http-backend`` (gitprotocol-http, git-http-backend)."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer the list of references."""
        self._serve()

    def do_POST(self) -> None:
        """Answer a fetch or a push."""
        self._serve()

    @property
    def folder(self) -> Path:
        """The server's folder."""
        return cast("GitServer", self.server).folder

    def password(self) -> str:
        """The password, or token, that is right now."""
        return (self.folder / "token").read_text(encoding="utf-8").strip()

    def _serve(self) -> None:
        body = b"".join(_chunks(self.rfile)) if self.headers.get("Transfer-Encoding") == "chunked" else self._body()
        if not self._is_authorized():
            self.send_response(HTTPStatus.UNAUTHORIZED)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        target = urlsplit(self.path)
        answer = subprocess.run(
            ["git", "http-backend"], input=body, capture_output=True, check=False,
            env={
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(self.folder / "repositories"),
                "GIT_HTTP_EXPORT_ALL": "1",
                "REMOTE_USER": "git",  # who is known may push
                "REQUEST_METHOD": self.command,
                "PATH_INFO": target.path,
                "QUERY_STRING": target.query,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            },
        )  # fmt: skip
        head, _, content = answer.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _is_authorized(self) -> bool:
        scheme, _, encoded = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return False
        password = base64.b64decode(encoded).partition(b":")[2]
        return hmac.compare_digest(password, self.password().encode())


def _chunks(stream: BufferedIOBase) -> list[bytes]:
    """The parts of a body of unknown length (RFC 9112, section 7.1)."""
    found: list[bytes] = []
    while size := int(stream.readline().split(b";")[0], 16):
        found.append(stream.read(size))
        stream.readline()
    stream.readline()
    return found


if __name__ == "__main__":
    GitServer(Path(sys.argv[1]), int(sys.argv[2])).serve_forever()
