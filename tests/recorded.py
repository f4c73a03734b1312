"""Runs the real ``__main__.py`` under Pulumi's mocks and records what it registers."""

import asyncio
import base64
import json
import runpy
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime import mocks, rpc, settings, stack
from pulumi.runtime.proto import callback_pb2

from oceanid_cluster.config.cluster import NODES
from oceanid_cluster.config.secret import Secret
from oceanid_cluster.startup.identity import Cluster
from oceanid_cluster.startup.kubeconfig import Kubeconfig
from oceanid_cluster.startup.kubectl import Kubectl

ROOT = Path(__file__).resolve().parent.parent
STACK = "dev"
Registered = mocks.MockResourceArgs


@dataclass
class Run:
    """What one run registered, by logical name, and its outputs; and when it registered the last (time.monotonic)."""

    resources: dict[str, Registered] = field(default_factory=dict[str, Registered])
    requests: dict[str, Any] = field(default_factory=dict[str, Any])
    outputs: dict[str, Any] = field(default_factory=dict[str, Any])
    transforms: list[Any] = field(default_factory=list[Any])
    registered_at: float = 0

    def manifests(self) -> list[dict[str, Any]]:
        """Every Kubernetes object that the program itself makes, as it would reach the API server."""
        return [
            plain(resource.inputs)
            for resource in self.resources.values()
            if resource.typ.startswith("kubernetes:") and "kind" in resource.inputs
        ]

    def dependencies(self, name: str) -> set[str]:
        """Logical names of what a resource waits for."""
        return {urn.rpartition("::")[2] for urn in self.requests[name].dependencies}


class _Recorder(mocks.Mocks):
    def __init__(self, run: Run) -> None:
        self._run = run

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        self._run.resources[args.name] = args
        generated: dict[str, Any] = {"result": f"generated-{args.name}"} if args.typ.startswith("random:") else {}
        if args.typ == "pulumi:index:Stash":  # pulumi/pkg, resource/deploy/builtins.go
            generated = {"output": args.inputs["input"]}
        return args.resource_id or f"{args.name}-id", {**args.inputs, **generated}

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"the program calls nothing, and called {args.token}")


class _Monitor(mocks.MockMonitor):
    """Pulumi's own mock monitor, which also keeps the requests: they carry edges and options."""

    def __init__(self, run: Run) -> None:
        super().__init__(_Recorder(run))
        self._run = run

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802
        self._run.requests[request.name] = request
        self._run.registered_at = time.monotonic()
        return super().RegisterResource(request)


class _Callbacks:
    """Stands where the engine would call transforms back: keeps them for the tests."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def register_transform(self, transform: Any) -> callback_pb2.Callback:
        self._run.transforms.append(transform)
        return callback_pb2.Callback()


def run_program(config: Mapping[str, str], folder: Path, monkeypatch: Any) -> Run:
    """Run the program on a configuration, with a kubeconfig whose server is not asked; raises what it raises."""
    kubeconfig = folder / "kubeconfig"
    monkeypatch.chdir(ROOT)
    # The program sets it in its own process, which here is everybody's: the engine of a later test would obey it, too.
    monkeypatch.setenv("PULUMI_DISABLE_RESOURCE_REFERENCES", "true")
    for name in ("CI", "GITHUB_ACTIONS", "RUNNER_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps({f"oceanid-cluster:{name}": text for name, text in config.items()}))
    monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", json.dumps([f"oceanid-cluster:{name}" for name in config]))
    # Mocks have no cluster: what is read of one, and by kubectl, is tried in tests/startup and on the engine.
    nodes = frozenset(node.host for node in NODES)
    seen = Kubeconfig(str(kubeconfig), "test", "https://127.0.0.1:1", Secret("canary-kubeconfig"), ())
    monkeypatch.setattr("oceanid_cluster.startup.kubectl.open_cluster", lambda *_: Kubectl(seen))
    monkeypatch.setattr("oceanid_cluster.startup.identity.read_cluster", lambda *_: Cluster("uid", nodes))

    def main() -> None:
        runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__")

    return record(main)


def record(main: Callable[[], None]) -> Run:
    """Run ``main`` as a program under Pulumi's mocks; raises what it raises."""
    run = Run()

    async def program() -> None:
        settings.set_root_resource(None)  # pyright: ignore[reportArgumentType] # of the run before
        mocks.set_mocks(_Recorder(run), project="oceanid-cluster", stack=STACK, monitor=_Monitor(run))
        settings.SETTINGS.callbacks = _Callbacks(run)  # pyright: ignore[reportAttributeAccessIssue]
        await stack.run_pulumi_func(main)
        root = settings.get_root_resource()
        assert isinstance(root, stack.Stack)
        for name, value in root.outputs.items():
            run.outputs[name] = await pulumi.Output.from_input(value).future()

    asyncio.run(program())
    return run


def plain(value: Any) -> Any:
    """A recorded value without marks of secrecy."""
    if rpc.is_rpc_secret(value):
        return plain(rpc.unwrap_rpc_secret(value))
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [plain(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def secret_data(run: Run, name: str) -> dict[str, str]:
    """The contents of a recorded Secret, in clear."""
    data: dict[str, str] = plain(run.resources[name].inputs)["data"]
    return {key: base64.b64decode(text).decode() for key, text in data.items()}
