"""What drift is, how it is reported, and how the one issue about it is kept."""

import base64
import gzip
import json
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from oceanid_cluster.__main__ import main
from oceanid_cluster.commands import drift, operation
from oceanid_cluster.commands.operation import Change, Outcome
from oceanid_cluster.commands.redact import Redactor
from oceanid_cluster.commands.release_drift import Difference, differences, release_drift
from oceanid_cluster.config.secret import Secret
from oceanid_cluster.startup.kubeconfig import Kubeconfig
from oceanid_cluster.startup.kubectl import Kubectl
from oceanid_cluster.startup.processes import CommandError

RELEASE = "ns/name"


def compared(monkeypatch: pytest.MonkeyPatch, *changes: Change, code: int = 0) -> list[Difference]:
    going = [Change("terminating", "kubernetes:core/v1:PersistentVolumeClaim", "data")]
    outcome = Outcome(
        code=code, changes=list(changes), terminating=going, errors=["it broke"] * code, releases={"ns/name"}
    )
    monkeypatch.setattr(operation, "run_engine", lambda *_: outcome)
    monkeypatch.setattr(drift, "stack_settings", lambda _, *, warn: warn)
    monkeypatch.setattr(drift, "open_cluster", lambda warn, _: None if not warn else pytest.fail("health warns, too"))
    monkeypatch.setattr(
        drift, "release_drift", lambda *_: [Difference("update", "Service ns/x", ("spec.type",), RELEASE)]
    )
    return drift.compare("prod", Redactor([]))


def test_a_provider_with_a_new_kubeconfig_is_not_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    found = compared(
        monkeypatch,
        Change("update", "pulumi:providers:kubernetes", "k3s-provider", ("kubeconfig",)),
        Change("create", "kubernetes:apps/v1:Deployment", "lost", gone=True),
        Change("create", "kubernetes:apps/v1:Deployment", "new"),
    )
    assert [one.line() for one in found] == [
        "missing apps/v1 Deployment lost",
        "create apps/v1 Deployment new",
        "terminating core/v1 PersistentVolumeClaim data",
        "update Service ns/x (spec.type), in the Helm release ns/name",
    ]


def test_a_comparison_that_fails_is_neither_drift_nor_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandError, match="it broke"):
        compared(monkeypatch, Change("update", "kubernetes:apps/v1:Deployment", "x"), code=1)


@pytest.mark.parametrize(("found", "code"), [([], 0), ([Difference("update", "x", ("a",))], 1)])
def test_a_person_gets_a_list_and_an_exit_code(
    found: list[Difference], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(drift, "redactor", lambda *_: Redactor([]))
    monkeypatch.setattr(drift, "compare", lambda *_: found)
    assert main(["drift", "--stack", "prod"]) == code
    assert capsys.readouterr().out == ("update x (a)\n1 difference\n" if found else "no drift\n")


def test_could_not_ask_is_exit_code_two(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PATH", "")
    assert main(["drift"]) == 2
    assert "drift: error: 'pulumi' is not installed" in capsys.readouterr().err


def helm_record(
    manifest: str, *, status: str = "deployed", version: int = 1, crds: Sequence[str] = ()
) -> dict[str, Any]:
    """The Secret in which Helm keeps a release (pkg/storage/driver/util.go)."""
    files = [{"name": "crds/x.yaml", "data": base64.b64encode(one.encode()).decode()} for one in crds]
    content = gzip.compress(json.dumps({"manifest": manifest, "chart": {"files": files}}).encode())
    data = base64.b64encode(base64.b64encode(content)).decode()
    labels = {"owner": "helm", "name": "name", "status": status, "version": str(version)}
    return {"kind": "Secret", "type": "helm.sh/release.v1", "metadata": {"labels": labels}, "data": {"release": data}}


def thing(name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "ns"}, "spec": spec}


class Cluster(Kubectl):
    """Answers as kubectl does: a list, or one object after another."""

    def __init__(
        self, records: Sequence[Any], live: Sequence[Any] = (), wanted: Sequence[Any] = (), chart: Sequence[Any] = (),
        refusal: str = "",
    ) -> None:  # fmt: skip
        super().__init__(Kubeconfig("config", "c", "https://127.0.0.1:1", Secret(""), ()))
        self.records, self.live, self.wanted, self.chart, self.refusal = records, live, wanted, chart, refusal
        self.manifests: list[str | None] = []

    def run(
        self,
        *arguments: str,
        stdin: str | None = None,
    ) -> "subprocess.CompletedProcess[str]":
        if self.refusal:
            return subprocess.CompletedProcess(arguments, 1, "", self.refusal)
        manifest = stdin
        self.manifests.append(manifest)
        assert {"apply", "create"}.isdisjoint(arguments) or {"--dry-run=server", "--dry-run=client"} & {*arguments}
        items = self.records if "secrets" in arguments else self.wanted if "apply" in arguments else self.live
        if "create" in arguments:
            items = json.loads(str(manifest))["items"] if "--dry-run=server" in arguments else self.chart
        text = json.dumps({"kind": "List", "items": items}) if "get" in arguments else "\n".join(map(json.dumps, items))
        return subprocess.CompletedProcess(arguments, 0, "" if not items and "-f" in arguments else text, "")


def test_drift_inside_a_release_is_what_a_dry_run_of_its_manifest_would_change() -> None:
    record = helm_record("kind: Service", version=10)
    cluster = Cluster(
        [helm_record("kind: Older", version=9), record, helm_record("kind: Failed", status="failed", version=11)],
        live=[thing("same", a=1), thing("edited", a=1, b=[1, {"c": 2}])],
        wanted=[thing("same", a=1), thing("edited", a=2, b=[1, {"c": 3}]), thing("lost")],
    )
    assert release_drift(RELEASE, cluster) == [
        Difference("missing", "Service ns/lost", (), RELEASE),
        Difference("update", "Service ns/edited", ("spec.a", "spec.b[1].c"), RELEASE),
    ]
    assert set(cluster.manifests) == {None, "kind: Service"}


def test_an_object_of_a_release_that_is_being_deleted_is_drift() -> None:
    going = thing("going", a=1)
    going["metadata"] |= {"deletionTimestamp": "2026-11-27T10:00:00Z", "finalizers": ["a"]}
    cluster = Cluster([helm_record("kind: Service")], live=[going], wanted=[going])
    assert release_drift(RELEASE, cluster) == [Difference("terminating", "Service ns/going", (), RELEASE)]
    crds: list[Any] = [{**thing(name), "kind": "CustomResourceDefinition"} for name in ("there", "lost", "leaving")]
    crds[2]["metadata"]["deletionTimestamp"] = "2026-11-27T10:00:00Z"
    cluster = Cluster([helm_record("", crds=["kind: X"])], live=[crds[0], crds[2]], chart=crds)
    assert release_drift(RELEASE, cluster) == [
        Difference("missing", "CustomResourceDefinition lost", (), RELEASE),
        Difference("terminating", "CustomResourceDefinition leaving", (), RELEASE),
    ]


def test_an_addition_to_a_workload_of_a_release_is_drift_and_a_restart_is_not() -> None:
    def workload(name: str, **template: Any) -> dict[str, Any]:
        return {**thing(name, template=template), "kind": "Deployment"}

    restarted = {"kubectl.kubernetes.io/restartedAt": "today"}
    live = [
        workload("added", containers=[{"name": "a", "env": ["canary"]}]),
        workload("sidecar", containers=[{"name": "a"}, {"name": "b"}]),
        workload("restarted", containers=[{"name": "a"}], annotations=restarted),
    ]
    chart = [workload(name, containers=[{"name": "a"}]) for name in ("added", "sidecar", "restarted")]
    cluster = Cluster([helm_record("kind: Deployment")], live, live, chart)
    assert release_drift(RELEASE, cluster) == [
        Difference("update", "Deployment ns/added", ("spec.template.containers[0].env",), RELEASE),
        Difference("update", "Deployment ns/sidecar", ("spec.template.containers",), RELEASE),
    ]
    names = [one["metadata"]["name"] for one in json.loads(str(cluster.manifests[-1]))["items"]]
    assert names == ["added-drift", "sidecar-drift", "restarted-drift"]


def test_a_release_that_helm_does_not_know_is_an_error() -> None:
    with pytest.raises(CommandError, match="no record of the release 'name' in namespace 'ns'"):
        release_drift(RELEASE, Cluster([]))


@pytest.mark.parametrize("data", ["", "bm8=", base64.b64encode(base64.b64encode(b"\x1f\x8b\x08nonsense")).decode()])
def test_a_record_that_cannot_be_read_is_an_error(data: str) -> None:
    broken = {**helm_record(""), "data": {"release": data}}
    with pytest.raises(CommandError, match="cannot be read"):
        release_drift(RELEASE, Cluster([broken]))


def test_a_cluster_that_does_not_answer_is_an_error() -> None:
    cluster = Cluster([], refusal="E1125 noise\nThe connection to the server 127.0.0.1:1 was refused\n")
    with pytest.raises(CommandError, match=r"cannot reach the Kubernetes API server https://127.0.0.1:1 .*: refused"):
        release_drift(RELEASE, cluster)


@pytest.mark.parametrize(
    ("live", "wanted", "paths"),
    [
        ({"spec": {"a": 1}}, {"spec": {"a": 1}}, []),
        ({"spec": {"a": 1}}, {"spec": {}}, ["spec.a"]),
        ({"spec": {"a": [1]}}, {"spec": {"a": [1, 2]}}, ["spec.a"]),
        ({"metadata": {"labels": {"a.b": "1"}}}, {"metadata": {"labels": {"a.b": "2"}}}, ['metadata.labels["a.b"]']),
        ({"metadata": {"generation": 1, "uid": "a"}}, {"metadata": {"generation": 2}}, []),
        ({"status": {"ready": 1}}, {"status": {}}, []),
        ({"spec": {"status": 1}}, {"spec": {"status": 2}}, ["spec.status"]),
    ],
)  # fmt: skip
def test_paths_are_written_as_the_engine_writes_them(
    live: Mapping[str, Any], wanted: Mapping[str, Any], paths: list[str]
) -> None:
    assert list(differences(live, wanted)) == paths
