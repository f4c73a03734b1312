"""The registries docker.io and quay.io on loopback: an HTTP proxy that answers for them, with the tags in a file.

``python -m sandbox.registry <folder> <port>`` knows what a client asks to list the tags of an image (OCI Distribution
Specification, "Listing tags"). The tags are those in ``<folder>/tags.yaml``, read for each request.
"""

import json
import ssl
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import yaml

REGISTRIES = ("index.docker.io", "quay.io")  # as clients call them


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder = Path()  # the tags, and a certificate for the registries' names
    host = ""

    def do_CONNECT(self) -> None:
        """Be the registry from here on: what follows on this connection is TLS."""
        self.host = self.path.partition(":")[0].removeprefix("index.")
        self.send_response(HTTPStatus.OK)
        self.end_headers()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "server.pem")
        self.request = context.wrap_socket(self.request, server_side=True)
        self.setup()

    def do_GET(self) -> None:
        """Answer whether there is a registry, and which tags an image has."""
        path = urlsplit(self.path).path
        tags = yaml.safe_load((self.folder / "tags.yaml").read_text(encoding="utf-8"))
        name = path.removeprefix("/v2/").removesuffix("/tags/list")
        image = f"{self.host}/{name}"
        if path == "/v2/":
            self._answer(HTTPStatus.OK, {})
        elif path == f"/v2/{name}/tags/list" and image in tags:
            self._answer(HTTPStatus.OK, {"name": name, "tags": [str(tag) for tag in tags[image]]})
        else:
            self._answer(HTTPStatus.NOT_FOUND, {"errors": [{"code": "NAME_UNKNOWN", "message": image}]})

    def _answer(self, status: HTTPStatus, document: object) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


if __name__ == "__main__":
    _Handler.folder = Path(sys.argv[1])
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), _Handler).serve_forever()
