"""The start-up checks beside the configuration: the CI guard, and the kubeconfig that must lead to our cluster."""

import base64
import json
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from oceanid_cluster.config.cluster import NODES
from oceanid_cluster.config.errors import StartUpError
from oceanid_cluster.config.secret import Secret
from oceanid_cluster.startup.configuration import load
from oceanid_cluster.startup.guard import check_not_hosted_ci
from oceanid_cluster.startup.identity import read_cluster, why
from oceanid_cluster.startup.kubeconfig import Kubeconfig, load_kubeconfig
from oceanid_cluster.startup.kubectl import Kubectl
from tests.samples import REQUIRED, SECRET

pytestmark = pytest.mark.tools

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
    with pytest.raises(StartUpError, match="CLUSTER STACK CANNOT RUN IN GITHUB ACTIONS") as caught:
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
    with pytest.raises(StartUpError) as caught:
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
        ("a: [", "is not a kubeconfig"),
        ("\x00", "is not a kubeconfig"),
        ({"kind": "Pod", "apiVersion": "v1"}, "is not a kubeconfig"),
        ("just text", "is not a kubeconfig"),
        ({**document(), "current-context": "other"}, "has no context 'other' (it has: prod)"),
        ({**document(), "current-context": ""}, "has no current-context"),
        (without("clusters"), "has no cluster 'oceanid'"),
        (without("users"), "has no user 'admin'"),
        (document("not a url"), "has no usable server URL"),
        (document("https://admin:canary@127.0.0.1:6443"), "in its cluster 'oceanid': it holds credentials"),
        (document(""), "has no usable server URL"),
        (document(**{"certificate-authority-data": "@@@"}), "is not a kubeconfig"),
        (document(**{"certificate-authority": "absent.crt"}), "names a certificate or key file that does not exist"),
        ({**document(), "contexts": [{"name": "prod", "context": {"user": "admin"}}]}, "does not name a cluster"),
    ],
)
def test_a_broken_kubeconfig_is_named_with_what_is_wrong(tmp_path: Path, content: object, expected: str) -> None:
    path = write(tmp_path, content)
    text = refusal(path)
    assert expected in text
    assert path in text


def test_a_folder_an_absent_or_an_unreadable_file_is_no_kubeconfig(tmp_path: Path) -> None:
    assert "is not a file" in refusal(str(tmp_path))
    assert "does not exist" in refusal(None, str(tmp_path / "absent"))
    assert "names the home of an unknown user" in refusal("~nobody-of-this-name/config")


CONTENT = yaml.safe_dump(document())


@pytest.mark.parametrize(
    "value",
    [CONTENT, json.dumps(document()), base64.b64encode(CONTENT.encode()).decode(), CONTENT.replace("\n", "  "),
     "canary-token-of-somebody-4f8a9b7c", f"/tmp/{'canary' * 60}"],
    ids=["YAML", "JSON", "base64", "one line", "a token", "no path"],
)  # fmt: skip
def test_a_value_that_is_no_path_is_refused_without_showing_any_of_it(value: str) -> None:
    for text in (refusal(None, value), refusal(value)):
        assert not any(part in text for part in ("127.0.0.1", "oceanid", "YXBp")), text
        assert "of a kubeconfig" in text


def test_config_and_environment_must_lead_to_the_same_server(tmp_path: Path) -> None:
    one, other = write(tmp_path, document(), "one"), write(tmp_path, document("https://192.0.2.10:6443"), "other")
    text = refusal(one, other)
    assert one in text
    assert other in text
    assert load_kubeconfig(one, {"KUBECONFIG": one}, None, HOSTS).path == one


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (document("https://localhost:16443"), document("https://127.0.0.1:16443/"), True),
        (document("https://[::1]:16443"), document("https://127.0.0.2:16443"), True),
        (document("https://192.0.2.10"), document("https://192.0.2.10:443"), True),
        (document("https://[::ffff:192.0.2.10]"), document("https://192.0.2.10"), True),
        (document("https://[::ffff:127.0.0.1]:6443"), document(), True),
        (document("https://localhost.:6443"), document(), True),
        (document("https://192.0.2.10/k8s/clusters/a"), document("https://192.0.2.10/k8s/clusters/b"), False),
        (document("http://192.0.2.10:443"), document("https://192.0.2.10:443"), False),
        (document(**{"tls-server-name": "a"}), document(**{"tls-server-name": "b"}), False),
        (document("https://127.0.0.1:6443"), document("https://127.0.0.1:6444"), False),
    ],
    ids=[
        "loopback names", "loopback addresses", "port", "mapped", "mapped loopback", "a dot", "paths", "schemes",
        "tls-server-name", "ports",
    ],
)  # fmt: skip
def test_an_endpoint_is_a_scheme_a_host_a_port_a_path_and_a_name(
    tmp_path: Path, left: object, right: object, same: bool
) -> None:
    one, other = write(tmp_path, left, "one"), write(tmp_path, right, "other")
    if same:
        assert load_kubeconfig(one, {"KUBECONFIG": other}, None, HOSTS).path == other
    else:
        assert "lead to different API servers" in refusal(one, other)


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
    assert merged.path == os.pathsep.join(paths)


def test_the_provider_gets_one_context_with_its_certificates_inside(tmp_path: Path) -> None:
    write(tmp_path, "certificate", "ca.crt")
    content = document(**{"certificate-authority": "ca.crt"})
    content["users"].append({"name": "somebody", "user": {"token": "unrelated"}})
    kubeconfig = load_kubeconfig(write(tmp_path, content), {}, None, HOSTS)
    text = kubeconfig.contents.value
    assert str(tmp_path) not in text
    assert '"certificate-authority-data": "Y2VydGlmaWNhdGU="' in text
    assert "unrelated" not in text
    assert "canary" not in repr(kubeconfig)


def test_home_and_relative_paths_are_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, document())
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert load_kubeconfig("~/config", {}, None, HOSTS).path == path
    assert load_kubeconfig("config", {}, None, HOSTS).path == path


def test_without_kubectl_one_message_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "'kubectl' is not installed, or not on PATH" in refusal(write(tmp_path, document()))


def test_a_kubectl_that_does_not_start_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, document())
    assert "an argument holds a zero byte" in refusal(path, context="a\0b")
    (tmp_path / "kubectl").touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "'kubectl' cannot be started: Permission denied" in refusal(path)


def test_a_call_takes_nothing_from_the_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its kubeconfig nor the operator's preferences for kubectl (kubectl: pkg/kuberc/kuberc.go)."""
    (tmp_path / "kubectl").write_text('#!/bin/sh\necho "$KUBECONFIG $KUBERC $*"\n', encoding="utf-8")
    (tmp_path / "kubectl").chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("KUBECONFIG", "/elsewhere")
    monkeypatch.setenv("KUBERC", "/preferences")
    kubectl = Kubectl(Kubeconfig("/config", "prod", "https://127.0.0.1:1", Secret(""), ()))
    said = kubectl.run("get", "nodes", variables={"KUBECONFIG": "/elsewhere"}).stdout
    assert said == "/config off --context prod --request-timeout=20s get nodes\n"


def test_a_context_without_a_user_is_one_of_nobody_in_particular(tmp_path: Path) -> None:
    content = {**document(), "contexts": [{"name": "prod", "context": {"cluster": "oceanid"}}]}
    assert load_kubeconfig(write(tmp_path, content), {}, None, HOSTS).server == "https://127.0.0.1:6443"


def test_a_query_of_the_servers_url_is_not_shown(tmp_path: Path) -> None:
    """kubectl does not send it either (client-go: rest/client.go, NewRESTClient)."""
    path = write(tmp_path, document("https://127.0.0.1:6443/k8s?token=canary#canary"))
    assert load_kubeconfig(path, {}, None, HOSTS).server == "https://127.0.0.1:6443/k8s"


class _Page(BaseHTTPRequestHandler):
    """Something that listens where the SSH tunnel should, with ``answer`` to whatever it is asked."""

    answer: tuple[int, bytes] = (200, b"")

    def do_GET(self) -> None:
        status, body = self.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name upstream
        """Nothing."""


@pytest.mark.parametrize(
    ("scheme", "answer"),
    [
        ("http", (200, b"<html>welcome</html>")),
        ("http", (200, b"[]")),
        ("http", (200, b'{"metadata": null}')),
        ("http", (200, b'{"metadata": {"name": "x", "uid": "y"}, "items": [{}]}')),
        ("http", (404, b"not found")),
        ("https", (200, b"no TLS")),
    ],
)
def test_what_is_no_kubernetes_api_is_named_as_that(tmp_path: Path, scheme: str, answer: tuple[int, bytes]) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Page", (_Page,), {"answer": answer})) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        path = write(tmp_path, document(f"{scheme}://127.0.0.1:{server.server_port}"))
        kubectl = Kubectl(load_kubeconfig(path, {}, None, HOSTS))
        with pytest.raises(StartUpError) as caught:
            read_cluster(kubectl, load(REQUIRED, SECRET, "dev"))
        server.shutdown()
    assert "is none: another program answers there" in str(caught.value)
    assert "ssh -L 16443:localhost:6443 tethys -N" in str(caught.value)


def test_generated_values_that_are_no_text_are_left_out(tmp_path: Path) -> None:
    """Somebody may have put anything into the Secret."""
    claim = {"resources": {"requests": {"storage": "20Gi"}}}
    answers: dict[str, Any] = {
        "label-studio-data": {"spec": claim},
        "kube-system": {"metadata": {"uid": "x"}},
        "labelstudio-app-credentials": {"data": {"secret-key": "a2V5", "admin-password": "//8=", "other": "no base64"}},
        "nodes": {"items": [{"metadata": {"name": node.host}} for node in NODES]},
    }
    path = write(tmp_path, document())
    kubectl = Kubectl(load_kubeconfig(path, {}, None, HOSTS))
    kubectl.raw = lambda path: answers[path.rpartition("/")[2]]
    found = read_cluster(kubectl, load(REQUIRED, SECRET, "dev"))
    assert found.generated
    assert {key: secret.value for key, secret in found.generated.items()} == {"secret-key": "key"}
    assert found.claim == claim


def test_a_server_that_does_not_answer_is_named_with_the_reason(tmp_path: Path) -> None:
    """What kubectl itself says of a closed port, put into one message."""
    path = write(tmp_path, document("https://127.0.0.1:1"))
    said = subprocess.run(
        ["kubectl", "get", "--raw", "/readyz"], env={**os.environ, "KUBECONFIG": path}, text=True, capture_output=True,
        check=False,
    ).stderr  # fmt: skip
    text = why(said, Kubeconfig(path, "prod", "https://127.0.0.1:1", Secret(""), ()))
    assert "cannot reach the Kubernetes API server https://127.0.0.1:1" in text
    assert "ssh -L 16443:localhost:6443 tethys -N" in text
    assert "canary" not in text


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("error: You must be logged in to the server (Unauthorized)", "refuses the credentials"),
        ('Error from server (Forbidden): nodes is forbidden: User "x" cannot list', "does not let this user read"),
        ("Unable to connect to the server: tls: failed to verify certificate: x509: …", "certificate"),
        ("Error from server (ServiceUnavailable): the server is currently unable to handle", "is not ready"),
        ("Unable to connect to the server: getting credentials: exec: canary", "login plugin or token does not work"),
        ("error: open /canary/token: no such file or directory", "login plugin or token does not work"),
        ('Unable to connect to the server: net/http: invalid header field value for "…"', "token does not work"),
        ("something new", "cannot reach"),
    ],
)
def test_each_kind_of_refusal_has_its_own_message(said: str, expected: str) -> None:
    text = why(said, Kubeconfig("config", "prod", "https://127.0.0.1:1", Secret(""), ()))
    assert expected in text
    assert "canary" not in text
