"""What a tunnel has at Cloudflare is shown before a deploy replaces it."""

import json
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from oceanid_cluster.commands.cloudflare_rules import Route, check_routes, remote_routes
from oceanid_cluster.config.secret import Secret
from oceanid_cluster.config.tunnel_token import parse_tunnel_token
from oceanid_cluster.startup.processes import CommandError
from tests.samples import ACCOUNT, TUNNEL, connector_token

TOKEN = "canary-cloudflare-api-token"
RULES = [
    {"hostname": "k3s.boathou.se", "service": "https://kubernetes.default.svc:443", "originRequest": {}},
    {"hostname": "nas.boathou.se", "path": "^/photos", "service": "http://192.168.2.5:80"},
    {"service": "http_status:404"},
]


@contextmanager
def cloudflare(status: int, body: object, location: str = "") -> Generator[tuple[str, list[str]]]:
    """A server that answers as Cloudflare's API does; yields its address and the requests that it gets.

    The envelope ``{success, errors, messages, result}`` and the result of "Get configuration" are those of Cloudflare's
    OpenAPI schema (``tunnel_configuration_response``); a refused token gets 403 and error 10000.
    """
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.path} {self.headers['Authorization']}")
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.end_headers()
            self.wfile.write(body.encode() if isinstance(body, str) else json.dumps(body).encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as in the base class
            del format, args

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/client/v4", asked
        finally:
            server.shutdown()
            thread.join()


def answer(config: object) -> dict[str, Any]:
    result = {"account_id": ACCOUNT, "tunnel_id": TUNNEL, "version": 7, "config": config, "source": "cloudflare"}
    return {"success": True, "errors": [], "messages": [], "result": result}


def ask(api: str, token: str = TOKEN) -> list[Route]:
    return remote_routes(parse_tunnel_token(connector_token()), Secret(token), api)


def test_the_rules_are_read_with_the_token_in_the_header_alone() -> None:
    with cloudflare(200, answer({"ingress": RULES, "warp-routing": {"enabled": True}})) as (api, asked):
        assert ask(api) == [Route("k3s.boathou.se", ""), Route("nas.boathou.se", "^/photos")]
    assert asked == [f"/client/v4/accounts/{ACCOUNT}/cfd_tunnel/{TUNNEL}/configurations Bearer {TOKEN}"]


@pytest.mark.parametrize("config", [None, {}, {"ingress": None}, {"ingress": []}])
def test_a_tunnel_that_was_never_configured_there_has_no_rules(config: object) -> None:
    with cloudflare(200, answer(config)) as (api, _):
        assert ask(api) == []


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (
            403,
            {"success": False, "errors": [{"code": 10000, "message": "Authentication error"}], "result": None},
            "HTTP 403: Authentication error (10000)",
        ),
        (502, "<html>bad gateway</html>", "HTTP 502"),
        (200, "<html>", "gave no JSON"),
        (404, {"errors": None}, "HTTP 404"),
    ],
)
def test_a_refusal_is_one_message_without_the_token(status: int, body: object, said: str) -> None:
    with cloudflare(status, body) as (api, _), pytest.raises(CommandError) as problem:
        ask(api)
    assert said in str(problem.value)
    assert TOKEN not in str(problem.value)


def test_the_token_does_not_follow_a_redirect() -> None:
    with cloudflare(200, answer({"ingress": RULES})) as (elsewhere, asked):
        with cloudflare(302, "", f"{elsewhere}/x") as (api, _), pytest.raises(CommandError, match="HTTP 302"):
            ask(api)
        assert asked == []


@pytest.mark.parametrize("token", [f"{TOKEN}\nX-Evil: 1", f"{TOKEN}é\udcff"])
def test_a_token_that_is_not_a_header_is_not_shown(token: str) -> None:
    with cloudflare(200, answer(None)) as (api, _), pytest.raises(CommandError) as problem:
        ask(api, token)
    assert TOKEN not in str(problem.value)


def test_a_server_that_is_not_there_is_named_as_unreachable_and_clear_text_is_refused() -> None:
    with pytest.raises(CommandError, match="cannot be reached"):
        ask("http://127.0.0.1:1")
    with pytest.raises(CommandError, match="not an https address"):
        ask("http://192.0.2.1")


def test_an_answer_that_is_not_http_is_one_message() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer_anything() -> None:
            with server.accept()[0] as connection:
                connection.recv(10_000)
                connection.sendall(b"nonsense\r\n\r\n")

        thread = threading.Thread(target=answer_anything)
        thread.start()
        with pytest.raises(CommandError, match="Cloudflare's API cannot be reached: nonsense"):
            ask(f"http://127.0.0.1:{server.getsockname()[1]}")
        thread.join()


def test_what_a_deploy_removes_is_named() -> None:
    ours, remote = [Route("k3s.boathou.se", "")], [Route("k3s.boathou.se", ""), Route("nas.boathou.se", "^/photos")]
    row = check_routes("cloudflared", ours, remote)
    assert (row.state, "a deploy removes 1: nas.boathou.se (^/photos)" in row.detail) == ("warning", True)
    assert check_routes("cloudflared", remote, ours).state == "ok"
    many = [Route(f"h{number}.example.org", "") for number in range(40)]
    assert "and 30 more" in check_routes("cloudflared", [], many).detail
