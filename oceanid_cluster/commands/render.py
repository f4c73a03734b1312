"""Writes every object that the program would make, as YAML, one file each.

It asks nobody: no cluster, no account, no lock, no secret.
"""

import argparse
import base64
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import yaml

from oceanid_cluster.commands.charts import Chart
from oceanid_cluster.commands.objects import annotations_of
from oceanid_cluster.commands.plain_yaml import KUBERNETES_RESOLVERS
from oceanid_cluster.commands.pulumi_cli import selected_stack
from oceanid_cluster.commands.registrations import Run, inputs_of, masked, run_program, without_marks
from oceanid_cluster.commands.stack_config import without_secrets
from oceanid_cluster.commands.stack_file import StackFile, read_stack_file, short_name
from oceanid_cluster.manifests.pods import Manifest
from oceanid_cluster.startup.processes import CommandError

EPILOG = """\
files: <namespace, or _cluster>/<kind>.<name>.yaml. Placeholders stand for secrets, and nothing that is derived from one
is shown: what only a secret says (a tunnel's id without its key, the database's port and TLS) is a placeholder, too.
exit codes: 0 written; 2 the configuration is wrong, or cannot be read"""
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


def render(file: StackFile, stack: str) -> list[Rendered]:
    """Every object of a stack; says on standard error what is missing. Raises StartUpError."""
    config, warnings = without_secrets(file, stack)
    run = run_program(config, stack)
    for warning in warnings:
        _note(f"warning: {warning}")
    if file.environments:
        _note(f"nobody asked ESC: what only {', '.join(file.environments)} holds is a placeholder, or missing")
    return _collect(run)


def _collect(run: Run) -> list[Rendered]:
    """Every object of a run, without any secret; says on standard error which chart is unavailable."""
    found: list[Rendered] = []
    for name, resource in run.resources.items():
        inputs: Any = masked(inputs_of(resource))
        request = run.requests[name]
        facts = {"retained": "yes"} if request.retainOnDelete else {}
        if request.ignoreChanges:
            facts["ignored"] = ", ".join(request.ignoreChanges)
        if resource.typ in (_CHART, _RELEASE):
            found += _of_chart(name, resource.typ, inputs, run)
        elif resource.typ.startswith("kubernetes:") and "kind" in inputs:
            found.append(Rendered(_without_values(inputs), facts))
        elif not resource.typ.startswith(_OF_NO_USE):
            provider, kind = resource.typ.partition(":")[0], resource.typ.rpartition(":")[2]
            manifest = {"apiVersion": provider, "kind": kind, "metadata": {"name": name}, "spec": inputs}
            found.append(Rendered(manifest, {**facts, "provider": provider}))
    return found


def _of_chart(name: str, kind: str, inputs: Any, run: Run) -> list[Rendered]:
    """The objects of a chart; if it is unavailable, one object with its name, version and values."""
    chart = Chart(inputs.get("name") or name, inputs)
    try:
        if kind == _RELEASE:
            return list(_of_release(name, chart))
        return [_transformed(name, one, run) for one in (*chart.crds(), *chart.objects())]
    except CommandError as problem:
        _note(f"chart {chart.title()} is unavailable: its values represent its objects ({problem})")
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


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # pyright: ignore[reportUntypedBaseClass, reportGeneralTypeIssues]
    """YAML in which texts of several lines are blocks, and what Kubernetes takes for no text has quotes."""

    yaml_implicit_resolvers = KUBERNETES_RESOLVERS


def _text(dumper: Any, text: str) -> Any:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)  # pyright: ignore[reportUnknownMemberType]


def write(objects: Sequence[Rendered], folder: Path) -> int:
    """Write each object to its file below ``folder``, which must be empty or absent; returns their number.

    Raises CommandError when it is not empty, OSError when it cannot be written.
    """
    names = Counter(map(_name, objects))
    if folder.exists() and any(folder.iterdir()):
        raise CommandError(f"{folder} is not empty; take another folder, or remove it: rm -r {folder}")
    for one in objects:
        name = _name(one)
        if names[name] > 1:  # two kinds of that name
            name = name.with_name(f"{one.manifest['apiVersion'].replace('/', '_')}.{name.name}")
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text(one), encoding="utf-8")
    return len(objects)


def text(one: Rendered) -> str:
    """The file of an object: what its fields do not say as comments, then the object."""
    head = "".join(f"# {name}: {fact}\n" for name, fact in sorted(one.facts.items()))
    return head + yaml.dump(one.manifest, Dumper=_Dumper, allow_unicode=True, width=10_000)


def _name(one: Rendered) -> Path:
    return Path(one.folder) / f"{one.manifest['kind']}.{one.manifest['metadata']['name']}.yaml"


def _note(line: str) -> None:
    print(f"render: {line}", file=sys.stderr)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Where to."""
    parser.add_argument("folder", type=Path, help="where to write; it must be empty or absent")


def main(options: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    stack = selected_stack(options.stack, os.environ)
    objects = render(read_stack_file(stack, os.environ), short_name(stack))
    try:
        count = write(objects, options.folder)
    except OSError as problem:
        raise CommandError(f"{options.folder} cannot be written: {problem.strerror}; take another folder") from None
    print(f"{count} objects in {options.folder}")
    return 0
