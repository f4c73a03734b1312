"""Something that answers as an API server does, for kubectl: a few paths, on loopback."""

import base64
import json
import ssl
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import trustme
import yaml


class ApiServer(ThreadingHTTPServer):
    """``answers`` by path, without the query, as they are or as JSON; nothing else is there.

    ``asked`` keeps path and login.
    """

    def __init__(self, answers: Mapping[str, Any], certificate: trustme.LeafCert, authority: trustme.CA) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate.configure_cert(context)  # without TLS, kubectl sends no login
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.ca = base64.b64encode(authority.cert_pem.bytes()).decode()
        self.answers = answers
        self.asked: list[tuple[str, str]] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a handshake that kubectl refuses is not an error."""

    @property
    def url(self) -> str:
        """Its address."""
        return f"https://127.0.0.1:{self.server_port}"

    def kubeconfig(self, path: Path, user: Mapping[str, Any], name: str = "somebody") -> str:
        """Write a kubeconfig that leads here; returns its path."""
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "clusters": [{"name": "here", "cluster": {"server": self.url, "certificate-authority-data": self.ca}}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": name}}],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
        return str(path)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server, path = cast("ApiServer", self.server), self.path.partition("?")[0]
        server.asked.append((path, self.headers.get("Authorization", "")))
        found = server.answers.get(path)
        absent = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
        body = found if isinstance(found, bytes) else json.dumps(absent if found is None else found).encode()
        self.send_response(404 if found is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name upstream
        """Nothing."""


@contextmanager
def serving(
    answers: Mapping[str, Any], name: str = "127.0.0.1", start: datetime | None = None, end: datetime | None = None
) -> Generator[ApiServer]:
    """A server that runs as long as this does, with a certificate of this name for this time."""
    authority = trustme.CA()
    certificate = authority.issue_cert(name, not_before=start, not_after=end)
    with ApiServer(answers, certificate, authority) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


def cluster(nodes: list[str], owner: str | None = None, uid: str = "the-uid") -> dict[str, Any]:
    """What identifies a cluster: its UID, its nodes, and whose namespaces it has."""
    labels = {"oceanid.cluster/managed-by": "pulumi", "app.kubernetes.io/part-of": owner}
    ours = [{"metadata": {"name": name, "labels": labels}} for name in ("apps", "cloudflared")] if owner else []
    return {
        "/version": {"major": "1", "minor": "36", "gitVersion": "v1.36.0"},
        "/api/v1/namespaces/kube-system": {"metadata": {"name": "kube-system", "uid": uid}},
        "/api/v1/namespaces": {"items": ours},
        "/api/v1/nodes": {"items": [{"metadata": {"name": name}} for name in nodes]},
    }
