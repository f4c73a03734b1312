"""The storage class, and a claim that is there."""

from typing import Any

import pytest

from oceanid_cluster.commands.storage import check_storage
from oceanid_cluster.components.label_studio.settings import LabelStudioSettings
from tests.samples import settings


def storage_class(name: str, *, default: bool = False, expands: bool = False) -> dict[str, Any]:
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"} if default else None
    return {"metadata": {"name": name, "annotations": annotations}, "allowVolumeExpansion": expands}


def claim(size: str = "10Gi", name: str | None = "local-path", phase: str = "Bound") -> dict[str, Any]:
    spec = {"resources": {"requests": {"storage": size}}, "storageClassName": name}
    return {"spec": spec, "status": {"phase": phase}}


def label_studio(**changes: str) -> LabelStudioSettings:
    return settings(changes).label_studio


LOCAL = [storage_class("local-path", default=True)]
TWO = [storage_class("a", default=True), storage_class("b", default=True)]


@pytest.mark.parametrize(
    ("given", "classes", "found", "state", "said"),
    [
        ({}, LOCAL, None, "ok", "local-path is the default"),
        ({}, [], None, "failed", "none is the default; run: pulumi config set labelStudioStorageClass <name>"),
        ({}, TWO, None, "failed", "several are the default: a, b"),
        ({"labelStudioStorageClass": "a"}, TWO, None, "ok", "a"),
        ({"labelStudioStorageClass": "c"}, TWO, None, "failed", "c does not exist; there are: a, b"),
        ({}, [], claim(), "ok", "claim apps/label-studio-data: Bound, 10Gi, class local-path"),
        ({}, TWO, claim(phase="Pending"), "ok", "Pending"),
        ({"labelStudioStorageClass": "local-path"}, [], claim(), "ok", "Bound"),
        ({"labelStudioStorageClass": "a"}, TWO, claim(), "warning", "set labelStudioStorageClass local-path"),
        ({"labelStudioStorageClass": "a"}, TWO, claim(), "warning", "a claim's class cannot be changed"),
        ({"labelStudioStorageClass": "a"}, TWO, claim(name=None), "warning", "config rm labelStudioStorageClass"),
        ({"labelStudioStorage": "10240Mi"}, LOCAL, claim(), "ok", "Bound"),
        ({"labelStudioStorage": "20Gi"}, LOCAL, claim(), "warning", "class local-path cannot expand volumes"),
        ({"labelStudioStorage": "20Gi"}, [storage_class("local-path", expands=True)], claim(), "warning",
         "grow it by hand: kubectl -n apps patch pvc label-studio-data"),
        ({"labelStudioStorage": "5Gi"}, LOCAL, claim(), "warning", "a claim never shrinks"),
        ({}, LOCAL, claim(size="1e10"), "ok", "1e10"),
        ({}, LOCAL, claim(phase="Lost"), "failed", "its volume is gone"),
    ],
)  # fmt: skip
def test_a_claim_that_is_there_counts_more_than_the_default_classes(
    given: dict[str, str], classes: list[Any], found: dict[str, Any] | None, state: str, said: str
) -> None:
    row = check_storage(label_studio(**given), classes, found)
    assert row.state == state, row.detail
    assert said in row.detail
