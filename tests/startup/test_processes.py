"""Running the field's own command-line tools."""

import pytest

from oceanid_cluster.startup.processes import CommandError, run


def test_a_tool_that_gets_no_answer_is_given_up() -> None:
    with pytest.raises(CommandError, match="'sleep' got no answer in 0 seconds"):
        run("sleep", "3600", timeout_seconds=0.01)
