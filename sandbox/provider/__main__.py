"""Serves a provider to the engine: ``python -m sandbox.provider random <engine>``.

Or the one at ``<program>``, behind a proxy: ``python -m sandbox.provider kubernetes <program> <engine>``.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from sandbox.provider.proxy import OPTIONS, Provider, Proxy
from sandbox.provider.random_values import RandomProvider


async def serve(plugin: str, command: Sequence[str]) -> None:
    """Serve one plugin on a free loopback port, which is printed for the engine, until it is stopped."""
    server = grpc.aio.server(options=OPTIONS)
    provider = None
    if plugin == "kubernetes":
        provider = Provider(command)
        server.add_generic_rpc_handlers((Proxy(provider, os.environ),))
    else:
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
    asyncio.run(serve(sys.argv[1], sys.argv[2:]))
