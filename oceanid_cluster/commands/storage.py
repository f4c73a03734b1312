"""Whether Label Studio's volume can be made, or is there as the configuration asks for it."""

from collections.abc import Sequence

from oceanid_cluster.commands.objects import Object, annotations_of, part
from oceanid_cluster.commands.readiness import Live, judge, newest_event
from oceanid_cluster.commands.report import Row
from oceanid_cluster.components.facts import ObjectRef, fix
from oceanid_cluster.components.label_studio.settings import CLAIM, NAMESPACE, LabelStudioSettings

# kubernetes: pkg/volume/util/storageclass.go reads both annotations, also the beta one.
_DEFAULT = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
_NAME = "storage class"
REF = ObjectRef("PersistentVolumeClaim", NAMESPACE, CLAIM)


def check_storage(settings: LabelStudioSettings, classes: Sequence[Object], live: Live) -> Row:
    """The row about storage; ``live`` has the claim, if there is one, and the events about it.

    A claim that is bound is accepted, whatever the default classes are: it keeps its class and its size, and a run says
    where the configuration asks for others.
    """
    known, default = [str(one["metadata"]["name"]) for one in classes], _defaults(classes)
    if REF in live:
        return _existing(classes, live)
    wanted = settings.storage_class
    if wanted:
        state = "ok" if wanted in known else "failed"
        exists = "" if wanted in known else f" does not exist; there are: {', '.join(known) or 'none'}"
        return Row("cluster", _NAME, state, f"{wanted}{exists}")
    if len(default) == 1:
        return Row("cluster", _NAME, "ok", f"{default[0]} is the default")
    found = f"several are the default: {', '.join(default)}" if default else "none is the default"
    return Row("cluster", _NAME, "failed", f"{found}; run: pulumi config set labelStudioStorageClass <name>")


def _defaults(classes: Sequence[Object]) -> list[str]:
    """The names of the default classes."""
    return [
        str(one["metadata"]["name"])
        for one in classes
        if any(annotations_of(one).get(key) == "true" for key in _DEFAULT)
    ]


def _existing(classes: Sequence[Object], live: Live) -> Row:
    claim, verdict = live[REF], judge(REF, live)
    has_class = part(claim, "spec").get("storageClassName")
    found = f"claim {NAMESPACE}/{CLAIM}: {verdict.detail}"
    if verdict.reason == "lost":
        return Row("cluster", _NAME, "failed", f"{found}; restore it from the backup")
    if verdict.reason == "terminating":
        return Row("cluster", _NAME, "failed", f"{found}; {fix('PersistentVolumeClaim', verdict.reason)}")
    if verdict.reason == "unbound" and (why := _never_bound(has_class, classes, live)):
        return Row("cluster", _NAME, "failed", f"{found}; {why}")
    return Row("cluster", _NAME, "ok", found)


def _never_bound(has_class: str | None, classes: Sequence[Object], live: Live) -> str:
    """Why a pending claim gets no volume, by the classes that there are, or as Kubernetes itself says.

    A claim that waits for its first pod is as it should be (pkg/controller/volume/persistentvolume/pv_controller.go).
    """
    known = {one["metadata"]["name"] for one in classes}
    if has_class and has_class not in known:
        return f"class {has_class} does not exist; there are: {', '.join(sorted(known)) or 'none'}"
    if has_class is None and not _defaults(classes):
        return "it has no class, and none is the default: mark one, and it takes that"
    failing = newest_event(live[REF], live).get("reason") in ("FailedBinding", "ProvisioningFailed")
    return "Kubernetes makes no volume for it" if failing else ""
