"""Who is measured: the program, the limit, and the predecessor, each on a bare cluster of its own.

Each has the same five operations. ``measure`` runs them in their order and takes the time of each.
"""

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from oceanid_cluster.config.cluster import NODES
from sandbox.layout import ROOT
from tests.bench import cpu, predecessor
from tests.engine.engine import Engine

OPERATIONS = ("first up", "no-op preview", "no-op up", "one label", "destroy")
Manifest = dict[str, Any]
_WORKLOADS = ("Deployment", "DaemonSet")
_CRD = "CustomResourceDefinition"
_LABEL = "bench"
_PLAINTEXT = "plaintext"
# The steps of the chain by component: those of one step run side by side.
_STEPS = (
    ("oceanid:core:NodeLabels", "oceanid:gitops:FluxBootstrap"),
    ("oceanid:pko:PulumiOperator",),
    ("oceanid:core:CloudflareTunnel",),
    ("oceanid:networking:NodeTunnels", "oceanid:monitoring:ImageAutomation", "oceanid:apps:LabelStudio"),
    ("oceanid:ml:LsTritonAdapter",),
)


def measure(contender: "Program | Predecessor | Limit", say: Callable[[str], None]) -> dict[str, float]:
    """Seconds of each operation. The label is edited before the clock runs.

    A contender raises what it finds wrong: a failed run is not a measurement.
    """
    steps: tuple[Callable[[], None], ...] = (
        contender.up, contender.preview, contender.up, contender.up, contender.destroy,
    )  # fmt: skip
    seconds: dict[str, float] = {}
    for operation, step in zip(OPERATIONS, steps, strict=True):
        if operation == "one label":
            contender.edit()
        start = time.monotonic()
        step()
        seconds[operation] = time.monotonic() - start
        say(f"{operation} {seconds[operation]:.1f} s")
    return seconds


class Stack:
    """A Pulumi program and its stack: run as an operator runs it."""

    def __init__(self, sandbox: Engine, folder: Path, *, destroy: tuple[str, ...] = ()) -> None:
        """``folder`` holds the program and the stack's file; ``destroy`` are options of that command."""
        self.sandbox, self.folder, self._destroy = sandbox, folder, destroy

    def pulumi(self, *arguments: str) -> str:
        """Run the engine; returns its output. Raises RuntimeError with its last words."""
        answer = subprocess.run(
            [self.sandbox.sandbox.bin / "pulumi", *arguments, "--non-interactive"], cwd=self.folder, check=False,
            env=self.sandbox.environment(checkpoints=True), capture_output=True, text=True,
        )  # fmt: skip
        if answer.returncode:
            raise RuntimeError(f"pulumi {arguments[0]}: {answer.stdout[-3000:]}{answer.stderr[-1000:]}")
        return answer.stdout

    def up(self) -> None:
        self.pulumi("up", "--yes", "--skip-preview")

    def preview(self) -> None:
        self.pulumi("preview", "--expect-no-changes")

    def destroy(self) -> None:
        self.pulumi("destroy", "--yes", "--skip-preview", *self._destroy)


class Program(Stack):
    """This program, with the sandbox's configuration."""

    def __init__(self, sandbox: Engine, objects: dict[str, list[Manifest]], used: list[float]) -> None:
        """``sandbox`` has a bare cluster; ``objects`` gets what it makes there, for a ``Limit``.

        ``used`` gets the CPU seconds of a no-op preview.
        """
        super().__init__(sandbox, sandbox.folder, destroy=("--run-program",))
        self._objects, self._used = objects, used

    def edit(self) -> None:
        """Keep what is installed and what a preview of it uses, and add a label to one node."""
        command = [str(self.sandbox.sandbox.bin / "pulumi"), "preview", "--expect-no-changes", "--non-interactive"]
        self._used.append(cpu.seconds(command, self.folder, self.sandbox.environment()))
        # Secrets in clear: they are the sandbox's fake ones.
        state = json.loads(self.pulumi("stack", "export", "--show-secrets"))
        name = "pulumi-kubernetes-operator"
        manifest = self.sandbox.helm("get", "manifest", name, "--namespace=pulumi-system")
        crds = self.sandbox.helm("show", "crds", str(self.sandbox.sandbox.charts / name))
        release = [one for text in (crds, manifest) for one in yaml.safe_load_all(text) if one]
        self._objects.update(resources=state["deployment"]["resources"], release=release)
        nodes: list[Manifest] = [
            {"name": node.name, "host": node.host, "address": f"192.0.2.{number}", "labels": dict(node.labels)}
            for number, node in enumerate(NODES, start=10)
        ]
        nodes[0]["labels"] = {**NODES[0].labels, _LABEL: "edited"}
        self.sandbox.configure("nodes", json.dumps(nodes))


class Predecessor(Stack):
    """The predecessor's resources, replayed flat by ``tests/bench/flat``."""

    def __init__(self, sandbox: Engine) -> None:
        """``sandbox`` has a bare cluster."""
        folder = sandbox.folder.parent / "predecessor"
        shutil.copytree(ROOT / "tests" / "bench" / "flat", folder)
        (folder / "charts").symlink_to(sandbox.sandbox.charts.resolve())
        super().__init__(sandbox, folder)
        self._entries: list[Manifest] = [
            {"dependencies": [], **entry, "path": predecessor.path(entry)}
            for entry in predecessor.exported()
            if "$kubernetes:helm.sh/v4:Chart$" not in predecessor.path(entry)  # the chart makes them
        ]
        self._write()
        self.pulumi("stack", "init", "sandbox", "--no-select")

    def edit(self) -> None:
        """Add a label to one namespace: the predecessor had none on nodes."""
        entry = next(one for one in self._entries if one["name"] == "cloudflare-ns")
        entry["inputs"]["metadata"]["labels"][_LABEL] = "edited"
        self._write()

    def _write(self) -> None:
        (self.folder / "resources.json").write_text(json.dumps(self._entries), encoding="utf-8")


class Limit:
    """The program's objects, applied by ``kubectl`` in the order of the chain, with waits for rollouts."""

    def __init__(self, sandbox: Engine, resources: list[Manifest], release: list[Manifest]) -> None:
        """``sandbox`` has a bare cluster; the others are those of a ``Program`` after its first up."""
        self._sandbox = sandbox
        self._steps = [[one for one in resources if _component(one) in step] for step in _STEPS]
        self._release = release
        self._extra: Manifest = {}

    def _objects(self) -> Iterator[list[Manifest]]:
        """The objects of each step, namespaces and CRDs before the others, Flux's own after its rollout."""
        for number, step in enumerate(self._steps):
            found = [_plain(one["inputs"]) for one in step if "kind" in one.get("inputs", {})]
            found += self._release if number == 1 else []
            first = [one for one in found if one["kind"] in ("Namespace", _CRD)]
            custom = [one for one in found if ".toolkit.fluxcd.io/" in one["apiVersion"]]
            yield [*first, *(one for one in found if one not in first and one not in custom)]
            if custom:
                yield custom

    def up(self) -> None:
        for objects in self._objects():
            self._kubectl("apply", "--server-side", "--force-conflicts", objects=objects)
            workloads = [one for one in objects if one["kind"] in _WORKLOADS]
            if crds := [one for one in objects if one["kind"] == _CRD]:
                self._kubectl("wait", "--for=condition=Established", "--timeout=60s", objects=crds)
            if workloads:
                self._kubectl("rollout", "status", "--timeout=60s", objects=workloads)

    def preview(self) -> None:
        for objects in self._objects():
            self._kubectl("diff", "--server-side", "--force-conflicts", objects=objects)

    def edit(self) -> None:
        """Add a label to one node."""
        node = next(one for one in self._steps[0] if one["type"].endswith("NodePatch"))
        node["inputs"]["metadata"]["labels"][f"oceanid.cluster/{_LABEL}"] = "edited"

    def destroy(self) -> None:
        """Delete what the program's destroy deletes, the end of the chain first: no CRD, not even Helm's."""
        resources = [one for step in self._steps for one in step]
        kept = {(one["type"].rpartition(":")[2], one["id"]) for one in resources if one.get("retainOnDelete")}
        for objects in reversed([*self._objects()]):
            deleted = [one for one in reversed(objects) if one["kind"] not in ("Node", _CRD)]
            mine = [one for one in deleted if (one["kind"], _id(one)) not in kept]
            if mine:
                self._kubectl("delete", "--ignore-not-found", "--timeout=60s", objects=mine)

    def _kubectl(self, *arguments: str, objects: list[Manifest]) -> None:
        document = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        self._sandbox.kubectl(*arguments, "-f", "-", stdin=document)


def _component(resource: Manifest) -> str:
    """The type of the component that a resource belongs to; empty for the others."""
    return resource["urn"].split("::")[2].partition("$")[0]


def _id(manifest: Manifest) -> str:
    """The id that the provider gives an object."""
    metadata = manifest["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}" if "namespace" in metadata else metadata["name"]


def _plain(value: Any) -> Any:
    """Inputs of a state with each of its secrets in clear."""
    if isinstance(value, dict):
        known: Manifest = value
        if _PLAINTEXT in known and len(known) == 2:
            return json.loads(known[_PLAINTEXT])
        return {key: _plain(item) for key, item in known.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


@contextmanager
def bare(folder: Path, say: Callable[[str], None]) -> Generator[tuple[Engine, str]]:
    """A bare cluster and its engine in ``folder``, which the end stops; and what its start said of its parts."""
    say("starting a control plane")
    folder.mkdir()
    sandbox = Engine(folder / "home", folder / "program")
    try:
        started = sandbox.launcher("cluster")
        if started.returncode:
            raise RuntimeError(started.stderr)
        yield sandbox, started.stderr
    finally:
        sandbox.launcher("down")
