"""A proxy in front of a Kubernetes provider older than 4.29, which adds the two options that it lacks.

Every call is forwarded as bytes. Added are ``upsertExistingObjects`` (without it, a Create of an object that exists is
refused: pulumi-kubernetes, provider/pkg/await/await.go, Creation) and ``enablePatchForce`` (the older provider knows it
as a variable of its process only: patchForce in the same file).
"""

import asyncio
import json
import os
import re
import signal
from collections.abc import Mapping, Sequence
from typing import Any

import grpc
from google.protobuf import json_format
from pulumi.runtime.proto import provider_pb2

MAX_MESSAGE_BYTES = 400 * 1024 * 1024  # the engine's own limit
OPTIONS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # An error carries the whole object in its trailers; with the default of 8 KiB the call would be cut off instead.
    ("grpc.max_metadata_size", 1 << 24),
    ("grpc.absolute_max_metadata_size", 1 << 24),
]
_SERVICE = "/pulumirpc.ResourceProvider/"
_FORCE = "PULUMI_K8S_ENABLE_PATCH_FORCE"
_UPSERT = "PULUMI_K8S_UPSERT_EXISTING_OBJECTS"
# The detail of an error by which the engine knows that an object exists and is not ready.
_NOT_READY = b"ErrorResourceInitFailed"
# The kinds that do not exist as objects: a Helm release, a patch, and lists.
_NO_OBJECT = re.compile(r"kubernetes:helm\.sh/|.*(Patch|List)$")
_ALREADY_EXISTS = (
    "{object} already exists\n\n"
    "The resource already exists in the cluster. To adopt it, set upsertExistingObjects on the provider."
)


class Provider:
    """The provider behind the proxy: a process that starts at the first call that needs it."""

    def __init__(self, command: Sequence[str]) -> None:
        """``command`` starts the provider, with the engine's address as its last argument."""
        self._command = command
        self._lock = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._channel: grpc.aio.Channel | None = None
        self._forces = True  # what the program asks for: a start with the other answer would be made twice

    async def call(self, method: str, request: bytes, metadata: Any = None, *, forces: bool | None = None) -> bytes:
        """Forward one call; returns the answer. Raises grpc.aio.AioRpcError as the provider does.

        ``forces`` starts the provider anew with patches forced or not, unless it runs so.
        """
        async with self._lock:
            channel = self._channel
            if channel is None or forces not in (None, self._forces):
                channel = self._channel = await self._start(self._forces if forces is None else forces)
        return await channel.unary_unary(f"{_SERVICE}{method}")(request, metadata=metadata)

    async def _start(self, forces: bool) -> grpc.aio.Channel:
        await self.stop()
        self._forces = forces
        environment = {**os.environ, **({_FORCE: "true"} if forces else {})}
        process = await asyncio.create_subprocess_exec(*self._command, stdout=asyncio.subprocess.PIPE, env=environment)
        self._process, self._watcher = process, asyncio.create_task(self._end_with(process))
        port = (await process.stdout.readline()).decode().strip() if process.stdout else ""
        return grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=OPTIONS)

    async def _end_with(self, process: asyncio.subprocess.Process) -> None:
        """The provider ends when its engine is gone; then nobody needs the proxy either."""
        await process.wait()
        if process is self._process:
            os.kill(os.getpid(), signal.SIGTERM)

    async def stop(self) -> None:
        """Ask the provider to end, and wait until it has."""
        process, self._process = self._process, None
        if process and process.returncode is None:
            process.send_signal(signal.SIGINT)
            await process.wait()


class Proxy(grpc.GenericRpcHandler):
    """Forwards every call, after a look at those that carry or use the added options."""

    def __init__(self, provider: Provider, environ: Mapping[str, str]) -> None:
        """``environ`` may set ``upsertExistingObjects`` for a provider whose configuration does not."""
        self._provider = provider
        self._environ = environ
        self._upserts = False

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """The handler of one method; gRPC asks for it."""
        method: str = handler_call_details.method.removeprefix(_SERVICE)

        async def handle(request: bytes, context: Any) -> bytes:
            return await self._handle(method, request, context)

        return grpc.unary_unary_rpc_method_handler(handle)

    async def _handle(self, method: str, request: bytes, context: Any) -> bytes:
        if method == "Handshake":  # the older provider has none, and is not started for this answer
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "no handshake")
        forces = None
        if method == "Configure":
            variables = provider_pb2.ConfigureRequest.FromString(request).variables
            forces = _is_true(variables, "enablePatchForce")
            self._upserts = _is_true(variables, "upsertExistingObjects", self._environ.get(_UPSERT, ""))
        if method == "Create" and not self._upserts and (found := await self._existing(request)):
            await context.abort(grpc.StatusCode.ALREADY_EXISTS, _ALREADY_EXISTS.format(object=found))
        try:
            return await self._provider.call(method, request, context.invocation_metadata(), forces=forces)
        except grpc.aio.AioRpcError as problem:
            # The trailing metadata tells the engine of resources that exist but did not become ready.
            context.set_trailing_metadata(problem.trailing_metadata() or ())
            await context.abort(problem.code(), problem.details() or "")
            raise

    async def _existing(self, request: bytes) -> str:
        """The object that a Create would make, as the API server names it, when it exists already; else empty."""
        create = provider_pb2.CreateRequest.FromString(request)
        type_token = create.urn.split("::")[2].rpartition("$")[2]
        metadata: Any = json_format.MessageToDict(create.properties).get("metadata")
        if create.preview or _NO_OBJECT.match(type_token) or not isinstance(metadata, dict):
            return ""
        identity = f"{metadata.get('namespace') or 'default'}/{metadata.get('name')}"
        read = provider_pb2.ReadRequest(id=identity, urn=create.urn, inputs=create.properties)
        try:
            answer = await self._provider.call("Read", read.SerializeToString())
        except grpc.aio.AioRpcError as problem:
            if not any(_NOT_READY in value for _, value in problem.trailing_metadata() or () if type(value) is bytes):
                return ""
        else:
            if not provider_pb2.ReadResponse.FromString(answer).id:
                return ""
        return f'{_plural(type_token)} "{metadata.get("name")}"'


def _is_true(variables: Mapping[str, str], option: str, default: str = "") -> bool:
    """Whether a provider option is on; the engine passes options as text or as JSON."""
    return str(variables.get(f"kubernetes:config:{option}", default)) in ("true", json.dumps("true"))


def _plural(type_token: str) -> str:
    """The resource name of a kind as messages of the API server have it: ``deployments.apps``."""
    _, api, kind = type_token.split(":")
    group = api.rpartition("/")[0]
    name = kind.lower()
    name = f"{name[:-1]}ies" if name.endswith("y") else f"{name}es" if name.endswith("s") else f"{name}s"
    return name if group in ("", "core") else f"{name}.{group}"
