"""The kubeconfig: which one is used, what is wrong with it, and whether it leads to our cluster."""

import json
import os
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from oceanid_cluster.config.errors import StartUpError
from oceanid_cluster.config.secret import Secret
from oceanid_cluster.startup.kubeconfig import Kubeconfig, load_kubeconfig
from oceanid_cluster.startup.kubectl import Kubectl
from sandbox import tools

HOSTS = ("192.0.2.10", "192.0.2.11", "k3s.boathou.se")


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


def with_user(user: object) -> dict[str, Any]:
    return {**document(), "users": [{"name": "admin", "user": user}]}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a: [", "is not a kubeconfig"),
        ({"kind": "Pod", "apiVersion": "v1"}, "is not a kubeconfig"),
        ({**document(), "current-context": "other"}, "has no context 'other' (it has: prod)"),
        ({**document(), "current-context": ""}, "has no current-context"),
        (without("clusters"), "has no cluster 'oceanid'"),
        (without("users"), "has no user 'admin'"),
        ({**document(), "contexts": [{"context": {}}]}, "has no context 'prod' (it has: none)"),
        (with_user([{"token": "canary"}]), "is not a kubeconfig"),
        (with_user({"client-key": "canary"}), "names a certificate or key file that does not exist"),
        (document("not a url"), "has no usable server URL"),
        (document("ftp://127.0.0.1"), "has no usable server URL"),
        (document("https://127.0.0.1:99999"), "has no usable server URL"),
        (document("https://127.0.0.1\\@192.0.2.10"), "has no usable server URL"),
        (document("127.0.0.1:6443"), "in its cluster 'oceanid': it has no scheme, and kubectl takes that for http"),
        (document("https://127.1:6443"), "has no usable server URL"),
        ({**document(), "clusters": document()["clusters"] * 2}, "has two entries of one name"),
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
        said = refusal(one, other)
        assert "lead to different API servers" in said
        assert one in said
        assert other in said


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "192.0.2.10", "k3s.boathou.se", "10.43.0.1"])
def test_our_servers_are_accepted(tmp_path: Path, host: str) -> None:
    assert load_kubeconfig(write(tmp_path, document(f"https://{host}:6443")), {}, None, HOSTS).server


def test_another_cluster_is_refused_with_the_key_that_would_allow_it(tmp_path: Path) -> None:
    path = write(tmp_path, document("https://eks.example.org"))
    with pytest.raises(StartUpError) as caught:
        load_kubeconfig(path, {}, None, HOSTS, ["gke.example.org"])
    text = str(caught.value)
    assert "refusing to touch https://eks.example.org" in text
    command = shlex.split(text.partition("allow it:")[2])
    assert command[:4] == ["pulumi", "config", "set", "allowedApiHosts"]
    assert json.loads(command[4]) == ["gke.example.org", "eks.example.org"], "the cure keeps what is in the list"
    assert load_kubeconfig(path, {}, None, HOSTS, json.loads(command[4])).server == "https://eks.example.org"


def test_a_kubectl_that_does_not_start_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, document())
    assert "an argument holds a zero byte" in refusal(path, context="a\0b")
    (tmp_path / "kubectl").touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "'kubectl' cannot be started: Permission denied" in refusal(path)
    tools.script(tmp_path / "kubectl", "kill -9 $$")
    assert "'kubectl' was ended by signal 9" in refusal(path)


def test_a_call_takes_nothing_from_the_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its kubeconfig nor the operator's preferences for kubectl (kubectl: pkg/kuberc/kuberc.go)."""
    (tmp_path / "kubectl").write_text('#!/bin/sh\necho "$KUBECONFIG $KUBERC $*"\n', encoding="utf-8")
    (tmp_path / "kubectl").chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("KUBECONFIG", "/elsewhere")
    monkeypatch.setenv("KUBERC", "/preferences")
    kubectl = Kubectl(Kubeconfig("/config", "prod", "https://127.0.0.1:1", Secret(""), ()))
    said = kubectl.run("get", "nodes").stdout
    assert said == "/config off --context prod --request-timeout=20s get nodes\n"


def test_a_query_of_the_servers_url_is_not_shown(tmp_path: Path) -> None:
    """kubectl does not send it either (client-go: rest/client.go, NewRESTClient)."""
    path = write(tmp_path, document("https://127.0.0.1:6443/k8s?token=canary#canary"))
    assert load_kubeconfig(path, {}, None, HOSTS).server == "https://127.0.0.1:6443/k8s"
