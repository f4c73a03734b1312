"""How Flux reads Git, each way with the real source-controller: SSH, a GitHub App, signed commits only."""

import asyncio
import base64
import hmac
import json
import shlex
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import cast

import asyncssh
import pysequoia
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from sandbox.git_server import GitHandler, GitServer
from tests.engine.engine import row, served
from tests.engine.gitops import FLUX, GitOps, config_map
from tests.samples import github_app


def follows(flux: GitOps, commit: str) -> None:
    """Wait until the repository, as it is configured now, has been read at a commit."""
    flux.reconcile("gitrepository")
    generation = flux.kubectl(*FLUX, "get", "gitrepository", "flux-system", "-o", "jsonpath={.metadata.generation}")
    flux.wait("gitrepository", "flux-system", f"jsonpath={{.status.observedGeneration}}={generation}")
    flux.wait("gitrepository", "flux-system", "condition=Ready")
    flux.wait("gitrepository", "flux-system", f"jsonpath={{.status.artifact.revision}}=main@sha1:{commit}")


@contextmanager
def ssh_server(root: Path, host_key: asyncssh.SSHKey, client_key: asyncssh.SSHKey) -> Generator[int]:
    """An SSH server for ``git-upload-pack`` of the repositories in ``root``; yields its port."""
    loop = asyncio.new_event_loop()

    async def serve(process: asyncssh.SSHServerProcess[bytes]) -> None:
        program, path = shlex.split(process.command or "")
        assert program == "git-upload-pack"
        child = await asyncio.create_subprocess_exec(
            program, str(root / path.lstrip("/")), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        await process.redirect(stdin=child.stdin, stdout=child.stdout)
        process.exit(await child.wait())

    async def start() -> asyncssh.SSHAcceptor:
        known = asyncssh.import_authorized_keys(client_key.export_public_key().decode())
        return await asyncssh.listen(
            "127.0.0.1", 0, server_host_keys=[host_key], authorized_client_keys=known, process_factory=serve,
            encoding=None,
        )  # fmt: skip

    server = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.get_port()
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def test_git_over_ssh_checks_the_hosts_key(flux: GitOps) -> None:
    host, other, client = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(3))
    with ssh_server(flux.sandbox.home / "git" / "repositories", host, client) as port:

        def known(key: asyncssh.SSHKey) -> str:
            return f"[127.0.0.1]:{port} {key.export_public_key().decode()}"

        flux.configure("gitRepositoryUrl", f"ssh://git@127.0.0.1:{port}/oceanid.git")
        flux.configure("flux.ca_certificate", None)
        flux.configure("flux.ssh_private_key", client.export_private_key().decode(), secret=True)
        flux.configure("flux.known_hosts", known(host), secret=True)
        flux.up()
        follows(flux, flux.declare(config_map("by ssh")))
        flux.configure("flux.known_hosts", known(other), secret=True)
        flux.up()
        flux.reconcile("gitrepository")
        flux.wait("gitrepository", "flux-system", "condition=Ready=False")
        assert "key" in row(flux.command("health", code=1), "gitrepository/flux-system")


class _GitHub(GitHandler):
    """GitHub's endpoint for the tokens of an App, in front of Git.

    Imitates "Create an installation access token for an app" of GitHub's REST documentation, as the client of Flux asks
    for it (github.com/fluxcd/pkg/git/github, which uses bradleyfalzon/ghinstallation, transport.go).
    """

    token = "a-token-of-the-app"
    asked: list[str]

    def password(self) -> str:
        return self.token

    def do_POST(self) -> None:  # noqa: N802 - the name that http.server looks for
        if not self.path.startswith("/api/v3/"):
            super().do_POST()
            return
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.asked.append(self.path)
        allowed = self.path == "/api/v3/app/installations/67890/access_tokens" and _signed_by_the_app(
            self.headers["Authorization"]
        )
        expires = datetime.now(UTC) + timedelta(hours=1)
        body = json.dumps({"token": self.token, "expires_at": expires.strftime("%Y-%m-%dT%H:%M:%SZ")}).encode()
        self.send_response(HTTPStatus.CREATED if allowed else HTTPStatus.UNAUTHORIZED)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _signed_by_the_app(authorization: str) -> bool:
    """Whether a JSON Web Token names the App and is signed with its key."""
    token = authorization.removeprefix("Bearer ")
    signed, _, signature = token.rpartition(".")

    def decoded(text: str) -> bytes:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    key = cast("RSAPrivateKey", load_pem_private_key(github_app()["flux.github_app_private_key"].encode(), None))
    key.public_key().verify(decoded(signature), signed.encode(), PKCS1v15(), SHA256())
    return hmac.compare_digest(json.loads(decoded(signed.partition(".")[2]))["iss"], "12345")


@pytest.fixture
def github(flux: GitOps) -> Iterator[GitServer]:
    """A server that answers as GitHub Enterprise does."""
    _GitHub.asked = []
    with served(GitServer(flux.sandbox.home / "git", 0, _GitHub)) as server:
        yield server


def test_git_is_read_with_the_token_of_a_github_app(flux: GitOps, github: GitServer) -> None:
    flux.configure("gitRepositoryUrl", f"https://127.0.0.1:{github.server_port}/oceanid.git")
    flux.configure("flux.github_app_id", "12345")
    flux.configure("flux.github_app_installation_id", "67890")
    flux.configure("flux.github_app_private_key", github_app()["flux.github_app_private_key"], secret=True)
    flux.configure("github_token", None)
    flux.up()
    follows(flux, flux.declare(config_map("by app")))
    assert set(_GitHub.asked) == {"/api/v3/app/installations/67890/access_tokens"}


def signed_commit(flux: GitOps, key: pysequoia.PySigner, value: str) -> str:
    """Commit a change, signed as ``git commit -S`` does, and push it; returns the commit."""
    flux.commit(config_map(value))
    unsigned = f"{flux.git('cat-file', 'commit', 'HEAD')}\n"
    signature = pysequoia.sign(key, unsigned.encode(), mode=pysequoia.SignatureMode.DETACHED)
    head, _, message = unsigned.partition("\n\n")
    folded = "\n ".join(signature.decode().strip().splitlines())
    written = flux.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=f"{head}\ngpgsig {folded}\n\n{message}")
    flux.git("reset", "--quiet", "--hard", written)
    return flux.push()


def test_only_signed_commits_are_followed_when_keys_are_given(flux: GitOps) -> None:
    signer, stranger = (pysequoia.Tsk.generate(f"{name} <{name}@oceanid.invalid>") for name in ("signer", "stranger"))
    first = signed_commit(flux, signer.signer(), "signed")
    flux.configure("flux.verification_keys", str(signer.extract_certificate()))
    flux.up()
    follows(flux, first)
    for refused in (
        lambda: signed_commit(flux, stranger.signer(), "by a stranger"),
        lambda: flux.declare(config_map("unsigned")),
    ):
        refused()
        flux.wait("gitrepository", "flux-system", "condition=SourceVerified=False")
        assert "signature" in row(flux.command("health", code=1), "gitrepository/flux-system")
        assert flux.value() == "signed"
        follows(flux, signed_commit(flux, signer.signer(), "signed"))
