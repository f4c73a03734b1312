"""The plain tools on a sandbox, for tests of this tier: the real engine on a real API server."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oceanid_cluster.components.settings import CUSTOM_RESOURCES, EXPECTED
from oceanid_cluster.components.tunnel.settings import TunnelSettings
from oceanid_cluster.config.schema import keys_of
from sandbox.engine import ADOPT
from sandbox.layout import ROOT, Sandbox
from tests.engine import runs

Answer = subprocess.CompletedProcess[str]
WORKLOADS = [one for one in EXPECTED if one.kind in ("Deployment", "DaemonSet")]
# To write the state after every step is most of what the engine does in a run that changes something: tests whose
# engine is not killed write it once, at the end.
STATE_AT_THE_END = "PULUMI_SKIP_CHECKPOINTS"
# With it the CLI takes --event-log: what the engine did, beside what it shows.
EVENTS = {"PULUMI_DEBUG_COMMANDS": "true"}
# One pod each, the tunnel apart; the DaemonSet's node is one.
PODS = len(WORKLOADS) - 1 + int(keys_of(TunnelSettings)["replicas"].default or "")


def launch(home: Path, *arguments: str) -> Answer:
    """``python -m sandbox`` as the Makefile calls it."""
    environment = {**os.environ, "SANDBOX_DIR": str(home), STATE_AT_THE_END: "true"}
    return subprocess.run(
        [sys.executable, "-m", "sandbox", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


@dataclass(frozen=True)
class Run:
    """A run of the engine that succeeded: what it printed, and what it did, as the operation by logical name."""

    stdout: str
    stderr: str
    changes: dict[str, str]


def changes(events: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """What a run does, without what it only reads or leaves as it is.

    Nor is the provider's own update among it: a copy of a sandbox has an endpoint that its state does not know yet.
    tests/engine/test_endpoints.py looks at that.
    """
    found: dict[str, str] = {}
    for event in events:
        step = event.get("resourcePreEvent", {}).get("metadata", {})
        if step.get("op") in (None, "same", "read", "discard", "refresh"):
            continue
        if step["op"] == "update" and step["type"].startswith("pulumi:providers:"):
            continue
        found[step["urn"].rpartition("::")[2]] = step["op"]
    return found


class Engine:
    """The plain tools on a sandbox, with a copy of the stack's configuration that tests may edit."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.sandbox = Sandbox(home)
        self.folder = folder
        self.is_changed = False  # whether the last run may have had another configuration than the committed one
        self.sandbox.link_project(folder)

    def environment(self, role: str = "engine", *, checkpoints: bool = False) -> dict[str, str]:
        """The environment of the sandbox's own processes; with ``checkpoints`` the state is written after each step."""
        return {**self.sandbox.process_environment(role), STATE_AT_THE_END: str(not checkpoints).lower()}

    def launcher(self, *arguments: str, home: Path | None = None) -> Answer:
        """``python -m sandbox`` on this sandbox, or on another one."""
        return launch(home or self.sandbox.home, *arguments)

    def pulumi(
        self,
        *arguments: str,
        variables: Mapping[str, str | None] | None = None,
        stdin: str = "",
        watch: Callable[[], None] | None = None,
    ) -> Answer:
        """Plain ``pulumi`` on the test's copy of the configuration; a variable of None is unset.

        ``watch`` is called again and again while it runs.
        """
        environment = {**self.environment(), **(variables or {})}
        with runs.measured(arguments[0]):
            process = subprocess.Popen(
                [self.sandbox.bin / "pulumi", *arguments, "--non-interactive"], cwd=self.folder, text=True,
                env={name: value for name, value in environment.items() if value is not None}, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
            while True:
                try:
                    output, errors = process.communicate(stdin, timeout=0.05 if watch else None)
                except subprocess.TimeoutExpired:
                    if watch:
                        watch()
                else:
                    return Answer(process.args, process.returncode, output, errors)

    def command(self, command: str, *arguments: str, **variables: str) -> Answer:
        """``python -m oceanid_cluster <command>``, as an operator calls it."""
        return subprocess.run(
            [sys.executable, "-m", "oceanid_cluster", command, *arguments], cwd=self.folder, text=True,
            env={**self.environment(), **variables}, capture_output=True, check=False,
        )  # fmt: skip

    def configure(self, key: str, value: str | None, *, secret: bool = False) -> None:
        """``pulumi config set`` or, for None, ``rm``; a value goes in by standard input."""
        self.is_changed = True
        if value is None:
            answer = self.pulumi("config", "rm", key)
        else:
            answer = self.pulumi("config", "set", *(["--secret"] if secret else []), key, stdin=value)
        assert answer.returncode == 0, answer.stderr

    def reset_configuration(self) -> None:
        """Take the committed configuration again."""
        shutil.copy(ROOT / "Pulumi.sandbox.yaml", self.folder)

    def up(self, *arguments: str, variables: Mapping[str, str | None] | None = None) -> Run:
        """``pulumi up``, which must succeed; says what it did."""
        run = self._run("up", "--yes", "--skip-preview", *arguments, variables=variables)
        applied, committed = (folder / "Pulumi.sandbox.yaml" for folder in (self.folder, ROOT))
        self.is_changed = applied.read_bytes() != committed.read_bytes()
        return run

    def adopt(self, *arguments: str) -> Run:
        """``pulumi up`` that adopts what exists, by the provider's own variable, which leaves nothing in the state."""
        return self.up(*arguments, variables=ADOPT)

    def planned(self, *arguments: str) -> dict[str, str]:
        """What an ``up`` would do."""
        return self._run("preview", *arguments).changes

    def _run(self, *arguments: str, variables: Mapping[str, str | None] | None = None) -> Run:
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "events"
            answer = self.pulumi(*arguments, f"--event-log={log}", variables={**EVENTS, **(variables or {})})
            assert answer.returncode == 0, answer.stdout + answer.stderr
            events = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        return Run(answer.stdout, answer.stderr, changes(events))

    def state(self) -> dict[str, dict[str, Any]]:
        """The resources of the stack's state by logical name."""
        answer = self.pulumi("stack", "export")
        assert answer.returncode == 0, answer.stderr
        resources: list[dict[str, Any]] = json.loads(answer.stdout)["deployment"].get("resources", [])
        return {resource["urn"].rpartition("::")[2]: resource for resource in resources}

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """``kubectl`` as the sandbox's administrator, which must succeed."""
        return self._tool("kubectl", *arguments, stdin=stdin)

    def helm(self, *arguments: str) -> str:
        """``helm`` as the sandbox's administrator, which must succeed."""
        return self._tool("helm", *arguments)

    def _tool(self, name: str, *arguments: str, stdin: str | None = None) -> str:
        answer = subprocess.run(
            [self.sandbox.bin / name, *arguments], env=self.environment("kubectl"), capture_output=True, text=True,
            input=stdin, check=False,
        )  # fmt: skip
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    def objects(self, *kinds: str) -> list[dict[str, Any]]:
        """Live objects of all namespaces."""
        return json.loads(self.kubectl("get", ",".join(kinds), "-A", "-o", "json"))["items"]

    def pods(self) -> list[dict[str, Any]]:
        """Live pods of all namespaces, without those that are on their way out."""
        return [pod for pod in self.objects("pods") if "deletionTimestamp" not in pod["metadata"]]


def flux_reports(engine: Engine, *, ready: bool = True, message: str = "Applied revision: main@sha1:1234") -> None:
    """Set the conditions that Flux's controllers would set: here nothing runs inside their pods."""
    condition = {
        "type": "Ready", "status": str(ready), "reason": "Reconciled" if ready else "BuildFailed", "message": message,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    kinds = [custom.resource for custom in CUSTOM_RESOURCES.values() if not custom.static]
    reported: list[dict[str, Any]] = []
    for one in engine.objects(*kinds, "helmreleases.helm.toolkit.fluxcd.io"):
        metadata = {name: one["metadata"][name] for name in ("name", "namespace")}
        status = {"observedGeneration": one["metadata"]["generation"], "conditions": [condition]}
        reported.append({"apiVersion": one["apiVersion"], "kind": one["kind"], "metadata": metadata, "status": status})
    if reported:
        document = json.dumps({"apiVersion": "v1", "kind": "List", "items": reported})
        command = ("apply", "--server-side", "--force-conflicts", "--subresource=status", "-f", "-")
        engine.kubectl(*command, stdin=document)
