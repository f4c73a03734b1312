"""Starts a stand-in as the engine does: ``python -m sandbox.provider kubernetes|random <engine address>``."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

_MAX_MESSAGE_BYTES = 400 * 1024 * 1024  # the engine's own limit


async def serve(plugin: str, engine_address: str) -> None:
    """Serve one plugin on a free loopback port, which is printed for the engine, until it is stopped."""
    servicer: Any
    if plugin == "kubernetes":
        from sandbox.provider.kubernetes import KubernetesProvider

        servicer = KubernetesProvider(engine_address, version("pulumi-kubernetes"))
    else:
        from sandbox.provider.random_values import RandomProvider

        servicer = RandomProvider(version("pulumi-random"))
    options = [
        ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
    ]
    server = grpc.aio.server(options=options)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    asyncio.get_running_loop().set_default_executor(
        ThreadPoolExecutor(max_workers=64)
    )  # a chart's objects, side by side
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    try:
        await server.wait_for_termination()
    finally:
        await server.stop(None)  # while there is a loop to do it in


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in ("kubernetes", "random"):
        sys.exit("usage: python -m sandbox.provider kubernetes|random <engine address>")
    try:
        asyncio.run(serve(sys.argv[1], sys.argv[2]))
    except KeyboardInterrupt:
        sys.exit(0)
