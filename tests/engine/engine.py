"""The plain tools on a sandbox, for tests of this tier: the real engine on a real API server."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socketserver import BaseServer
from typing import Any, TypeVar

from oceanid_cluster.components.settings import CUSTOM_RESOURCES, EXPECTED
from oceanid_cluster.components.tunnel.settings import TunnelSettings
from oceanid_cluster.config.schema import keys_of
from sandbox.engine import ADOPT
from sandbox.layout import ROOT, Sandbox
from tests.engine import runs

Server = TypeVar("Server", bound=BaseServer)
Answer = subprocess.CompletedProcess[str]
FLUX_KINDS = [custom.resource for custom in CUSTOM_RESOURCES.values() if not custom.static]
WORKLOADS = [one for one in EXPECTED if one.kind in ("Deployment", "DaemonSet")]
# To write the state after every step is most of what the engine does in a run that changes something: tests whose
# engine is not killed write it once, at the end.
STATE_AT_THE_END = "PULUMI_SKIP_CHECKPOINTS"
# With it the CLI takes --event-log: what the engine did, beside what it shows.
EVENTS = {"PULUMI_DEBUG_COMMANDS": "true"}
# One pod each, the tunnel apart; the DaemonSet's node is one.
PODS = len(WORKLOADS) - 1 + int(keys_of(TunnelSettings)["replicas"].default or "")


# No terminal here: what would be asked is answered, and nobody reads the preview before an update.
UNATTENDED = {"PULUMI_SKIP_CONFIRMATIONS": "true", "PULUMI_OPTION_SKIP_PREVIEW": "true"}
# Exit codes, where it does not matter which one it is.
FAILS, ANY = range(1, 256), range(256)


def run(
    command: Sequence[str | Path], folder: Path, environment: Mapping[str, str], *,
    code: int | range = 0, stdin: str = "",
) -> Answer:  # fmt: skip
    """Run a command, which must end with this exit code, or with one of these."""
    answer = subprocess.run(
        command, cwd=folder, env=environment, input=stdin, capture_output=True, text=True, check=False
    )
    wanted = code if isinstance(code, range) else (code,)
    assert answer.returncode in wanted, f"exit code {answer.returncode}: {command}\n{answer.stdout}{answer.stderr}"
    return answer


def launch(home: Path, *arguments: str, code: int | range = 0) -> Answer:
    """``python -m sandbox`` as the Makefile calls it."""
    environment = {**os.environ, "SANDBOX_DIR": str(home), STATE_AT_THE_END: "true"}
    return run([sys.executable, "-m", "sandbox", *arguments], ROOT, environment, code=code)


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

    def launcher(self, *arguments: str, code: int | range = 0) -> Answer:
        """``python -m sandbox`` on this sandbox."""
        return launch(self.sandbox.home, *arguments, code=code)

    def pulumi(
        self, *arguments: str, code: int | range = 0, variables: Mapping[str, str | None] | None = None, stdin: str = ""
    ) -> Answer:
        """Plain ``pulumi`` on the test's copy of the configuration, unattended; a variable of None is unset."""
        environment = {**self.environment(), **UNATTENDED, **(variables or {})}
        command = [self.sandbox.bin / "pulumi", *arguments, "--non-interactive"]
        known = {name: value for name, value in environment.items() if value is not None}
        with runs.measured(arguments[0]):
            return run(command, self.folder, known, code=code, stdin=stdin)

    def command(self, *arguments: str, code: int | range = 0, **variables: str) -> Answer:
        """``python -m oceanid_cluster``, as an operator calls it."""
        command = [sys.executable, "-m", "oceanid_cluster", *arguments]
        return run(command, self.folder, {**self.environment(), **variables}, code=code)

    def shell(self, script: str, variables: Mapping[str, str] | None = None, *, code: int | range = 0) -> Answer:
        """Lines of a document, as an operator runs them, unattended."""
        command = ["bash", "-euo", "pipefail", "-c", script]
        environment = {**self.environment(), **UNATTENDED, "TERM": "dumb", **(variables or {})}
        return run(command, self.folder, environment, code=code)

    def configure(self, key: str, value: str | None, *, secret: bool = False) -> None:
        """``pulumi config set`` or, for None, ``rm``; a value goes in by standard input."""
        self.is_changed = True
        if value is None:
            self.pulumi("config", "rm", key)
        else:
            self.pulumi("config", "set", *(["--secret"] if secret else []), key, stdin=value)

    def reset_configuration(self) -> None:
        """Take the committed configuration again."""
        shutil.copy(ROOT / "Pulumi.sandbox.yaml", self.folder)

    def up(self, *arguments: str, variables: Mapping[str, str | None] | None = None) -> Run:
        """``pulumi up``, which must succeed; says what it did."""
        run = self._run("up", *arguments, variables=variables)
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
            events = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        return Run(answer.stdout, answer.stderr, changes(events))

    def state(self) -> dict[str, dict[str, Any]]:
        """The resources of the stack's state by logical name."""
        exported = self.pulumi("stack", "export").stdout
        resources: list[dict[str, Any]] = json.loads(exported)["deployment"].get("resources", [])
        return {resource["urn"].rpartition("::")[2]: resource for resource in resources}

    def tool(self, name: str, *arguments: str, code: int | range = 0, stdin: str = "") -> Answer:
        """``kubectl`` or ``helm`` as the sandbox's administrator."""
        return run(
            [self.sandbox.bin / name, *arguments], self.folder, self.environment("kubectl"), code=code, stdin=stdin
        )

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """What ``kubectl`` prints."""
        return self.tool("kubectl", *arguments, stdin=stdin).stdout

    def helm(self, *arguments: str) -> str:
        """What ``helm`` prints."""
        return self.tool("helm", *arguments).stdout

    def kubeconfig(self) -> dict[str, Any]:
        """The sandbox's kubeconfig."""
        return json.loads(self.sandbox.kubeconfig.read_text(encoding="utf-8"))

    def unreachable(self, folder: Path) -> Path:
        """A kubeconfig for a server of this cluster that is not there."""
        document = self.kubeconfig()
        document["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
        file = folder / "unreachable"
        file.write_text(json.dumps(document), encoding="utf-8")
        return file

    def objects(self, *kinds: str) -> list[dict[str, Any]]:
        """Live objects of all namespaces."""
        return json.loads(self.kubectl("get", ",".join(kinds), "-A", "-o", "json"))["items"]

    def node_labels(self) -> dict[str, dict[str, str]]:
        """The labels that the program manages, by node."""
        found: dict[str, dict[str, str]] = {}
        for node in self.objects("nodes"):
            labels = {
                name.partition("oceanid.cluster/")[2]: value for name, value in node["metadata"]["labels"].items()
            }
            found[node["metadata"]["name"]] = {name: value for name, value in labels.items() if name}
        return found

    def pods(self) -> list[dict[str, Any]]:
        """Live pods of all namespaces, without those that are on their way out."""
        return [pod for pod in self.objects("pods") if "deletionTimestamp" not in pod["metadata"]]


def elsewhere(engine: Engine, folder: Path) -> Path:
    """A kubeconfig with our context in it, and with a current context that leads to a server that is not there."""
    document = engine.kubeconfig()
    ours = document["contexts"][0]["context"]
    document["clusters"].append({"name": "other", "cluster": {"server": "https://127.0.0.1:1"}})
    document["contexts"].append({"name": "other", "context": {**ours, "cluster": "other"}})
    document["current-context"] = "other"
    target = folder / "several-contexts"
    target.write_text(json.dumps(document), encoding="utf-8")
    return target


@contextmanager
def served(server: Server) -> Generator[Server]:
    """A server that answers meanwhile."""
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def row(answer: Answer, name: str) -> str:
    """The line of a table that has the name."""
    (line,) = [line for line in answer.stdout.splitlines() if f" {name} " in line]
    return " ".join(line.split())


def ask_until(engine: Engine, words: str) -> Answer:
    """Ask for health until it fails with the words: the cluster's controllers need a moment, at most a minute."""
    end = time.monotonic() + 60
    while words not in (answer := engine.command("health", code=ANY)).stdout:
        assert time.monotonic() < end, answer.stdout + answer.stderr
    assert answer.returncode == 1
    return answer


def flux_reports(engine: Engine, *, ready: bool = True, message: str = "Applied revision: main@sha1:1234") -> None:
    """Set the conditions that Flux's controllers would set: here nothing runs inside their pods."""
    condition = {
        "type": "Ready", "status": str(ready), "reason": "Reconciled" if ready else "BuildFailed", "message": message,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    reported: list[dict[str, Any]] = []
    for one in engine.objects(*FLUX_KINDS, "helmreleases.helm.toolkit.fluxcd.io"):
        metadata = {name: one["metadata"][name] for name in ("name", "namespace")}
        status = {"observedGeneration": one["metadata"]["generation"], "conditions": [condition]}
        reported.append({"apiVersion": one["apiVersion"], "kind": one["kind"], "metadata": metadata, "status": status})
    if reported:
        document = json.dumps({"apiVersion": "v1", "kind": "List", "items": reported})
        command = ("apply", "--server-side", "--force-conflicts", "--subresource=status", "-f", "-")
        engine.kubectl(*command, stdin=document)
