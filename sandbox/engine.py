"""The real Pulumi engine on the sandbox's stack."""

import json
import shutil
import signal
import subprocess
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO

from sandbox.cluster import kubectl, private
from sandbox.layout import PASSPHRASE, Sandbox, checked, say
from sandbox.progress import Progress, follow

ADOPT = {"PULUMI_K8S_UPSERT_EXISTING_OBJECTS": "true"}
# How the end of the engine's output begins: its own error, or else errors of resources, the outputs, the summary.
_END = ("error:", "Diagnostics:", "Outputs:", "Resources:")
OURS = "--selector=oceanid.cluster/managed-by=pulumi"


def prepare(sandbox: Sandbox) -> dict[str, str]:
    """Make the backend, the passphrase and the stack, and clear what a killed run left behind.

    Returns the variables with which the next run adopts what is in the cluster and not in the state: objects that a
    killed run made but did not note down, or that a destroy retained.
    """
    passphrase = sandbox.home / "passphrase"
    if not passphrase.exists():
        private(passphrase, f"{PASSPHRASE}\n")
    (sandbox.home / "state").mkdir(exist_ok=True)
    locks = sandbox.home / "state" / ".pulumi" / "locks"
    if any(path.is_file() for path in locks.rglob("*.json")):
        # Our own lock on the sandbox says that nobody else is at work: these belong to a dead engine.
        say("clearing the lock of an interrupted run")
        shutil.rmtree(locks)
    if not any(stack["name"] == "sandbox" for stack in json.loads(pulumi(sandbox, "stack", "ls", "--json"))):
        pulumi(sandbox, "stack", "init", "sandbox", "--no-select")
    state: dict[str, Any] = json.loads(pulumi(sandbox, "stack", "export"))
    if state["deployment"].get("pending_operations"):
        say("an interrupted run left operations unfinished; looking at what they made")
        options = ["--run-program", "--yes", "--skip-preview", "--clear-pending-creates", "--suppress-outputs"]
        _run_quietly(sandbox, "refresh", options)
    if unfinished(sandbox).exists():
        say("the last run did not finish; adopting what it made and did not note down")
        _forget_releases(sandbox)
        return ADOPT
    if not state["deployment"].get("resources") and kubectl(sandbox, "get", "namespaces", OURS, "-o", "name"):
        say("the stack is empty and the cluster is not; adopting what a destroy retained")
        return ADOPT
    return {}


def up(sandbox: Sandbox, arguments: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run ``pulumi up`` so that, if it does not finish, the next one adopts what it made; returns its exit code.

    ``variables`` are those of ``prepare``.
    """
    unfinished(sandbox).touch()
    code = _run_quietly(sandbox, "up", ["--yes", "--skip-preview", *arguments], variables)
    if code == 0:
        unfinished(sandbox).unlink()
    return code


def unfinished(sandbox: Sandbox) -> Path:
    """The file that is there while an ``up`` runs, and after one that did not finish."""
    return sandbox.home / "unfinished"


def _forget_releases(sandbox: Sandbox) -> None:
    """Delete Helm's records of releases of ours that are not in the state: Helm would refuse to install them again.

    Those of Flux are in namespaces that Git made.
    """
    state: dict[str, Any] = json.loads(pulumi(sandbox, "stack", "export"))
    resources: list[dict[str, Any]] = state["deployment"].get("resources") or []
    known = {one.get("id") for one in resources if one["type"] == "kubernetes:helm.sh/v3:Release"}
    for namespace in kubectl(sandbox, "get", "namespaces", OURS, "-o", "jsonpath={.items[*].metadata.name}").split():
        names = "jsonpath={.items[*].metadata.labels.name}"
        found = kubectl(sandbox, "-n", namespace, "get", "secrets", "--selector=owner=helm", "-o", names)
        for name in {*found.split()}:
            if f"{namespace}/{name}" not in known:
                kubectl(sandbox, "-n", namespace, "delete", "secret", f"--selector=owner=helm,name={name}")


def run(sandbox: Sandbox, arguments: Sequence[str]) -> int:
    """Run ``pulumi`` with our input and output; returns its exit code."""
    with _running(sandbox, arguments) as process:
        return process.wait()


def _run_quietly(
    sandbox: Sandbox, verb: str, options: Sequence[str], variables: Mapping[str, str] | None = None
) -> int:
    """Run ``pulumi <verb>`` with its output in a log, and show how it ended; returns its exit code."""
    log = sandbox.log / f"{verb}.log"
    say(f"pulumi {verb}; its whole output is in {log}")
    progress, last = Progress(f"pulumi {verb}", 0), ""
    with (
        log.open("wb") as output,
        _running(sandbox, [verb, "--suppress-progress", *options], variables, output) as process,
    ):
        for line in follow(process, log):
            last = line or last
            progress.show(0, last)
    progress.end()
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    start = next((number for number, line in enumerate(lines) if line.startswith(_END)), -20)
    print(*lines[start:], sep="\n", flush=True)
    return process.returncode


@contextmanager
def _running(
    sandbox: Sandbox,
    arguments: Sequence[str],
    variables: Mapping[str, str] | None = None,
    output: BinaryIO | None = None,
) -> Generator[subprocess.Popen[bytes]]:
    """A ``pulumi`` that runs. Ctrl-C reaches it, it ends its current steps and saves its state; we wait for it."""
    process = subprocess.Popen(
        [sandbox.bin / "pulumi", *arguments],
        cwd=sandbox.project, env={**sandbox.process_environment("engine"), **(variables or {})},
        stdout=output, stderr=output,
    )  # fmt: skip

    def forward(number: int, frame: FrameType | None) -> None:
        del frame
        if number == signal.SIGTERM:  # a terminal sends SIGINT to the engine itself
            process.send_signal(signal.SIGINT)

    previous = {number: signal.signal(number, forward) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield process
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def pulumi(sandbox: Sandbox, *arguments: str, stdin: str = "") -> str:
    """Run ``pulumi`` for its output. Raises SandboxError with its last words."""
    command = [sandbox.bin / "pulumi", *arguments, "--non-interactive"]
    return checked(command, sandbox.project, sandbox.process_environment("engine"), stdin)
