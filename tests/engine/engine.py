"""The plain tools on a sandbox, for tests of this tier: the real engine on a real API server."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from oceanid_cluster.components.settings import CUSTOM_RESOURCES, EXPECTED
from oceanid_cluster.components.tunnel.settings import TunnelSettings
from oceanid_cluster.config.schema import keys_of
from sandbox.layout import ROOT, Sandbox, link_project

Answer = subprocess.CompletedProcess[str]
WORKLOADS = [one for one in EXPECTED if one.kind in ("Deployment", "DaemonSet")]
# To write the state after every step is most of what the engine does in a run that changes something: tests whose
# engine is not killed write it once, at the end.
STATE_AT_THE_END = "PULUMI_SKIP_CHECKPOINTS"
# One pod each, the tunnel apart; the DaemonSet's node is one.
PODS = len(WORKLOADS) - 1 + int(keys_of(TunnelSettings)["replicas"].default or "")


def launch(home: Path, *arguments: str) -> Answer:
    """``python -m sandbox`` as the Makefile calls it."""
    environment = {**os.environ, "SANDBOX_DIR": str(home), STATE_AT_THE_END: "true"}
    return subprocess.run(
        [sys.executable, "-m", "sandbox", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


class Engine:
    """The plain tools on a sandbox, with a copy of the stack's configuration that tests may edit."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.sandbox = Sandbox(home)
        self.folder = folder
        link_project(folder)

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
        if value is None:
            answer = self.pulumi("config", "rm", key)
        else:
            answer = self.pulumi("config", "set", *(["--secret"] if secret else []), key, stdin=value)
        assert answer.returncode == 0, answer.stderr

    def reset_configuration(self) -> None:
        """Take the committed configuration again."""
        shutil.copy(ROOT / "Pulumi.sandbox.yaml", self.folder)

    def up(self, *arguments: str) -> Answer:
        """``pulumi up``, which must succeed."""
        answer = self.pulumi("up", "--yes", "--skip-preview", *arguments)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer

    def planned(self, *arguments: str) -> dict[str, str]:
        """What an ``up`` would do: the operation by logical name, without what is only read or stays as it is."""
        answer = self.pulumi("preview", "--json", *arguments)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        steps: list[dict[str, Any]] = json.loads(answer.stdout)["steps"]
        idle = ("same", "read", "discard", "refresh")
        return {step["urn"].rpartition("::")[2]: step["op"] for step in steps if step["op"] not in idle}

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
    kinds = ",".join(custom.resource for custom in CUSTOM_RESOURCES.values() if not custom.static)
    reported: list[dict[str, Any]] = []
    for one in json.loads(engine.kubectl("-n", "flux-system", "get", kinds, "-o", "json"))["items"]:
        metadata = {name: one["metadata"][name] for name in ("name", "namespace")}
        status = {"observedGeneration": one["metadata"]["generation"], "conditions": [condition]}
        reported.append({"apiVersion": one["apiVersion"], "kind": one["kind"], "metadata": metadata, "status": status})
    if reported:
        document = json.dumps({"apiVersion": "v1", "kind": "List", "items": reported})
        command = ("apply", "--server-side", "--force-conflicts", "--subresource=status", "-f", "-")
        engine.kubectl(*command, stdin=document)


@contextmanager
def bare_cluster(folder: Path) -> Generator[Engine]:
    """A sandbox of its own on which the program has not run yet; stopped at the end."""
    engine = Engine(folder / "home", folder / "program")
    try:
        started = engine.launcher("cluster")
        assert started.returncode == 0, started.stderr
        yield engine
    finally:
        engine.launcher("down")
