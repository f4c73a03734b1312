"""Whether Label Studio's volume can be made, or is there as the configuration asks for it."""

from oceanid_cluster.commands.objects import annotations_of, terminating
from oceanid_cluster.commands.readiness import Live, judge, newest_event
from oceanid_cluster.commands.report import Row
from oceanid_cluster.components.apps.addresses import NAMESPACE
from oceanid_cluster.components.facts import ObjectRef, fix
from oceanid_cluster.components.label_studio.settings import CLAIM, LabelStudioSettings

# kubernetes: pkg/volume/util/storageclass.go reads both annotations, also the beta one.
_DEFAULT = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
_NAME = "storage class"
REF = ObjectRef("PersistentVolumeClaim", NAMESPACE, CLAIM)


def check_storage(settings: LabelStudioSettings, live: Live) -> Row:
    """The row about storage; ``live`` has the storage classes, the claim, if there is one, its volume and its events.

    A claim that is bound is accepted, whatever the default classes are: it keeps its class and its size, and a run says
    where the configuration asks for others.
    """
    if REF in live:
        return _existing(live)
    classes = {ref.name: one for ref, one in live.items() if ref.kind == "StorageClass" and not terminating(one)}
    default = [name for name, one in classes.items() if any(annotations_of(one).get(key) == "true" for key in _DEFAULT)]
    wanted = settings.storage_class
    if wanted:
        state = "ok" if wanted in classes else "failed"
        exists = "" if wanted in classes else f" does not exist; there are: {', '.join(classes) or 'none'}"
        return Row("cluster", _NAME, state, f"{wanted}{exists}")
    if not default:
        fix_it = "pulumi config set labelStudioStorageClass <name>"
        return Row("cluster", _NAME, "failed", f"none is the default; run: {fix_it}")
    newest = ", of which Kubernetes takes the newest" if len(default) > 1 else ""  # since 1.26 (KEP 3333)
    return Row("cluster", _NAME, "ok", f"default: {', '.join(default)}{newest}")


def _existing(live: Live) -> Row:
    """A claim that waits for its first pod is as it should be; one that Kubernetes has given up gets no volume.

    The controller repeats the event while that is so (pkg/controller/volume/persistentvolume/pv_controller.go).
    """
    verdict = judge(REF, live)
    given_up = newest_event(live[REF], live).get("reason") in ("FailedBinding", "ProvisioningFailed")
    failed = verdict.reason in ("lost", "terminating", "namespace") or (verdict.reason == "unbound" and given_up)
    hint = "restore it from the backup" if verdict.reason == "lost" else fix(REF.kind, verdict.reason)
    detail = f"claim {NAMESPACE}/{CLAIM}: {verdict.detail}{f'; {hint}' if hint else ''}"
    return Row("cluster", _NAME, "failed" if failed else "ok", detail)
