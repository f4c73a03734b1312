"""Runs the real program under Pulumi's mocks and records what it registers: no engine, no cluster, no account."""

import asyncio
import json
import logging
import os
import runpy
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pulumi
from pulumi.runtime import mocks, rpc, settings, stack

from oceanid_cluster.config.schema import PROJECT
from oceanid_cluster.startup import identity, kubectl
from oceanid_cluster.startup.kubeconfig import NO_KUBECONFIG, Kubeconfig

PROGRAM = Path(__file__).resolve().parents[2] / "__main__.py"
Registered = mocks.MockResourceArgs


@dataclass
class Run(mocks.Mocks):
    """What one run registered, by logical name, and its outputs; and when it registered the last (time.monotonic).

    It answers the program in place of the providers.
    """

    resources: dict[str, Registered] = field(default_factory=dict[str, Registered])
    requests: dict[str, Any] = field(default_factory=dict[str, Any])
    outputs: dict[str, Any] = field(default_factory=dict[str, Any])
    transforms: list[Any] = field(default_factory=list[Any])
    registered_at: float = 0

    def new_resource(self, args: Registered) -> tuple[str | None, dict[str, Any]]:
        """Record a resource; what it is in the state is what it was registered with."""
        self.resources[args.name] = args
        self.transforms += args.transforms
        inputs = inputs_of(args)
        generated: dict[str, Any] = {"result": f"generated-{args.name}"} if args.typ.startswith("random:") else {}
        if args.typ == "pulumi:index:Stash":  # pulumi/pkg, resource/deploy/builtins.go
            generated = {"output": inputs["input"]}
        return args.resource_id or f"{args.name}-id", {**inputs, **generated}

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        """Refuse it: the program calls no function of a provider."""
        raise AssertionError(f"the program calls nothing, and called {args.token}")


def inputs_of(resource: Registered) -> dict[str, Any]:
    """The inputs of a resource as they are recorded, with marks of secrecy."""
    return resource.inputs  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


class _Monitor(mocks.MockMonitor):
    """Pulumi's own mock monitor, which also keeps the requests: they carry edges and options."""

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self._run = run

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802
        self._run.requests[request.name] = request
        self._run.registered_at = time.monotonic()
        return super().RegisterResource(request)  # pyright: ignore[reportUnknownMemberType]


def record(main: Callable[[], Any], stack_name: str) -> Run:
    """Run ``main`` as a program under Pulumi's mocks; what it logs is not shown. Raises what it raises."""
    run, quiet = Run(), logging.getLogger(__name__)
    quiet.disabled = True

    async def program() -> None:
        settings.set_root_resource(None)  # pyright: ignore[reportArgumentType] # of the run before
        mocks.set_mocks(run, project=PROJECT, stack=stack_name, logger=quiet, monitor=_Monitor(run))
        await stack.run_pulumi_func(main)
        root = settings.get_root_resource()
        assert isinstance(root, stack.Stack)  # noqa: S101
        for name, value in root.outputs.items():
            run.outputs[name] = await pulumi.Output.from_input(value).future()

    asyncio.run(program())
    return run


def run_program(config: Mapping[str, str], stack_name: str, kubeconfig: Kubeconfig = NO_KUBECONFIG) -> Run:
    """Run the program on a configuration without the namespace, all of it secret, as the engine would hand it over.

    It finds a new cluster, with the nodes of the configuration; nothing is contacted. Raises what the program raises.
    """
    variables = {
        "PULUMI_CONFIG": json.dumps({f"{PROJECT}:{name}": text for name, text in config.items()}),
        "PULUMI_CONFIG_SECRET_KEYS": json.dumps([f"{PROJECT}:{name}" for name in config]),
        # The program sets it in its own process, which here is everybody's.
        "PULUMI_DISABLE_RESOURCE_REFERENCES": "true",
        "RUNNER_ENVIRONMENT": "self-hosted",  # wherever this runs, it changes nothing
    }
    with (
        mock.patch.dict(os.environ, variables),
        # What a run asks of its surroundings before it registers anything; `__main__.py` imports them when it runs.
        mock.patch.object(kubectl, "open_cluster", return_value=kubectl.Kubectl(kubeconfig)),
        mock.patch.object(identity, "read_cluster", return_value=identity.Cluster()),
    ):
        return record(lambda: runpy.run_path(str(PROGRAM), run_name="__main__"), stack_name)


def masked(value: Any) -> Any:
    """A recorded value with every text that is marked as secret replaced by ``[secret]``."""
    return without_marks(value, _hidden)


def without_marks(value: Any, of_secret: Callable[[Any], Any] = lambda secret: secret) -> Any:
    """A recorded value without marks of secrecy: what was marked is what ``of_secret`` makes of it.

    Whole numbers are integers in it: the engine's protocol knows none.
    """
    if rpc.is_rpc_secret(value):
        return of_secret(without_marks(rpc.unwrap_rpc_secret(value)))
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return _mapped(value, lambda item: without_marks(item, of_secret))


def _hidden(value: Any) -> Any:
    return _mapped(value, _hidden) if isinstance(value, dict | list) else "[secret]"


def _mapped(value: Any, function: Callable[[Any], Any]) -> Any:
    if isinstance(value, dict):
        return {key: function(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [function(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value
