"""Serves a provider to the engine: ``python -m sandbox.provider random <engine>``.

Or the one at ``<program>``, behind a proxy: ``python -m sandbox.provider kubernetes <program> <engine>``.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import grpc


def _without_sdk() -> None:
    """Let the SDK's messages be imported without the SDK, whose import takes longer than all that is done here."""
    found = find_spec("pulumi")
    folder = Path((found and found.origin) or "").parent
    for name, path in (("pulumi", folder), ("pulumi.runtime", folder / "runtime")):
        package = sys.modules[name] = ModuleType(name)
        package.__path__ = [str(path)]


async def serve(plugin: str, command: Sequence[str]) -> None:
    """Serve one plugin on a free loopback port, which is printed for the engine, until it is stopped."""
    from sandbox.provider.proxy import OPTIONS, Provider, Proxy

    server = grpc.aio.server(options=OPTIONS)
    provider = None
    if plugin == "kubernetes":
        provider = Provider(command)
        server.add_generic_rpc_handlers((Proxy(provider, os.environ),))
    else:
        from pulumi.runtime.proto import provider_pb2_grpc

        from sandbox.provider.random_values import RandomProvider

        provider_pb2_grpc.add_ResourceProviderServicer_to_server(RandomProvider(version("pulumi-random")), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()
    if provider:
        await provider.stop()
    await server.stop(None)


if __name__ == "__main__":
    _without_sdk()
    asyncio.run(serve(sys.argv[1], sys.argv[2:]))
