"""Whether the API server answers, and whether the cluster is ours."""

import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from oceanid_cluster.config.cluster import NODES
from oceanid_cluster.config.errors import StartUpError
from oceanid_cluster.config.secret import Secret
from oceanid_cluster.startup.configuration import load
from oceanid_cluster.startup.identity import Identity, differences, read_cluster
from oceanid_cluster.startup.kubeconfig import Kubeconfig, load_kubeconfig
from oceanid_cluster.startup.kubectl import Kubectl
from oceanid_cluster.startup.reasons import why
from tests.samples import EVERYTHING, REQUIRED, SECRET
from tests.startup.api_server import cluster, serving
from tests.startup.test_kubeconfig_refusals import HOSTS, document, write

UID = EVERYTHING["clusterUid"]


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
def test_a_server_that_is_not_a_kubernetes_api_is_named(tmp_path: Path, scheme: str, answer: tuple[int, bytes]) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Page", (_Page,), {"answer": answer})) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        path = write(tmp_path, document(f"{scheme}://127.0.0.1:{server.server_port}"))
        kubectl = Kubectl(load_kubeconfig(path, {}, None, HOSTS))
        with pytest.raises(StartUpError) as caught:
            read_cluster(kubectl, load(REQUIRED, SECRET, "dev"))
        server.shutdown()
    assert "is not a Kubernetes API server: another program answers there" in str(caught.value)
    assert "ssh -L 16443:localhost:6443 tethys -N" in str(caught.value)


def test_generated_values_that_are_not_text_are_left_out(tmp_path: Path) -> None:
    """Somebody may have put anything into the Secret."""
    claim = {"resources": {"requests": {"storage": "20Gi"}}}
    answers: dict[str, Any] = {
        "label-studio-data": {"spec": claim},
        "kube-system": {"metadata": {"uid": "x"}},
        "labelstudio-app-credentials": {"data": {"secret-key": "a2V5", "admin-password": "//8=", "other": "no base64"}},
        "nodes": {"items": [{"metadata": {"name": node.host}} for node in NODES]},
        "namespaces": {"items": []},
    }
    path = write(tmp_path, document())
    kubectl = Kubectl(load_kubeconfig(path, {}, None, HOSTS))
    kubectl.raw = lambda path: answers[path.partition("?")[0].rpartition("/")[2]]
    found = read_cluster(kubectl, load(REQUIRED, SECRET, "dev"))
    assert found.generated
    assert {key: secret.value for key, secret in found.generated.items()} == {"secret-key": "key"}
    assert found.claim == claim


HOSTS_OF_OURS = frozenset(node.host for node in NODES)
OURS = {"oceanid-dev": ["apps"]}
# What may only be said of a cluster that can be ours.
ADVICE = ("pulumi config set", "adopt", "manageNodeLabels")


@pytest.mark.parametrize(
    ("found", "changes", "can_be_ours", "expected"),
    [
        (Identity("x", frozenset(), {"oceanid-prod": ["apps"]}), {}, False, "belong to the cluster 'oceanid-prod'"),
        (Identity("x", HOSTS_OF_OURS, {"oceanid-prod": ["apps"]}), {}, False, "apps belong to the cluster"),
        (Identity("x", frozenset(), {"other": ["a"]}), {"manageNodeLabels": "false"}, False, "ours is 'oceanid-dev'"),
        (Identity("x", frozenset(), {**OURS, "other": ["a"]}), {}, False, "Its namespaces a belong to"),
        (Identity("x", frozenset({"elsewhere"})), {}, False, "its nodes are elsewhere."),
        (Identity("x"), {"manageNodeLabels": "false", "clusterUid": UID}, False, "Its UID is x"),
        (Identity("x", HOSTS_OF_OURS), {"clusterUid": UID}, True, "pulumi config set clusterUid x"),
        (Identity("x", HOSTS_OF_OURS - {"calypso"}, OURS), {}, True, "pulumi config set manageNodeLabels false"),
    ],
)  # fmt: skip
def test_another_cluster_is_refused_and_advice_is_given_only_where_it_can_be_ours(
    found: Identity, changes: dict[str, str], can_be_ours: bool, expected: str
) -> None:
    said = "\n".join(differences(found, load({**REQUIRED, **changes}, SECRET, "dev")))
    assert expected in said
    assert any(word in said for word in ADVICE) == can_be_ours
    assert ("Use the kubeconfig of this stack's cluster" in said) != can_be_ours


def test_a_cluster_of_ours_is_none_of_these() -> None:
    for changes in ({}, {"manageNodeLabels": "false"}, {"clusterUid": UID}):
        settings = load({**REQUIRED, **changes}, SECRET, "dev")
        assert differences(Identity(UID, HOSTS_OF_OURS, OURS), settings) == []
        assert differences(Identity(UID, HOSTS_OF_OURS), settings) == []


@pytest.mark.parametrize(
    "answer", [None, [], {"items": [{"metadata": None}]}, {"items": [{"metadata": {"labels": []}}]}]
)
def test_a_list_of_something_else_is_not_an_answer_of_kubernetes(tmp_path: Path, answer: Any) -> None:
    with serving({**cluster([]), "/api/v1/namespaces": answer}) as server:
        kubectl = Kubectl(load_kubeconfig(server.kubeconfig(tmp_path / "config", {"token": "x"}), {}, None, HOSTS))
        with pytest.raises(StartUpError, match="another program answers there"):
            read_cluster(kubectl, load(REQUIRED, SECRET, "dev"))


def test_nothing_else_is_read_of_a_cluster_of_somebody_else(tmp_path: Path) -> None:
    with serving(cluster([*HOSTS_OF_OURS], owner="oceanid-prod")) as server:
        kubectl = Kubectl(load_kubeconfig(server.kubeconfig(tmp_path / "config", {"token": "x"}), {}, None, HOSTS))
        with pytest.raises(StartUpError, match=r"refusing to touch .*: it is another cluster"):
            read_cluster(kubectl, load(REQUIRED, SECRET, "dev"))
    assert not any("secrets" in path for path, _ in server.asked)


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
        ("Unable to connect to the server: tls: failed to verify certificate: x509: …", "does not trust"),
        ("Unable to connect to the server: remote error: tls: bad certificate", "rejects the client certificate"),
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
