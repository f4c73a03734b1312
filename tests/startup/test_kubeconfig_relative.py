"""What the provider is given means the same in every folder. The judge is client-go, as kubectl has it."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from oceanid_cluster.startup.kubeconfig import load_kubeconfig
from sandbox import tools
from tests.startup.api_server import ApiServer, serving

VERSION = "client.authentication.k8s.io/v1"
LOGIN = f"""printf '{{"apiVersion": "{VERSION}", "kind": "ExecCredential", "status": {{"token": "%s"}}}}'"""
EXEC = {"apiVersion": VERSION, "interactiveMode": "Never"}


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with serving({"/version": {}}) as running:
        yield running


def login_with(server: ApiServer, kubeconfig: str, folder: Path) -> str:
    """With what client-go logs in, when it runs in a folder."""
    environ = {**os.environ, "KUBECONFIG": kubeconfig}
    command = ["kubectl", "get", "--raw", "/version"]
    subprocess.run(command, env=environ, cwd=folder, check=True, capture_output=True)
    return server.asked[-1][1]


def given_to_the_provider(kubeconfig: str, folder: Path) -> str:
    (folder / "contents").write_text(load_kubeconfig(None, {"KUBECONFIG": kubeconfig}, None, None).contents.value)
    return str(folder / "contents")


@pytest.mark.parametrize(
    "user",
    [
        {"tokenFile": "token"},
        {"tokenFile": "./sub/../token"},
        {"tokenFile": "../home/token"},
        {"exec": {**EXEC, "command": "./login"}},
        {"exec": {**EXEC, "command": "sub/login"}},
        {"exec": {**EXEC, "command": "../home/login"}},
        {"exec": {**EXEC, "command": "sh", "args": ["-c", LOGIN % "canary"]}},
    ],
)
def test_a_login_is_relative_to_the_folder_of_its_file(
    tmp_path: Path, server: ApiServer, user: dict[str, object]
) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    elsewhere.mkdir()
    kubeconfig = server.kubeconfig(home / "config", user)
    (home / "token").write_text("canary", encoding="utf-8")
    (home / "sub").mkdir()
    for folder in (home, home / "sub"):
        tools.script(folder / "login", LOGIN % "canary")
    assert login_with(server, kubeconfig, elsewhere) == "Bearer canary"
    assert login_with(server, given_to_the_provider(kubeconfig, elsewhere), elsewhere) == "Bearer canary"


def test_of_several_files_the_first_that_has_the_user_is_used(tmp_path: Path, server: ApiServer) -> None:
    names = {"one": "another", "two": "somebody", "three": "somebody"}
    files = [
        server.kubeconfig(tmp_path / name / "config", {"tokenFile": "token"}, user) for name, user in names.items()
    ]
    for name in names:
        (tmp_path / name / "token").write_text(name, encoding="utf-8")
    link = tmp_path / "linked"
    (tmp_path / "token").write_text("beside the link", encoding="utf-8")
    link.symlink_to(files[1])
    for listed in ([*files], files[::-1], files[1:], [f"{tmp_path}/absent", *files[1:]], [str(link), files[2]]):
        kubeconfig = os.pathsep.join(listed)
        provided = given_to_the_provider(kubeconfig, tmp_path)
        assert login_with(server, provided, Path("/")) == login_with(server, kubeconfig, Path("/"))
