"""What the real ``__main__.py`` registers under Pulumi's mocks (oceanid_cluster/commands/registrations.py)."""

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from oceanid_cluster.commands import registrations
from oceanid_cluster.commands.registrations import Run
from oceanid_cluster.commands.registrations import without_marks as plain
from oceanid_cluster.config.secret import Secret
from oceanid_cluster.startup.kubeconfig import Kubeconfig

__all__ = [
    "ROOT", "STACK", "Run", "dependencies", "manifests", "plain", "record", "run_program", "secret_data",
]  # fmt: skip

ROOT = Path(__file__).resolve().parent.parent
STACK = "dev"


def run_program(config: Mapping[str, str], folder: Path, monkeypatch: Any) -> Run:
    """Run the program on a configuration, with a kubeconfig whose server is not asked; raises what it raises."""
    monkeypatch.chdir(ROOT)
    path, contents = str(folder / "kubeconfig"), Secret("canary-kubeconfig")
    return registrations.run_program(config, STACK, Kubeconfig(path, "test", "https://127.0.0.1:1", contents, ()))


def record(main: Callable[[], None]) -> Run:
    """Run ``main`` as a program under Pulumi's mocks; raises what it raises."""
    return registrations.record(main, STACK)


def manifests(run: Run) -> list[dict[str, Any]]:
    """Every Kubernetes object that the program itself makes, as it would reach the API server."""
    return [
        plain(resource.inputs)
        for resource in run.resources.values()
        if resource.typ.startswith("kubernetes:") and "kind" in resource.inputs
    ]


def dependencies(run: Run, name: str) -> set[str]:
    """Logical names of what a resource waits for."""
    return {urn.rpartition("::")[2] for urn in run.requests[name].dependencies}


def secret_data(run: Run, name: str) -> dict[str, str]:
    """The contents of a recorded Secret, in clear."""
    data: dict[str, str] = plain(run.resources[name].inputs)["data"]
    return {key: base64.b64decode(text).decode() for key, text in data.items()}
