"""Rolls a workload when its configuration or its secrets change, and tells nobody what they are."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_random as random


class Rollout:
    """Makes the value of the pod annotation ``oceanid.cluster/rollout``.

    It is a keyed hash. The key is random and lives in the state, encrypted, so that nobody can guess a
    password from the annotation; without a key anyone who may read pods could try passwords offline.
    """

    def __init__(self) -> None:
        """Make the key; it is made once and never changes."""
        self._key = random.RandomPassword("rollout-key", length=64, special=False)

    def checksum(self, *data: Mapping[str, pulumi.Input[str]]) -> pulumi.Output[str]:
        """A value that changes when any of the given data does. The result is not a secret."""
        content: Any = [dict(sorted(part.items())) for part in data]
        digest = pulumi.Output.all(key=self._key.result, content=content).apply(
            lambda known: keyed_hash(known["key"], known["content"])
        )
        return pulumi.Output.unsecret(digest)


def keyed_hash(key: str, content: object) -> str:
    """The first 128 bits of HMAC-SHA-256 over ``content`` as canonical JSON, in hexadecimal."""
    message = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    return hmac.new(key.encode(), message, hashlib.sha256).hexdigest()[:32]
