"""A TCP proxy in front of the API server, whose connections can be cut: the SSH tunnel of an operator."""

import contextlib
import itertools
import json
import socket
import socketserver
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.engine.engine import Engine, served


@contextmanager
def cut_proxy(engine: Engine, folder: Path, cut: int) -> Generator[tuple[Iterator[int], Path]]:
    """A proxy that drops the first ``cut`` connections, as a dead tunnel does.

    Yields the numbers of those that come, from 1 on, and a kubeconfig that leads through it.
    """
    document = engine.kubeconfig()
    server = urlsplit(document["clusters"][0]["cluster"]["server"])
    seen = itertools.count(1)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            if next(seen) <= cut:
                return
            with socket.create_connection((server.hostname or "", server.port or 443)) as upstream:
                back = threading.Thread(target=_copy, args=(upstream, self.request))
                back.start()
                _copy(self.request, upstream)
                back.join()

    with served(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)) as proxy:
        document["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{proxy.server_address[1]}"
        through = folder / "through-the-proxy"
        through.write_text(json.dumps(document), encoding="utf-8")
        yield seen, through


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
