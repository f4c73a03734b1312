"""What a change registers: the difference of two runs of the program under mocks."""

import json

import pytest

from tests.changes import CHANGES, ROTATIONS
from tests.program import Program
from tests.recorded import Run, plain
from tests.samples import REQUIRED


def registered(run: Run) -> dict[str, str]:
    """The inputs of every resource, secrets in clear, without those whose changes the engine is told to ignore."""
    found: dict[str, str] = {}
    for name, resource in run.resources.items():
        ignored = run.requests[name].ignoreChanges
        inputs = {key: value for key, value in plain(resource.inputs).items() if key not in ignored}
        found[name] = json.dumps(inputs, sort_keys=True)
    return found


def difference(before: Run, after: Run) -> set[str]:
    """Which resources differ."""
    old, new = registered(before), registered(after)
    return {name for name in {*old, *new} if old.get(name) != new.get(name)}


@pytest.mark.parametrize("key", CHANGES)
def test_a_changed_key_changes_its_resources_and_no_others(program: Program, key: str) -> None:
    change = CHANGES[key]
    assert difference(program(REQUIRED), program({**REQUIRED, key: change.value})) == change.updates


@pytest.mark.parametrize("key", ROTATIONS)
def test_a_rotated_secret_changes_its_secret_and_its_workload(program: Program, key: str) -> None:
    rotation = ROTATIONS[key]
    before = {**REQUIRED, **rotation.before}
    assert difference(program(before), program({**before, key: rotation.value})) == rotation.updates


def test_the_same_configuration_registers_the_same(program: Program) -> None:
    """The difference is one of the configurations."""
    assert difference(program(REQUIRED), program({**REQUIRED, "cloudflareProtocol": "auto"})) == set()
