"""A TCP proxy in front of the API server, whose connections can be cut: the SSH tunnel of an operator."""

import contextlib
import json
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit


class CutProxy(threading.Thread):
    """Forwards connections to a server, apart from the first ``cut`` ones, which it drops as a dead tunnel does."""

    def __init__(self, server: str, cut: int) -> None:
        super().__init__(daemon=True)
        parts = urlsplit(server)
        self._target = (parts.hostname or "", parts.port or 443)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.cut, self.seen = cut, 0

    def run(self) -> None:
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                client, _ = self._listener.accept()
                self.seen += 1
                if self.seen <= self.cut:
                    client.close()
                    continue
                upstream = socket.create_connection(self._target)
                for source, sink in ((client, upstream), (upstream, client)):
                    threading.Thread(target=_copy, args=(source, sink), daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextmanager
def cut_proxy(kubeconfig: Path, folder: Path, cut: int) -> Generator[tuple[CutProxy, Path]]:
    """A proxy in front of the server of ``kubeconfig``, and a kubeconfig that leads through it."""
    text = kubeconfig.read_text(encoding="utf-8")
    server = json.loads(text)["clusters"][0]["cluster"]["server"]
    proxy = CutProxy(server, cut)
    proxy.start()
    through = folder / "through-the-proxy"
    through.write_text(text.replace(server, f"https://127.0.0.1:{proxy.port}"), encoding="utf-8")
    try:
        yield proxy, through
    finally:
        proxy.close()
