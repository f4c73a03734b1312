"""How the commands answer."""

from oceanid_cluster.commands.report import one_line


def test_a_message_of_several_lines_is_told_on_one() -> None:
    problem = ValueError("it is none.\n  Is it open?  ssh -N\n  Then:  kubectl")
    assert one_line(problem) == "it is none; Is it open? ssh -N; Then: kubectl"
