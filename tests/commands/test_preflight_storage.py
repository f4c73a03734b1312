"""The storage class, and a claim that is there."""

import json
import subprocess
from typing import Any

import pytest

from oceanid_cluster.commands import health, preflight
from oceanid_cluster.commands.objects import ref_of
from oceanid_cluster.commands.preflight import CLAIM_REF as REF
from oceanid_cluster.commands.preflight import check_storage
from oceanid_cluster.commands.state import StackState
from oceanid_cluster.components.facts import ObjectRef
from oceanid_cluster.components.label_studio.settings import LabelStudioSettings
from oceanid_cluster.config.cluster import NODES
from oceanid_cluster.config.secret import Secret
from oceanid_cluster.startup.identity import Identity
from oceanid_cluster.startup.kubeconfig import Kubeconfig
from oceanid_cluster.startup.kubectl import Kubectl
from tests.samples import settings


def storage_class(name: str, *, default: bool = False) -> dict[str, Any]:
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"} if default else None
    return {"kind": "StorageClass", "metadata": {"name": name, "annotations": annotations}}


def claim(name: str | None = "local-path", phase: str = "Bound") -> dict[str, Any]:
    spec = {"resources": {"requests": {"storage": "10Gi"}}, **({} if name is None else {"storageClassName": name})}
    spec |= {"volumeName": "pv-1"} if phase == "Bound" else {}
    metadata = {"name": REF.name, "namespace": REF.namespace}
    return {"kind": REF.kind, "metadata": metadata, "spec": spec, "status": {"phase": phase}}


def going(found: dict[str, Any], finalizer: str = "kubernetes.io/pvc-protection") -> dict[str, Any]:
    metadata = {"deletionTimestamp": "2026-11-27T10:00:00Z", "finalizers": [finalizer]}
    return {**found, "metadata": {**found["metadata"], **metadata}}


VOLUME = {"kind": "PersistentVolume", "metadata": {"name": "pv-1"}}


def label_studio(**changes: str) -> LabelStudioSettings:
    return settings(changes).label_studio


LOCAL = [storage_class("local-path", default=True)]
TWO = [storage_class("a", default=True), storage_class("b", default=True)]


@pytest.mark.parametrize(
    ("given", "others", "found", "state", "said"),
    [
        ({}, LOCAL, None, "ok", "default: local-path"),
        ({}, [], None, "failed", "none is the default; run: pulumi config set labelStudioStorageClass <name>"),
        ({}, TWO, None, "ok", "default: a, b, of which Kubernetes takes the newest"),
        ({"labelStudioStorageClass": "a"}, TWO, None, "ok", "a"),
        ({"labelStudioStorageClass": "c"}, TWO, None, "failed", "c does not exist; there are: a, b"),
        ({}, [], claim(), "ok", "claim apps/label-studio-data: Bound, 10Gi, class local-path"),
        ({}, TWO, claim(name="a", phase="Pending"), "ok", "Pending"),
        ({}, LOCAL, claim(name=None, phase="Pending"), "ok", "Pending"),
        ({}, [going(LOCAL[0])], None, "failed", "none is the default"),
        ({"labelStudioStorageClass": "a"}, [going(TWO[0]), TWO[1]], None, "failed", "a does not exist; there are: b"),
        ({}, LOCAL, going(claim()), "failed", "kubernetes.io/pvc-protection; how to keep its data: docs/runbook.md"),
        ({}, [VOLUME], claim(), "ok", "Bound"),
        ({}, [going(VOLUME, "kubernetes.io/pv-protection")], claim(), "failed",
         "Bound, 10Gi, class local-path: persistentvolume/pv-1 is being deleted since 2026-11-27T10:00:00Z; it waits"),
        ({"labelStudioStorageClass": "local-path"}, [], claim(), "ok", "Bound"),
        ({"labelStudioStorageClass": "a", "labelStudioStorage": "20Gi"}, TWO, claim(), "ok", "Bound"),
        ({}, LOCAL, claim(phase="Lost"), "failed", "its volume is gone; restore it from the backup"),
    ],
)  # fmt: skip
def test_an_existing_claim_takes_precedence_over_the_default_classes(
    given: dict[str, str], others: list[Any], found: dict[str, Any] | None, state: str, said: str
) -> None:
    row = check_storage(label_studio(**given), {ref_of(one): one for one in (*others, found) if one})
    assert row.state == state, row.detail
    assert said in row.detail


class Cluster(Kubectl):
    """Answers with those of a few objects that are asked for, by their kind or their name."""

    def __init__(self, *found: dict[str, Any]) -> None:
        super().__init__(Kubeconfig("config", "c", "https://127.0.0.1:1", Secret(""), ()))
        self.found = found

    def run(self, *arguments: str, stdin: str | None = None) -> "subprocess.CompletedProcess[str]":
        del stdin
        asked = {word for argument in arguments for word in argument.split(",")}
        kinds = [(one["kind"].lower(), one) for one in self.found]
        items = [one for kind, one in kinds if asked & {f"{kind}s", f"{kind}/{one['metadata']['name']}"}]
        answer = json.dumps({"kind": "List", "items": items, "gitVersion": "v1.36.0"})
        return subprocess.CompletedProcess(arguments, 0, "" if "name" in arguments else answer, "")


def test_both_commands_ask_for_the_volume_of_a_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(claim(), going(VOLUME))
    rows = health.check(cluster, health.Expectation(settings()))
    monkeypatch.setattr(preflight, "open_cluster", lambda *_: cluster)
    monkeypatch.setattr(preflight, "read_identity", lambda *_: Identity("x", frozenset(node.host for node in NODES)))
    rows += preflight.check(settings(), StackState(), {})
    said = [row for row in rows if "class local-path: persistentvolume/pv-1 is being deleted" in row.detail]
    assert [(row.name, row.state) for row in said] == [(str(REF), "failed"), ("storage class", "failed")]


@pytest.mark.parametrize(
    ("name", "reason", "message", "state"),
    [
        ("gone", "ProvisioningFailed", 'storageclass.storage.k8s.io "gone" not found', "failed"),
        (None, "FailedBinding", "no persistent volumes available for this claim and no storage class is set", "failed"),
        ("local-path", "WaitForFirstConsumer", "waiting for first consumer", "ok"),
    ],
)
def test_a_claim_that_kubernetes_itself_gives_up_has_failed(
    name: str | None, reason: str, message: str, state: str
) -> None:
    about = {"kind": REF.kind, "namespace": REF.namespace, "name": REF.name}
    event = {"kind": "Event", "involvedObject": about, "reason": reason, "message": message}
    live = {REF: claim(name=name, phase="Pending"), ObjectRef("Event", REF.namespace, "e"): event}
    row = check_storage(label_studio(), live)
    assert row.state == state
    assert message in row.detail
