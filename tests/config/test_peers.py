"""Who may reach a workload, as the configuration says it."""

import re
import shlex

import pytest

from oceanid_cluster.config.peers import Peer, parse_peers
from tests.samples import settings

TRAEFIK = Peer("kube-system", {"app.kubernetes.io/name": "traefik"})


def test_a_peer_is_a_namespace_and_perhaps_the_labels_of_its_pods() -> None:
    assert parse_peers("[]") == ()
    assert parse_peers('[{"namespace": "a"}]') == parse_peers('[{"namespace": "a", "labels": {}}]') == (Peer("a"),)
    text = '[{"namespace": "kube-system", "labels": {"app.kubernetes.io/name": "traefik"}}]'
    assert parse_peers(text) == (TRAEFIK,)
    assert TRAEFIK.manifest() == {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "traefik"}},
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kube-system", "is not a list such as"),
        ("[" * 100_000, "is not a list such as"),
        ('{"namespace": "a"}', "is not a list such as"),
        ('[{"namespace": "a"}, 1]', "entry 2 is not an object"),
        ('[{"namespace": "Kube_System"}]', "entry 1 has no namespace, or one that Kubernetes would refuse"),
        ('[{"namespace": ["a"]}]', "has no namespace"),
        ('[{"namespace": "a", "podLabels": {}}]', "has the unknown field 'podLabels' (known: namespace, labels)"),
        ('[{"namespace": "a", "labels": ["b"]}]', "has labels that are not an object"),
        ('[{"namespace": "a", "labels": {"b": [1]}}]', "has a label that Kubernetes would refuse: 'b'"),
    ],
)
def test_a_wrong_peer_is_named(text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=re.escape(expected)):
        parse_peers(text)


def test_a_label_studio_that_nothing_can_reach_is_a_warning_with_a_command_that_works() -> None:
    without = {"enableCloudflareTunnel": "false"}
    (warning,) = settings(without).warnings
    assert "nothing in the cluster may reach Label Studio" in warning
    command = shlex.split(warning.partition("pulumi config set ")[2])
    assert settings({**without, command[0]: command[1]}).label_studio_callers == [TRAEFIK]
    assert settings({**without, command[0]: command[1]}).warnings == ()
    assert settings({**without, "enableLabelStudio": "false"}).warnings == ()
    assert settings().warnings == ()
