"""The start-up checks beside the configuration: the CI guard, and the kubeconfig that must lead to our cluster."""

import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from oceanid_cluster.guard import check_not_hosted_ci
from oceanid_cluster.kubeconfig import Kubeconfig, check_reachable, load_kubeconfig
from oceanid_cluster.secret import Secret

ACTIONS = {"CI": "true", "GITHUB_ACTIONS": "true"}
HOSTS = ("192.0.2.10", "192.0.2.11", "k3s.boathou.se")


@pytest.mark.parametrize(
    "environ",
    [
        ACTIONS,
        {**ACTIONS, "RUNNER_ENVIRONMENT": "github-hosted"},
        {**ACTIONS, "RUNNER_ENVIRONMENT": "github-hosted", "SELF_HOSTED": "true"},
        {**ACTIONS, "SELF_HOSTED": "yes"},
        {"GITHUB_ACTIONS": "true"},
        {"GITHUB_ACTIONS": "true", "CI": "false"},
        {"GITHUB_ACTIONS": "true", "CI": "1"},
        {"GITHUB_ACTIONS": " True\n"},
        {"GITHUB_ACTIONS": "1"},
        {"GITHUB_ACTIONS": "true", "RUNNER_ENVIRONMENT": "someone-else", "SELF_HOSTED": "true"},
        {"RUNNER_ENVIRONMENT": "GitHub-hosted", "SELF_HOSTED": "true"},
    ],
)
def test_a_github_hosted_job_is_stopped_and_told_where_to_go(environ: dict[str, str]) -> None:
    with pytest.raises(pulumi.RunError, match="CLUSTER STACK CANNOT RUN IN GITHUB ACTIONS") as caught:
        check_not_hosted_ci(environ)
    assert "cloud/" in str(caught.value)
    assert "self-hosted runner" in str(caught.value)


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"CI": "true"},
        {"CI": "true", "GITHUB_ACTIONS": "false"},
        {"GITHUB_ACTIONS": "true", "RUNNER_ENVIRONMENT": "self-hosted"},
        {**ACTIONS, "RUNNER_ENVIRONMENT": "self-hosted"},
        {**ACTIONS, "SELF_HOSTED": "true"},
    ],
)
def test_a_laptop_and_a_self_hosted_runner_pass(environ: dict[str, str]) -> None:
    check_not_hosted_ci(environ)


def document(server: str = "https://127.0.0.1:6443", **cluster: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "prod",
        "clusters": [{"name": "oceanid", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "admin", "user": {"token": "canary-token"}}],
        "contexts": [{"name": "prod", "context": {"cluster": "oceanid", "user": "admin"}}],
    }


def write(folder: Path, content: object, name: str = "config") -> str:
    path = folder / name
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    return str(path)


def refusal(config_path: str | None, variable: str | None = None, context: str | None = None) -> str:
    with pytest.raises(pulumi.RunError) as caught:
        load_kubeconfig(config_path, {"KUBECONFIG": variable} if variable else {}, context, HOSTS)
    assert "canary" not in str(caught.value)
    return str(caught.value)


def test_without_any_kubeconfig_the_message_names_both_ways() -> None:
    text = refusal(None)
    assert "kubeconfigPath" in text
    assert "export KUBECONFIG=" in text


def without(part: str) -> dict[str, Any]:
    content = document()
    content[part] = []
    return content


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a: [", "is not YAML"),
        ("\x00", "is not YAML"),
        ({"kind": "Pod", "apiVersion": "v1"}, "is not a kubeconfig"),
        ("just text", "is not a kubeconfig"),
        ({**document(), "current-context": "other"}, "has no context 'other' (it has: prod)"),
        ({**document(), "current-context": ""}, "has no current-context"),
        (without("clusters"), "has no cluster 'oceanid'"),
        (without("users"), "has no user 'admin'"),
        (document("not a url"), "has no usable server URL"),
        (document("https://admin:canary@127.0.0.1:6443"), "has no usable server URL"),
        (
            {**document(), "clusters": [{"name": "oceanid", "cluster": {"certificate-authority-data": 5}}]},
            "has a certificate-authority-data that is not text",
        ),
        (document(**{"certificate-authority": "absent.crt"}), "names a certificate-authority that cannot be read"),
    ],
)
def test_a_broken_kubeconfig_is_named_with_what_is_wrong(tmp_path: Path, content: object, expected: str) -> None:
    path = write(tmp_path, content)
    text = refusal(path)
    assert expected in text
    assert path in text


def test_a_folder_or_an_absent_file_is_no_kubeconfig(tmp_path: Path) -> None:
    assert "is not a file" in refusal(str(tmp_path))
    assert "does not exist" in refusal(None, str(tmp_path / "absent"))


def test_config_and_environment_must_lead_to_the_same_server(tmp_path: Path) -> None:
    one, other = write(tmp_path, document(), "one"), write(tmp_path, document("https://192.0.2.10:6443"), "other")
    text = refusal(one, other)
    assert one in text
    assert other in text
    assert load_kubeconfig(one, {"KUBECONFIG": one}, None, HOSTS).path == one


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "192.0.2.10", "k3s.boathou.se", "10.43.0.1"])
def test_our_servers_are_accepted(tmp_path: Path, host: str) -> None:
    assert load_kubeconfig(write(tmp_path, document(f"https://{host}:6443")), {}, None, HOSTS).server


def test_another_cluster_is_refused_with_the_key_that_would_allow_it(tmp_path: Path) -> None:
    text = refusal(write(tmp_path, document("https://eks.example.org")))
    assert "refusing to touch https://eks.example.org" in text
    assert "allowedApiHosts" in text


def test_a_list_is_merged_as_kubectl_does(tmp_path: Path) -> None:
    first = {**document("https://192.0.2.10:6443"), "current-context": ""}
    second = {**document("https://192.0.2.11:6443"), "users": [{"name": "admin", "user": {"token": "second"}}]}
    paths = [write(tmp_path, first, "first"), str(tmp_path / "absent"), write(tmp_path, second, "second")]
    merged = load_kubeconfig(None, {"KUBECONFIG": os.pathsep.join(paths)}, None, HOSTS)
    assert merged.server == "https://192.0.2.10:6443"
    assert merged.path == os.pathsep.join([paths[0], paths[2]])


def test_the_result_holds_on_any_machine_and_only_what_is_needed(tmp_path: Path) -> None:
    write(tmp_path, "certificate", "ca.crt")
    content = document(**{"certificate-authority": "ca.crt"})
    content["users"].append({"name": "somebody", "user": {"token": "unrelated"}})
    kubeconfig = load_kubeconfig(write(tmp_path, content), {}, None, HOSTS)
    text = kubeconfig.contents.value
    assert str(tmp_path) not in text
    assert "certificate-authority-data: Y2VydGlmaWNhdGU=" in text
    assert "unrelated" not in text
    assert "canary" not in repr(kubeconfig)


def test_home_and_relative_paths_are_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, document())
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert load_kubeconfig("~/config", {}, None, HOSTS).path == path
    assert load_kubeconfig("config", {}, None, HOSTS).path == path


class _Handler(http.server.BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        del format, args


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), _Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


@pytest.mark.parametrize("status", [200, 401, 403])
def test_a_server_that_answers_is_reachable(server: str, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Handler, "status", status)
    check_reachable(Kubeconfig("config", server, Secret(""), {}))


def test_a_server_that_is_not_ready_is_named(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Handler, "status", 500)
    with pytest.raises(pulumi.RunError, match="is not ready"):
        check_reachable(Kubeconfig("config", server, Secret(""), {}))


def test_a_server_that_is_down_is_named_with_the_ssh_tunnel() -> None:
    with pytest.raises(pulumi.RunError, match="ssh -L 16443:localhost:6443 tethys -N"):
        check_reachable(Kubeconfig("config", "https://127.0.0.1:1", Secret(""), {}))


@pytest.mark.parametrize("authority", ["@@@", "aGVsbG8=", "aGVsbG8"], ids=["not base64", "no certificate", "cut short"])
def test_a_certificate_authority_that_is_none_is_not_called_an_unreachable_server(authority: str) -> None:
    cluster = {"certificate-authority-data": authority}
    with pytest.raises(pulumi.RunError, match="the kubeconfig config has a certificate authority that is not a PEM"):
        check_reachable(Kubeconfig("config", "https://127.0.0.1:1", Secret(""), cluster))
