"""Talks to a provider as the engine does: the real program, over gRPC."""

import subprocess
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import engine_pb2_grpc, provider_pb2, provider_pb2_grpc

URN = "urn:pulumi:stack::project::{0}::name"


class _Engine(engine_pb2_grpc.EngineServicer):
    """The end of the engine at which a provider writes its messages."""

    def Log(self, request: Any, context: Any) -> Empty:  # noqa: N802, ARG002
        return Empty()


class Provider:
    """A running provider; ``stub`` has every call."""

    def __init__(self, process: subprocess.Popen[str], stub: Any) -> None:
        self.process, self.stub = process, stub

    def configure(self, variables: Mapping[str, str]) -> None:
        """The configuration of a provider resource."""
        self.stub.Configure(provider_pb2.ConfigureRequest(variables=variables, acceptSecrets=True))

    def create(self, token: str, inputs: Mapping[str, Any], *, preview: bool = False) -> Any:
        """Create a resource of a type. Raises grpc.RpcError as the provider refuses it."""
        properties, urn = struct(inputs), URN.format(token)
        return self.stub.Create(provider_pb2.CreateRequest(urn=urn, properties=properties, preview=preview))

    def diff(self, token: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> Any:
        """What changes of a resource when its inputs do."""
        asked = provider_pb2.DiffRequest(urn=URN.format(token), old_inputs=struct(before), news=struct(now))
        return self.stub.Diff(asked)


def struct(values: Mapping[str, Any]) -> Struct:
    """Property values as the protocol has them."""
    result = Struct()
    result.update(dict(values))
    return result


@contextmanager
def running(program: Path, environment: Mapping[str, str] | None = None) -> Generator[Provider]:
    """A provider, started as the engine starts it, until the end."""
    engine = grpc.server(ThreadPoolExecutor())
    engine_pb2_grpc.add_EngineServicer_to_server(_Engine(), engine)
    address = f"127.0.0.1:{engine.add_insecure_port('127.0.0.1:0')}"
    engine.start()
    try:
        with subprocess.Popen(
            [program, address], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                port = process.stdout.readline().strip() if process.stdout else ""
                with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                    yield Provider(process, provider_pb2_grpc.ResourceProviderStub(channel))
            finally:
                process.terminate()
    finally:
        engine.stop(None)
