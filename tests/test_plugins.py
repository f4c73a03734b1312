"""The fake of the provider ``random``, and how a provider on PATH is asked what it is."""

import string
from collections.abc import Iterator

import pytest
from google.protobuf import json_format
from pulumi.runtime.proto import provider_pb2

from sandbox import plugins, tools
from sandbox.layout import SandboxError
from tests.providers import Provider, running

PASSWORD = "random:index/randomPassword:RandomPassword"
INPUTS = {"length": 24, "special": False}
# The engine's sentinel of a secret (Pulumi, sdk/go/common/resource/properties.go).
SENTINEL = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}


@pytest.fixture(scope="module")
def random() -> Iterator[Provider]:
    with running(tools.get([tools.RANDOM])[tools.RANDOM.name]) as provider:
        provider.configure({})
        yield provider


@pytest.mark.slow
def test_a_generated_password_is_a_secret_of_the_wished_length_and_characters(random: Provider) -> None:
    first, second = (random.create(PASSWORD, INPUTS) for _ in range(2))
    result = json_format.MessageToDict(first.properties)["result"]
    assert first.id == "none"
    assert {**result, "value": ""} == {**SENTINEL, "value": ""}
    assert len(result["value"]) == 24
    assert set(result["value"]) <= {*string.ascii_letters, *string.digits}
    assert result != json_format.MessageToDict(second.properties)["result"]
    assert "result" not in json_format.MessageToDict(random.create(PASSWORD, INPUTS, preview=True).properties)


@pytest.mark.slow
def test_a_generated_password_stays_until_something_about_it_changes(random: Provider) -> None:
    same = random.diff(PASSWORD, INPUTS, {"length": {**SENTINEL, "value": 24}, "special": False})
    assert same.changes == provider_pb2.DiffResponse.DIFF_NONE
    answer = random.diff(PASSWORD, INPUTS, {**INPUTS, "length": 25})
    assert answer.changes == provider_pb2.DiffResponse.DIFF_SOME
    assert [*answer.replaces] == ["length"]


@pytest.mark.slow
def test_the_fake_ends_with_its_engine() -> None:
    with running(tools.get([tools.RANDOM])[tools.RANDOM.name]) as provider:
        provider.configure({})
        assert provider.process.stdin
        provider.process.stdin.close()
        assert provider.process.wait(timeout=60) == 0


def test_a_program_that_is_not_a_provider_is_named() -> None:
    with pytest.raises(SandboxError, match="/bin/true does not answer as a provider of Pulumi does; take it off PATH"):
        plugins.told_version("/bin/true")
