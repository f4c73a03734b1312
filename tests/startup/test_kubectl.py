"""kubectl on the cluster: one login before several questions, and one message for whatever is in the way."""

from pathlib import Path
from typing import Any

import pytest

from oceanid_cluster.config.cluster import NODES
from oceanid_cluster.config.errors import StartUpError
from oceanid_cluster.startup import kubectl as module
from oceanid_cluster.startup.configuration import load
from oceanid_cluster.startup.identity import read_cluster, read_identity
from oceanid_cluster.startup.kubeconfig import load_kubeconfig
from oceanid_cluster.startup.kubectl import Kubectl
from oceanid_cluster.startup.processes import CommandError
from sandbox import tools
from tests.samples import REQUIRED, SECRET, settings
from tests.startup.api_server import ApiServer, cluster, serving
from tests.startup.test_kubeconfig_relative import EXEC, LOGIN


@pytest.fixture(autouse=True)
def upstream_kubectl(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of Google's SDK logs in whatever it is asked, even for its own version."""
    monkeypatch.setenv("PATH", str(tools.get([tools.ALL["kubectl"]])["kubectl"].parent), prepend=":")


def with_login(server: ApiServer, folder: Path, program: str) -> Kubectl:
    path = server.kubeconfig(folder / "config", {"exec": {**EXEC, "command": "./login"}})
    tools.script(folder / "login", program)
    return Kubectl(load_kubeconfig(path, {}, None, None))


def test_a_login_program_asks_once_before_anything_else_and_is_heard(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # As one that keeps its token: it asks the first time, and whoever comes before there is an answer asks again.
    program = f"""
[ -e {tmp_path}/token ] || {{ printf 'enter code ABCD' >&2; echo asked >> {tmp_path}/log; touch {tmp_path}/token; }}
{LOGIN % "canary"}"""
    with serving(cluster([node.host for node in NODES])) as server:
        read_cluster(with_login(server, tmp_path, program), load(REQUIRED, SECRET, "dev"))
    assert (tmp_path / "log").read_text(encoding="utf-8") == "asked\n"
    assert capfd.readouterr().err == "enter code ABCD"
    assert server.asked[0] == ("/version", "Bearer canary")
    assert server.asked[1][0] == "/api/v1/namespaces/kube-system"


def test_a_login_program_that_does_not_answer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOGIN_SECONDS", 1)
    monkeypatch.setattr(module, "_MORE_SECONDS", 0)
    with serving(cluster([])) as server:
        kubectl = with_login(server, tmp_path, "exec sleep 60")
        with pytest.raises(StartUpError, match=r"the login program '.*/login' of the kubeconfig .* did not answer"):
            read_cluster(kubectl, load(REQUIRED, SECRET, "dev"))
    assert server.asked == []


def test_every_question_says_the_same_of_a_server_that_is_down(tmp_path: Path) -> None:
    with serving({}) as server:
        path = server.kubeconfig(tmp_path / "config", {"token": "canary"})
    kubectl = Kubectl(load_kubeconfig(path, {}, None, None))
    said: set[str] = set()
    for ask in (
        lambda: kubectl.raw("/version"),
        lambda: kubectl.get("pods", "-A"),
        lambda: kubectl.objects("get", "secrets", "-n", "x"),
        lambda: kubectl.text("get", "customresourcedefinitions", "-o", "name"),
    ):
        with pytest.raises(CommandError) as caught:
            ask()
        said.add(str(caught.value))
    (message,) = said
    assert message.startswith(f"cannot reach the Kubernetes API server {server.url} (from {path}): refused")
    assert "ssh -L 16443:localhost:6443 tethys -N" in message


def test_a_kind_that_is_not_served_hides_no_other_one(tmp_path: Path) -> None:
    """As the kind of a CRD that is stored, and not served yet."""
    pods = [{"name": "pods", "namespaced": True, "kind": "Pod", "verbs": ["get", "list"]}]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "n"}}
    answers = {
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
        "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": pods},
        "/api/v1/pods": {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [pod]},
        "/api/v1/namespaces/n/pods/a": pod,
    }
    with serving(answers) as server:
        path = server.kubeconfig(tmp_path / "config", {"token": "canary"})
        kubectl = Kubectl(load_kubeconfig(path, {}, None, None))
        for names, scope in (("widgets.example.org,pods", "-A"), (["widgets.example.org/b", "pod/a"], "--namespace=n")):
            assert [one["metadata"]["name"] for one in kubectl.get(names, scope, "--ignore-not-found")] == ["a"]
        assert kubectl.get("widgets.example.org", "-A") == []


@pytest.mark.parametrize(
    ("user", "meaning"),
    [
        ({"token": "canary", "as-uid": "somebody"}, "cannot use the kubeconfig"),
        ({"tokenFile": "/nowhere/token"}, "login plugin or token does not work"),
        ({"exec": {**EXEC, "interactiveMode": None, "command": "login"}}, "cannot use the kubeconfig"),
        ({"exec": {**EXEC, "command": "absent"}}, "login plugin or token does not work"),
        ({"auth-provider": {"name": "gcp"}}, "cannot use the kubeconfig"),
        ({"token": "canary"}, "another program answers there"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_every_question_says_what_the_first_one_says(user: dict[str, Any], meaning: str, tmp_path: Path) -> None:
    with serving({"/api": b"<html>", "/api/v1/namespaces/kube-system": b"<html>"}) as server:
        path = server.kubeconfig(tmp_path / "config", user)
        kubectl = Kubectl(load_kubeconfig(path, {}, None, None))
        said: set[str] = set()
        for ask in (lambda: read_identity(kubectl, settings()), lambda: kubectl.get("pods", "-A")):
            with pytest.raises(StartUpError) as caught:
                ask()
            said.add(str(caught.value))
    (message,) = said
    assert meaning in message


def test_what_is_not_about_the_server_is_said_in_kubectls_words(tmp_path: Path) -> None:
    with serving(cluster([])) as server:
        path = server.kubeconfig(tmp_path / "config", {"token": "canary"})
        kubectl = Kubectl(load_kubeconfig(path, {}, None, None))
        with pytest.raises(CommandError) as caught:
            kubectl.text("create", "-f", "-", stdin="{")
    assert str(caught.value).startswith(
        f"'kubectl create -f' failed at {server.url} (from {path}): error: error parsing"
    )
