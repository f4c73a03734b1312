"""What drift is, how it is reported, and how the one issue about it is kept."""

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from oceanid_cluster.__main__ import main
from oceanid_cluster.commands import drift, operation
from oceanid_cluster.commands.operation import Change, Outcome
from oceanid_cluster.commands.redact import Redactor
from oceanid_cluster.commands.release_drift import differences, release_drift
from oceanid_cluster.config.secret import Secret
from oceanid_cluster.startup.kubeconfig import Kubeconfig
from oceanid_cluster.startup.kubectl import Kubectl
from oceanid_cluster.startup.processes import CommandError

RELEASE = "ns/name"
SERVICE, DEPLOYMENT = "kubernetes:core/v1:Service", "kubernetes:apps/v1:Deployment"


def in_release(operation: str, token: str, name: str, *paths: str, gone: bool = False) -> Change:
    return Change(operation, token, name, paths, gone=gone, release=RELEASE)


def test_a_provider_with_a_new_kubeconfig_is_not_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    changes = [
        Change("update", "pulumi:providers:kubernetes", "k3s-provider", ("kubeconfig",)),
        Change("create", DEPLOYMENT, "lost", gone=True),
        Change("create", DEPLOYMENT, "new"),
    ]
    going = [Change("terminating", "kubernetes:core/v1:PersistentVolumeClaim", "data")]
    of_release = [in_release("update", SERVICE, "ns/x", "spec.type")]
    outcome = Outcome(changes=changes, terminating=going, releases={RELEASE})
    monkeypatch.setattr(operation, "run_engine", lambda *_: outcome)
    monkeypatch.setattr(drift, "stack_settings", lambda *_, **__: None)
    monkeypatch.setattr(drift, "open_cluster", lambda *_: None)
    monkeypatch.setattr(drift, "release_drift", lambda *_: of_release)
    assert [one.difference() for one in drift.compare("prod", Redactor([]))] == [
        "missing apps/v1 Deployment lost",
        "create apps/v1 Deployment new",
        "terminating core/v1 PersistentVolumeClaim data",
        "update core/v1 Service ns/x (spec.type), in the Helm release ns/name",
    ]


@pytest.mark.parametrize(("found", "code"), [([], 0), ([Change("update", SERVICE, "x", ("a",))], 1)])
def test_a_person_gets_a_list_the_next_step_and_an_exit_code(
    found: list[Change], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(drift, "redactor", lambda *_: Redactor([]))
    monkeypatch.setattr(drift, "compare", lambda *_: found)
    assert main(["drift", "--stack", "prod"]) == code
    difference = 'update core/v1 Service x (a)\n1 difference; what to do: docs/runbook.md, "Drift"\n'
    assert capsys.readouterr().out == (difference if found else "no drift\n")


def helm_record(
    manifest: str, *, status: str = "deployed", version: int = 1, crds: Sequence[str] = ()
) -> dict[str, Any]:
    """The Secret in which Helm keeps a release (pkg/storage/driver/util.go)."""
    files = [{"name": "crds/x.yaml", "data": base64.b64encode(one.encode()).decode()} for one in crds]
    content = gzip.compress(json.dumps({"manifest": manifest, "chart": {"files": files}}).encode())
    data = base64.b64encode(base64.b64encode(content)).decode()
    labels = {"owner": "helm", "name": "name", "status": status, "version": str(version)}
    return {"kind": "Secret", "type": "helm.sh/release.v1", "metadata": {"labels": labels}, "data": {"release": data}}


class Cluster(Kubectl):
    """Has Helm's records, and objects that are as their charts say (others: tests/engine/test_workflows.py)."""

    def __init__(self, records: Sequence[Any], live: Sequence[Any] = ()) -> None:
        super().__init__(Kubeconfig("config", "c", "https://127.0.0.1:1", Secret(""), ()))
        self.records, self.live = [*records], [*live]

    def objects(self, *arguments: str, stdin: str | None = None) -> list[Any]:
        assert stdin is None or "secrets" not in arguments
        return self.records if "secrets" in arguments else self.live


def test_an_object_of_a_release_that_is_being_deleted_is_drift() -> None:
    metadata = {"name": "going", "namespace": "ns", "deletionTimestamp": "2026-11-27T10:00:00Z", "finalizers": ["a"]}
    going = {"apiVersion": "v1", "kind": "Service", "metadata": metadata}
    found = release_drift(RELEASE, Cluster([helm_record("kind: Service")], [going]))
    assert found == [in_release("terminating", SERVICE, "ns/going")]
    crd = {**going, "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    found = release_drift(RELEASE, Cluster([helm_record("", crds=["kind: X"])], [crd]))
    assert found == [in_release("terminating", f"kubernetes:{crd['apiVersion']}:{crd['kind']}", "ns/going")]


def test_a_release_that_helm_does_not_know_is_an_error() -> None:
    with pytest.raises(CommandError, match="no record of a deployed release 'name' in namespace 'ns'"):
        release_drift(RELEASE, Cluster([]))


@pytest.mark.parametrize("data", ["", "bm8=", base64.b64encode(base64.b64encode(b"\x1f\x8b\x08nonsense")).decode()])
def test_a_record_that_cannot_be_read_is_an_error(data: str) -> None:
    broken = {**helm_record(""), "data": {"release": data}}
    with pytest.raises(CommandError, match="cannot be read"):
        release_drift(RELEASE, Cluster([broken]))


@pytest.mark.parametrize(
    ("live", "wanted", "paths"),
    [
        ({"spec": {"a": 1}}, {"spec": {"a": 1}}, []),
        ({"spec": {"a": 1}}, {"spec": {}}, ["spec.a"]),
        ({"spec": {"a": [1]}}, {"spec": {"a": [1, 2]}}, ["spec.a"]),
        ({"metadata": {"labels": {"a.b": "1"}}}, {"metadata": {"labels": {"a.b": "2"}}}, ['metadata.labels["a.b"]']),
        ({"metadata": {"generation": 1, "uid": "a"}}, {"metadata": {"generation": 2}}, []),
        ({"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "today"}}}, {}, []),
        ({"status": {"ready": 1}}, {"status": {}}, []),
        ({"spec": {"status": 1}}, {"spec": {"status": 2}}, ["spec.status"]),
    ],
)  # fmt: skip
def test_paths_are_written_as_the_engine_writes_them(
    live: Mapping[str, Any], wanted: Mapping[str, Any], paths: list[str]
) -> None:
    assert list(differences(live, wanted)) == paths
