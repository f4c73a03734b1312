"""How the commands answer."""

from oceanid_cluster.commands.report import one_line


def test_a_message_of_several_lines_is_told_on_one() -> None:
    problem = ValueError("it is closed.\n  Is it open?  ssh -N\n  Then:  kubectl")
    assert one_line(problem) == "it is closed; Is it open? ssh -N; Then: kubectl"
