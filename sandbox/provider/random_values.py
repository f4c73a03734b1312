"""A fake of the provider ``random``, as far as the program uses it, for machines that cannot download it.

It does what RandomPassword does (terraform-provider-random, internal/provider/resource_password.go): the value is made
once, and replaced when anything about it changes.
"""

import secrets
import string
from typing import Any

from google.protobuf import json_format
from google.protobuf.empty_pb2 import Empty
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

# The engine's sentinel of a secret (Pulumi, sdk/go/common/resource/properties.go).
_SENTINEL_KEY = "4dabf18193072939515e22adb298388d"
_SENTINEL = {_SENTINEL_KEY: "1b47061264138c4ac30d75fd1eb44270"}
_DEFAULTS = {"lower": True, "upper": True, "numeric": True, "special": True}
_SPECIAL = "!@#$%&*()-_=+[]{}<>:?"


class RandomProvider(provider_pb2_grpc.ResourceProviderServicer):
    """RandomPassword: made once, replaced when anything about it changes."""

    def __init__(self, version: str) -> None:
        """``version`` is the SDK's."""
        self._version = version

    async def CheckConfig(self, request: Any, context: Any) -> Any:  # noqa: N802, D102
        return provider_pb2.CheckResponse(inputs=request.news)

    async def DiffConfig(self, request: Any, context: Any) -> Any:  # noqa: N802, D102
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    async def Configure(self, request: Any, context: Any) -> Any:  # noqa: N802, D102
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802, D102
        return provider_pb2.CheckResponse(inputs=request.news)

    async def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802, D102
        old, new = _clear(request.old_inputs), _clear(request.news)
        changed = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
        if not changed:
            return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME, diffs=changed, replaces=changed
        )  # fmt: skip

    async def Create(self, request: Any, context: Any) -> Any:  # noqa: N802, D102
        if request.preview:
            return provider_pb2.CreateResponse(properties=request.properties)
        inputs = _clear(request.properties)
        outputs = Struct()
        outputs.update({**_DEFAULTS, **inputs, "result": {**_SENTINEL, "value": password(inputs)}})
        return provider_pb2.CreateResponse(id="none", properties=outputs)

    async def Read(self, request: Any, context: Any) -> Any:  # noqa: N802, D102
        return provider_pb2.ReadResponse(id=request.id, properties=request.properties, inputs=request.inputs)

    async def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802, D102
        return Empty()

    async def Cancel(self, request: Any, context: Any) -> Any:  # noqa: N802, D102
        return Empty()

    async def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: N802, D102
        return plugin_pb2.PluginInfo(version=self._version)


def password(inputs: dict[str, Any]) -> str:
    """A password of the wished length from the wished kinds of characters."""
    kinds = {
        "lower": string.ascii_lowercase,
        "upper": string.ascii_uppercase,
        "numeric": string.digits,
        "special": inputs.get("overrideSpecial") or _SPECIAL,
    }
    alphabet = "".join(chars for kind, chars in kinds.items() if inputs.get(kind, _DEFAULTS[kind]))
    return "".join(secrets.choice(alphabet) for _ in range(int(inputs["length"])))


def _clear(properties: Struct) -> dict[str, Any]:
    """Property values without their sentinels."""
    values: dict[str, Any] = json_format.MessageToDict(properties)
    return {
        name: value["value"] if isinstance(value, dict) and _SENTINEL_KEY in value else value
        for name, value in values.items()
    }
