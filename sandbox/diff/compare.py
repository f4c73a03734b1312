"""Compares two folders that ``render`` wrote: which objects differ, in which fields, and what that means."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import yaml

from oceanid_cluster.commands.objects import labels_of
from oceanid_cluster.commands.render import Rendered

Operation = Literal["added", "changed", "removed"]

_WORKLOADS = ("DaemonSet", "Deployment", "StatefulSet")
_LEVEL = "pod-security.kubernetes.io/enforce"
# Fields that the API server fixes: the provider replaces the object instead (pulumi-kubernetes, provider/pkg/provider/
# diff.go, forceNew; of these kinds all that programs and charts make here). Helm cannot, and its upgrade fails.
_FIXED = {
    "ClusterRoleBinding": ("roleRef",),
    "DaemonSet": ("spec.selector",),
    "Deployment": ("spec.selector",),
    "Job": ("spec.completions", "spec.parallelism", "spec.selector", "spec.template"),
    "PersistentVolumeClaim": ("spec.accessModes", "spec.selector", "spec.storageClassName", "spec.volumeName"),
    "RoleBinding": ("roleRef",),
    "Secret": ("type",),
    "Service": ("spec.clusterIP",),
    "StatefulSet": (
        "spec.podManagementPolicy", "spec.revisionHistoryLimit", "spec.selector", "spec.serviceName",
        "spec.volumeClaimTemplates",
    ),
    "StorageClass": ("parameters", "provisioner"),
}  # fmt: skip
_ABSENT = object()


@dataclass(frozen=True)
class Field:
    """A field that differs, by its path; None where it is absent."""

    path: str
    before: object
    after: object


@dataclass(frozen=True)
class Change:
    """An object that differs, in which fields, and what that means, a sentence each."""

    operation: Operation
    place: str
    fields: tuple[Field, ...]
    meaning: tuple[str, ...]


def read(folder: Path) -> dict[str, Rendered]:
    """What ``render`` wrote into a folder, by place; nothing when there is no folder."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: dict[str, Rendered] = {}
    for path in sorted(folder.rglob("*.yaml")):
        text, place = path.read_text(encoding="utf-8"), str(path.relative_to(folder).with_suffix(""))
        head = [line[2:].partition(": ") for line in text.splitlines() if line.startswith("# ")]
        found[place] = Rendered(yaml.load(text, loader), {name: fact for name, _, fact in head})  # noqa: S506
    return found


def compare(before: Mapping[str, Rendered], after: Mapping[str, Rendered]) -> tuple[list[Change], list[str]]:
    """What differs, and the charts that are left out, since their objects are known on one side only."""
    unknown = _charts(before) ^ _charts(after)
    changes: list[Change] = []
    for place in sorted({*before, *after}):
        old, new = before.get(place), after.get(place)
        if any(one and _chart(one) in unknown for one in (old, new)):
            continue
        if old and new:
            if fields := tuple(differences(old.manifest, new.manifest)):
                changes.append(Change("changed", place, fields, tuple(_meaning(old, new, fields))))
        elif new:
            changes.append(Change("added", place, (Field("", None, new.manifest),), ()))
        elif old:
            stays = "retained" in old.facts
            meaning = "retained: it stays in the cluster, and nobody manages it" if stays else "deleted"
            changes.append(Change("removed", place, (), (meaning,)))
    return changes, sorted(unknown)


def _charts(objects: Mapping[str, Rendered]) -> set[str]:
    """The charts whose objects are not known."""
    return {one.facts["unknown"] for one in objects.values() if "unknown" in one.facts}


def _chart(one: Rendered) -> str | None:
    """The chart that an object belongs to, or stands for."""
    return next((one.facts[name] for name in ("unknown", "chart", "release") if name in one.facts), None)


def _meaning(old: Rendered, new: Rendered, fields: tuple[Field, ...]) -> Iterator[str]:
    """What a changed object means for the cluster."""
    kind = new.manifest["kind"]
    paths = {field.path for field in fields}
    ignored = [name for name in new.facts.get("ignored", "").split(", ") if name]
    without_effect = {path for path in paths if any(_is_in(path, name) for name in ignored)}
    if without_effect:
        why = "Helm does not update CRDs" if "release" in new.facts else "only a new one gets it"
        yield f"no effect on the one that is there ({why}): {_listed(without_effect)}"
    paths -= without_effect
    fixed = {path for path in paths if any(_is_in(path, name) for name in _FIXED.get(kind, ()))}
    if fixed and "release" in new.facts:
        yield f"refused: Helm cannot change {_listed(fixed)}"
    elif fixed:
        yield f"replaced instead of updated: {_listed(fixed)} cannot change"
    if kind in _WORKLOADS and (fixed or any(_is_in(path, "spec.template") for path in paths)):
        yield "its pods are replaced"
    before, now = (labels_of(one.manifest).get(_LEVEL, "none") for one in (old, new))
    if kind == "Namespace" and before != now:
        yield f"its Pod Security level changes from {before} to {now}"
    if ("retained" in old.facts) != ("retained" in new.facts):
        yield "from now on it stays when it is dropped" if "retained" in new.facts else "no longer stays when dropped"


def _is_in(path: str, field: str) -> bool:
    """Whether a path is a field, or inside of it, or around it."""
    return path == field or path.startswith((f"{field}.", f"{field}[")) or field.startswith((f"{path}.", f"{path}["))


def _listed(paths: set[str]) -> str:
    return ", ".join(sorted(paths))


def differences(before: object, after: object, path: str = "") -> Iterator[Field]:
    """The fields in which two values differ; a list is one field unless each of its entries has a name."""
    old, new = _parts(before), _parts(after)
    if old is None or new is None or type(before) is not type(after):
        if before != after or type(before) is not type(after):
            yield Field(path, None if before is _ABSENT else before, None if after is _ABSENT else after)
        return
    if isinstance(before, list):
        kept = [[name for name in one if name in other] for one, other in ((old, new), (new, old))]
        if kept[0] != kept[1]:
            yield Field(path, kept[0], kept[1])  # the order matters
    for name in sorted({*old, *new}):
        yield from differences(old.get(name, _ABSENT), new.get(name, _ABSENT), f"{path}{name}".removeprefix("."))


def _parts(value: object) -> dict[str, object] | None:
    """The parts of a value by the end of their path; None when it is one."""
    if isinstance(value, dict):
        return {_joint(name): item for name, item in cast("dict[str, object]", value).items()}
    if isinstance(value, list) and value:
        items = cast("list[object]", value)
        names = [cast("dict[str, object]", item).get("name") if isinstance(item, dict) else None for item in items]
        if None not in names and len({str(name) for name in names}) == len(items):
            return {f"[{name}]": item for name, item in zip(names, items, strict=True)}
    return None


def _joint(name: str) -> str:
    """A field's name as the end of a path: one with a dot or a slash is quoted, as the engine does it."""
    return f".{name}" if name.replace("-", "").replace("_", "").isalnum() else f"[{json.dumps(name)}]"
