"""Whether the API server answers, and whether the cluster is ours."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from oceanid_cluster.config.cluster import NODES
from oceanid_cluster.config.errors import StartUpError
from oceanid_cluster.config.secret import Secret
from oceanid_cluster.startup.configuration import load
from oceanid_cluster.startup.identity import Identity, differences, read_cluster, read_identity
from oceanid_cluster.startup.kubeconfig import Kubeconfig, load_kubeconfig
from oceanid_cluster.startup.kubectl import Kubectl
from oceanid_cluster.startup.reasons import why
from tests.samples import EVERYTHING, REQUIRED, SECRET, settings
from tests.startup.api_server import cluster, serving
from tests.startup.test_kubeconfig_refusals import HOSTS, document, write

UID = EVERYTHING["clusterUid"]


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/api/v1/namespaces/kube-system", b"<html>welcome</html>"),
        ("/api/v1/namespaces/kube-system", {"metadata": None}),
        ("/api/v1/namespaces/kube-system", None),
        ("/api/v1/nodes", {"items": [{}]}),
        ("/api/v1/namespaces", None),
        ("/api/v1/namespaces", {"items": [{"metadata": {"labels": []}}]}),
    ],
)
def test_a_server_that_is_not_a_kubernetes_api_is_named(tmp_path: Path, path: str, answer: Any) -> None:
    with serving({**cluster([]), path: answer}) as server:
        kubectl = Kubectl(load_kubeconfig(server.kubeconfig(tmp_path / "config", {"token": "x"}), {}, None, HOSTS))
        with pytest.raises(StartUpError) as caught:
            read_cluster(kubectl, load(REQUIRED, SECRET, "dev"))
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


def test_nothing_else_is_read_of_a_cluster_of_somebody_else(tmp_path: Path) -> None:
    with serving(cluster([*HOSTS_OF_OURS], owner="oceanid-prod")) as server:
        kubectl = Kubectl(load_kubeconfig(server.kubeconfig(tmp_path / "config", {"token": "x"}), {}, None, HOSTS))
        with pytest.raises(StartUpError, match=r"refusing to touch .*: it is another cluster"):
            read_cluster(kubectl, load(REQUIRED, SECRET, "dev"))
    assert not any("secrets" in path for path, _ in server.asked)


PAST, FUTURE = datetime(2020, 1, 1, tzinfo=UTC), datetime(2090, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "start", "end", "said", "cure"),
    [
        ("127.0.0.1", PAST, datetime(2021, 1, 1, tzinfo=UTC), "has expired", "systemctl restart k3s"),
        ("127.0.0.1", datetime(2089, 1, 1, tzinfo=UTC), FUTURE, "is not valid yet", "date -u"),
        ("kubernetes", PAST, FUTURE, "was made for other names", "--tls-server-name=kubernetes"),
        ("10.43.0.1", PAST, FUTURE, "was made for other names", "--tls-san"),
    ],
    ids=["expired", "not yet valid", "another name", "another address"],
)
def test_a_certificate_that_is_refused_has_its_own_reason_and_cure(
    tmp_path: Path, name: str, start: datetime, end: datetime, said: str, cure: str
) -> None:
    with serving({}, name, start, end) as server:
        path = server.kubeconfig(tmp_path / "config", {"token": "x"})
        with pytest.raises(StartUpError) as caught:
            read_identity(Kubectl(load_kubeconfig(path, {}, None, None)), settings())
    assert said in str(caught.value)
    assert cure in str(caught.value)
    assert "fresh kubeconfig" not in str(caught.value)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("error: You must be logged in to the server (Unauthorized)", "refuses the credentials"),
        ('Error from server (Forbidden): nodes is forbidden: User "x" cannot list', "does not let this user read"),
        (
            "Unable to connect to the server: tls: failed to verify certificate: x509: certificate signed by unknown…",
            "https://127.0.0.1:1 (from config) shows a certificate that the kubeconfig does not trust.\n",
        ),
        (
            "Unable to connect to the server: remote error: tls: bad certificate",
            "https://127.0.0.1:1 (from config) rejected the client certificate of the kubeconfig.\n",
        ),
        (
            "error: tls: private key does not match public key",
            "was not asked: the kubeconfig's client certificate and key are broken.\n",
        ),
        ("Unable to connect to the server: proxyconnect tcp: dial tcp 127.0.0.1:9: connection refused", "the proxy of"),
        ("Unable to connect to the server: remote error: tls: handshake failure", "refused the TLS connection"),
        ("error: specifying a root certificates file with the insecure flag is not allowed", "cannot use the kube"),
        ("Error from server (ServiceUnavailable): the server is currently unable to handle", "is not ready"),
        ("Unable to connect to the server: getting credentials: exec: canary", "login plugin or token does not work"),
        ("error: open /canary/token: no such file or directory", "login plugin or token does not work"),
        ('Unable to connect to the server: net/http: invalid header field value for "…"', "token does not work"),
        (
            "Unable to connect to the server: http: server gave HTTP response to HTTPS client",
            "another program answers there",
        ),
        ("something new", "cannot reach"),
    ],
)
def test_each_kind_of_refusal_has_its_own_message(said: str, expected: str) -> None:
    text = why(said, Kubeconfig("config", "prod", "https://127.0.0.1:1", Secret(""), ()))
    assert expected in text
    assert "canary" not in text
