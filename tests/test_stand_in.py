"""The stand-in provider's own logic, held against what the real provider was seen to do."""

import base64
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.provider import kubernetes, ready, values
from sandbox.provider.kubernetes import KubernetesProvider
from sandbox.provider.random_values import password
from tests.recorded import plain

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**50), 2**50) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(min_size=1), inner),
)
OBJECTS = st.dictionaries(st.text(min_size=1), JSON.filter(lambda value: value is not None))


@given(OBJECTS)
def test_values_survive_the_way_to_the_engine_and_back(properties: dict[str, Any]) -> None:
    assert values.from_struct(values.to_struct(properties)) == properties


@given(OBJECTS)
def test_a_secret_stays_marked_and_its_mark_comes_off(properties: dict[str, Any]) -> None:
    marked = {name: values.secret(value) for name, value in properties.items()}
    back = values.from_struct(values.to_struct(marked))
    assert all(values.is_secret(value) for value in back.values())
    assert values.plain(back) == plain(back) == properties
    assert values.with_secrets_of(properties, marked) == marked


@given(OBJECTS, OBJECTS)
def test_there_is_a_difference_exactly_when_two_values_differ(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert (values.differences(old, new) == {}) == (old == new)


def test_differences_are_named_by_path() -> None:
    old = {"spec": {"replicas": 2, "list": [1, 2]}, "gone": 1, "metadata": {"labels": {"a/b": "x"}}}
    new = {"spec": {"replicas": 3, "list": [1]}, "new": 1, "metadata": {"labels": {"a/b": "y"}}}
    assert values.differences(old, new) == {
        "spec.replicas": "update",
        "spec.list[1]": "delete",
        "gone": "delete",
        "new": "add",
        'metadata.labels["a/b"]': "update",
    }


def test_drift_is_only_what_we_own() -> None:
    live = {"spec": {"replicas": 5, "added": 1}, "status": {}, "metadata": {"labels": {"a": "1", "theirs": "2"}}}
    owned = {"spec": {"replicas": 2}, "metadata": {"labels": {"a": "1"}}}
    assert values.projected(live, owned) == {"spec": {"replicas": 5}, "metadata": {"labels": {"a": "1"}}}


def test_an_unknown_is_found_wherever_it_is() -> None:
    assert values.has_unknown({"a": [{"b": values.secret(values.UNKNOWN)}]})
    assert not values.has_unknown({"a": ["b"]})


def test_what_kubectl_wrote_counts_as_ours_and_what_a_controller_wrote_does_not() -> None:
    written = [("kubectl-edit", "Update"), ("kubectl", "Apply"), ("pulumi-kubernetes-1f", "Update")]
    others = [("kube-controller-manager", "Update"), ("somebody-else", "Apply"), ("pulumi-kubernetes-1f", "Apply")]
    taken = [
        entry for entry in (*written, *others)
        if kubernetes._is_taken_over({"manager": entry[0], "operation": entry[1]})  # pyright: ignore[reportPrivateUsage]
    ]  # fmt: skip
    assert taken == written


@given(OBJECTS)
def test_fields_of_two_managers_become_those_of_one(fields: dict[str, Any]) -> None:
    nested = {name: {"f:": {}} for name in fields}
    for left, right in ((nested, {}), ({}, nested), (nested, nested), (nested, {name: {} for name in fields})):
        assert kubernetes._merged(left, right) == nested  # pyright: ignore[reportPrivateUsage]


@pytest.fixture
def provider() -> KubernetesProvider:
    return KubernetesProvider("127.0.0.1:1", "0.0.0")


def manifest(kind: str, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "x", "namespace": "y"}, **fields}


@pytest.mark.parametrize(
    ("old", "new", "options", "replaced"),
    [
        (manifest("ConfigMap", data={"a": "1"}), manifest("ConfigMap", data={"a": "2"}), {}, True),
        (
            manifest("ConfigMap", data={"a": "1"}),
            manifest("ConfigMap", data={"a": "2"}, immutable=True),
            {"enableConfigMapMutable": "true"},
            True,
        ),
        (manifest("Secret"), manifest("Secret", type="Opaque"), {"enableSecretMutable": "true"}, True),
        (manifest("Service"), {**manifest("Service"), "metadata": {"name": "z", "namespace": "y"}}, {}, True),
        (manifest("Service"), {**manifest("Service"), "metadata": {"name": "x", "namespace": "z"}}, {}, True),
        ({**manifest("A"), "apiVersion": "g/v1"}, {**manifest("A"), "apiVersion": "h/v1"}, {}, True),
    ],
)
def test_what_the_real_provider_replaces_is_replaced(
    provider: KubernetesProvider, old: dict[str, Any], new: dict[str, Any], options: dict[str, str], replaced: bool
) -> None:
    provider._options = options  # pyright: ignore[reportPrivateUsage]
    changed = list(values.differences(old, new))
    found = provider._replaces(f"kubernetes:core/v1:{new['kind']}", old, new, changed)  # pyright: ignore[reportPrivateUsage]
    assert bool(found) is replaced


KUBECONFIG = (
    "current-context: c\ncontexts: [{name: c, context: {cluster: k}}]\nclusters: [{name: k, cluster: {server: %s}}]"
)


@pytest.mark.parametrize(
    ("old", "new", "replaces"),
    [
        ({"kubeconfig": KUBECONFIG % "a"}, {"kubeconfig": KUBECONFIG % "b"}, ["kubeconfig"]),
        (
            {"kubeconfig": KUBECONFIG % "a", "clusterIdentifier": "i"},
            {"kubeconfig": KUBECONFIG % "b", "clusterIdentifier": "i"},
            [],
        ),
        ({"clusterIdentifier": "i"}, {"clusterIdentifier": "j"}, ["clusterIdentifier"]),
        ({"kubeconfig": KUBECONFIG % "a"}, {"kubeconfig": KUBECONFIG % "a", "clusterIdentifier": "i"}, []),
    ],
)
def test_the_provider_itself_is_replaced_only_for_another_cluster(
    provider: KubernetesProvider, old: dict[str, Any], new: dict[str, Any], replaces: list[str]
) -> None:
    class Request:
        olds = values.to_struct(old)
        news = values.to_struct(new)

    answer = provider._diff_config(Request())  # pyright: ignore[reportPrivateUsage]
    assert list(answer.replaces) == replaces


def test_many_calls_at_once_share_one_connection(provider: KubernetesProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(8)
    made: list[object] = []

    def connect(*_: object) -> object:
        made.append(object())
        threading.Event().wait(0.05)  # time for the others to come in
        return made[-1]

    def ask(_: int) -> object:
        together.wait()
        return provider.cluster()

    monkeypatch.setattr(kubernetes, "Cluster", connect)
    monkeypatch.setattr(provider, "_options", {"kubeconfig": "any"})
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(ask, range(8))) == set(made)
    assert len(made) == 1


class FakeCluster:
    """A cluster whose object goes through given states."""

    def __init__(self, *states: dict[str, Any] | None) -> None:
        self._states = states

    def watch(self, manifest: dict[str, Any], seconds: float) -> Any:
        del manifest, seconds
        yield from self._states

    def request(self, method: str, path: str) -> dict[str, Any]:
        del method, path
        waiting = {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}
        return {"items": [{"metadata": {"name": "x-1"}, "status": {"containerStatuses": [waiting]}}]}


def deployment(ready_pods: int, **annotations: str) -> dict[str, Any]:
    return {
        "kind": "Deployment",
        "metadata": {"name": "x", "namespace": "y", "generation": 1, "annotations": annotations},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"a": "b"}}},
        "status": {"observedGeneration": 1, "updatedReplicas": 2, "readyReplicas": ready_pods, "replicas": 2},
    }


def wait(cluster: FakeCluster, live: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    said: list[str] = []
    found = ready.wait_ready(cluster, live, 1, said.append, threading.Event())  # pyright: ignore[reportArgumentType]
    return found, said


def test_a_deployment_is_waited_for_and_says_how_far_it_is() -> None:
    states = [deployment(0), deployment(1), deployment(2)]
    found, said = wait(FakeCluster(*states), states[0])
    assert found == states[2]
    assert said == ["waiting for 0 of 2 pods to be ready", "waiting for 1 of 2 pods to be ready"]


def test_one_that_never_gets_ready_is_named_with_its_pods_reason() -> None:
    with pytest.raises(ready.NotReady, match="pod x-1: ImagePullBackOff no such image"):
        wait(FakeCluster(deployment(0)), deployment(0))


def test_skip_await_is_honoured_and_a_deletion_is_noticed() -> None:
    live = deployment(0, **{"pulumi.com/skipAwait": "true"})
    assert wait(FakeCluster(), live) == (live, [])
    with pytest.raises(ready.NotReady, match="was deleted"):
        wait(FakeCluster(None), deployment(0))


def test_wait_for_a_condition_or_a_path() -> None:
    annotations = {"pulumi.com/waitFor": '["condition=Ready", "jsonpath={.status.phase}=Up"]'}
    live = {"kind": "Thing", "metadata": {"generation": 2, "annotations": annotations}}
    status = {"conditions": [{"type": "Ready", "status": "True"}], "phase": "Up"}
    before, done = ({**live, "status": {**status, "observedGeneration": seen}} for seen in (1, 2))
    assert wait(FakeCluster(live, before, done), live)[0] == done
    assert wait(FakeCluster({**live, "status": status}), live)[0]["status"] == status


@given(st.integers(1, 200), st.booleans())
def test_a_password_has_its_length_and_kinds(length: int, special: bool) -> None:
    made = password({"length": length, "special": special})
    assert len(made) == length
    assert special or made.isalnum()
    assert base64.b64encode(made.encode())
