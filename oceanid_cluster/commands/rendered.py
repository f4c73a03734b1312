"""The objects that a run of the program registers, with what a reader must know beside their fields."""

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pulumi

from oceanid_cluster.commands.charts import Chart
from oceanid_cluster.commands.objects import annotations_of
from oceanid_cluster.commands.registrations import Run, inputs_of, masked, without_marks
from oceanid_cluster.manifests.pods import Manifest
from oceanid_cluster.startup.processes import CommandError

_CHART, _RELEASE = "kubernetes:helm.sh/v4:Chart", "kubernetes:helm.sh/v3:Release"
_OF_NO_USE = ("pulumi:", "random:", "oceanid:")  # providers, generated secrets, components
_HIDDEN = "[secret]"


@dataclass(frozen=True)
class Rendered:
    """One object. ``facts`` are lines for the head of its file: what its fields do not say, by name.

    ``chart`` or ``release``: the Helm chart that makes it; ``retained``: what drops it leaves it in the cluster;
    ``ignored``: fields whose changes do nothing once it exists.
    """

    manifest: Manifest
    facts: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def folder(self) -> str:
        """Its namespace, or ``_cluster``; ``_<provider>`` for what is not in the cluster."""
        if self.facts.get("provider"):
            return f"_{self.facts['provider']}"
        return self.manifest["metadata"].get("namespace") or "_cluster"


def collect(run: Run, note: Callable[[str], None]) -> list[Rendered]:
    """Every object of a run, without any secret. ``note`` takes a line about an unavailable chart."""
    found: list[Rendered] = []
    for name, resource in run.resources.items():
        inputs: Any = masked(inputs_of(resource))
        request = run.requests[name]
        facts = {"retained": "yes"} if request.retainOnDelete else {}
        if request.ignoreChanges:
            facts["ignored"] = ", ".join(request.ignoreChanges)
        if resource.typ in (_CHART, _RELEASE):
            found += _of_chart(name, resource.typ, inputs, run, note)
        elif resource.typ.startswith("kubernetes:") and "kind" in inputs:
            found.append(Rendered(_without_values(inputs), facts))
        elif not resource.typ.startswith(_OF_NO_USE):
            provider, kind = resource.typ.partition(":")[0], resource.typ.rpartition(":")[2]
            manifest = {"apiVersion": provider, "kind": kind, "metadata": {"name": name}, "spec": inputs}
            found.append(Rendered(manifest, {**facts, "provider": provider}))
    return found


def _of_chart(name: str, kind: str, inputs: Any, run: Run, note: Callable[[str], None]) -> list[Rendered]:
    """The objects of a chart; if it is unavailable, one object with its name, version and values."""
    chart = Chart(inputs.get("name") or name, inputs)
    try:
        if kind == _RELEASE:
            return list(_of_release(name, chart))
        return [_transformed(name, one, run) for one in (*chart.crds(), *chart.objects())]
    except CommandError as problem:
        note(f"chart {chart.title()} is unavailable: its values represent its objects ({problem})")
    group, _, short = kind.partition(":")[2].partition(":")
    metadata = {"name": chart.release, "namespace": chart.namespace}
    spec = {field: inputs[field] for field in ("chart", "version", "repositoryOpts", "values") if inputs.get(field)}
    return [Rendered({"apiVersion": group, "kind": short, "metadata": metadata, "spec": spec}, {"unknown": name})]


def _of_release(name: str, chart: Chart) -> Iterator[Rendered]:
    """Helm makes the CRDs of the folder ``crds`` once, and neither post-renders nor updates nor deletes them."""
    yield from (Rendered(one, {"release": name, "retained": "yes", "ignored": "spec"}) for one in chart.crds())
    yield from (Rendered(_without_values(one), {"release": name}) for one in chart.objects())


def _transformed(name: str, manifest: Manifest, run: Run) -> Rendered:
    """An object of a chart as the program's transforms leave it."""
    group = manifest["apiVersion"] if "/" in manifest["apiVersion"] else f"core/{manifest['apiVersion']}"
    token, facts = f"kubernetes:{group}:{manifest['kind']}", {"chart": name}
    kept = annotations_of(manifest).get("helm.sh/resource-policy") == "keep"
    opts = pulumi.ResourceOptions(retain_on_delete=kept or None)
    manifest = json.loads(json.dumps(manifest), parse_int=float)  # as the engine hands it over
    for transform in run.transforms:
        result = transform(pulumi.ResourceTransformArgs(True, token, name, manifest, opts))
        if result is not None:
            manifest, opts = dict(result.props), result.opts
    if opts.retain_on_delete:
        facts["retained"] = "yes"
    return Rendered(_without_values(without_marks(manifest)), facts)


def _without_values(manifest: Manifest) -> Manifest:
    """The same; of a Secret, whoever made it, its keys without its values."""
    if manifest["kind"] != "Secret":
        return manifest
    encoded = {"data": base64.b64encode(_HIDDEN.encode()).decode(), "stringData": _HIDDEN}
    hidden = {part: dict.fromkeys(manifest[part], text) for part, text in encoded.items() if manifest.get(part)}
    return {**manifest, **hidden}
