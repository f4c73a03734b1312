"""The real Pulumi engine on the sandbox's stack."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from sandbox.cluster import kubectl
from sandbox.layout import PASSPHRASE, Sandbox, say

ADOPT = {"PULUMI_K8S_UPSERT_EXISTING_OBJECTS": "true"}
OURS = "--selector=oceanid.cluster/managed-by=pulumi"


def prepare(sandbox: Sandbox) -> dict[str, str]:
    """Make the backend, the passphrase and the stack, and clear what a killed run left behind.

    Returns the variables with which the next run adopts what is in the cluster and not in the state: objects that a
    killed run made but did not note down, or that a destroy retained.
    """
    passphrase = sandbox.home / "passphrase"
    if not passphrase.exists():
        passphrase.touch(mode=0o600)
        passphrase.write_text(f"{PASSPHRASE}\n", encoding="utf-8")
    (sandbox.home / "state").mkdir(exist_ok=True)
    locks = sandbox.home / "state" / ".pulumi" / "locks"
    if any(path.is_file() for path in locks.rglob("*.json")):
        # Our own lock on the sandbox says that nobody else is at work: these belong to a dead engine.
        say("clearing the lock of an interrupted run")
        shutil.rmtree(locks)
    known = quietly(sandbox, "stack", "ls", "--json")
    if not any(stack["name"] == "sandbox" for stack in json.loads(known.stdout or "[]")):
        quietly(sandbox, "stack", "init", "sandbox", "--no-select", check=True)
    state: dict[str, Any] = json.loads(quietly(sandbox, "stack", "export", check=True).stdout)
    if state["deployment"].get("pending_operations"):
        say("an interrupted run left operations unfinished; looking at what they made")
        refresh = ["refresh", "--run-program", "--yes", "--skip-preview", "--clear-pending-creates"]
        run(sandbox, [*refresh, "--suppress-outputs"])
    if _unfinished(sandbox).exists():
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
    _unfinished(sandbox).touch()
    code = run(sandbox, ["up", "--yes", "--skip-preview", *arguments], variables)
    if code == 0:
        _unfinished(sandbox).unlink()
    return code


def _unfinished(sandbox: Sandbox) -> Path:
    return sandbox.home / "unfinished"


def _forget_releases(sandbox: Sandbox) -> None:
    """Delete Helm's records of releases of ours that are not in the state: Helm would refuse to install them again.

    Those of Flux are in namespaces that Git made.
    """
    state: dict[str, Any] = json.loads(quietly(sandbox, "stack", "export", check=True).stdout)
    resources: list[dict[str, Any]] = state["deployment"].get("resources") or []
    known = {one.get("id") for one in resources if one["type"] == "kubernetes:helm.sh/v3:Release"}
    for namespace in kubectl(sandbox, "get", "namespaces", OURS, "-o", "jsonpath={.items[*].metadata.name}").split():
        names = "jsonpath={.items[*].metadata.labels.name}"
        found = kubectl(sandbox, "-n", namespace, "get", "secrets", "--selector=owner=helm", "-o", names)
        for name in {*found.split()}:
            if f"{namespace}/{name}" not in known:
                kubectl(sandbox, "-n", namespace, "delete", "secret", f"--selector=owner=helm,name={name}")


def run(sandbox: Sandbox, arguments: Sequence[str], variables: Mapping[str, str] | None = None) -> int:
    """Run ``pulumi`` with our input and output; returns its exit code.

    Ctrl-C reaches the engine, which ends its current steps and saves its state; we wait for it.
    """
    process = subprocess.Popen(
        [sandbox.bin / "pulumi", *arguments],
        cwd=sandbox.project,
        env={**sandbox.process_environment("engine"), **(variables or {})},
    )

    def forward(number: int, frame: FrameType | None) -> None:
        del frame
        if number == signal.SIGTERM:  # a terminal sends SIGINT to the engine itself
            process.send_signal(signal.SIGINT)

    previous = {number: signal.signal(number, forward) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return process.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def quietly(
    sandbox: Sandbox, *arguments: str, check: bool = False, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run ``pulumi`` for its answer. With ``check`` a failure raises CalledProcessError after its words were shown."""
    answer = subprocess.run(
        [sandbox.bin / "pulumi", *arguments, "--non-interactive"], cwd=sandbox.project, capture_output=True, text=True,
        env=sandbox.process_environment("engine"), check=False, input=stdin,
    )  # fmt: skip
    if check and answer.returncode:
        sys.stderr.write(answer.stderr or answer.stdout)
        answer.check_returncode()
    return answer
