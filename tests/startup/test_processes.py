"""Running the field's own command-line tools."""

import json

import pytest

from oceanid_cluster.startup.processes import CommandError, answer_of, run


def test_a_tool_that_is_killed_is_not_one_that_refuses() -> None:
    with pytest.raises(CommandError, match=r"'sh' was ended by signal 9 \(Killed\) before it answered"):
        run("sh", "-c", "echo refused >&2; kill -9 $$")


@pytest.mark.parametrize("answer", ["", "[1", "1", "[]", "{}", "null", '{"a": 1}'])
def test_an_answer_of_another_form_is_one_message(answer: str) -> None:
    with (
        pytest.raises(CommandError, match=r"'pulumi config' gave no JSON.*command -v pulumi"),
        answer_of("pulumi", "config"),
    ):
        assert json.loads(answer)["a"]["b"]
