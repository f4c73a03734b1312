"""The plan's exit code is a gate: creations and updates pass, everything that loses an object does not."""

import pytest

from oceanid_cluster.__main__ import main
from oceanid_cluster.commands import operation, plan
from oceanid_cluster.commands.operation import Change, Outcome
from oceanid_cluster.commands.redact import Redactor

DEPLOYMENT = "kubernetes:apps/v1:Deployment"


@pytest.mark.parametrize(
    ("operations", "engine", "code"),
    [
        ((), 0, 0), (("create", "update"), 0, 0), (("update", "delete"), 0, 1), (("replace",), 0, 1),
        ((), 255, 2),
    ],
)  # fmt: skip
def test_the_exit_code_says_whether_something_would_be_lost(
    operations: tuple[str, ...], engine: int, code: int,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    changes = [Change(operation, DEPLOYMENT, f"one-to-{operation}") for operation in operations]
    outcome = Outcome(engine, changes)
    monkeypatch.setattr(plan, "redactor", lambda *_: Redactor([]))
    monkeypatch.setattr(operation, "run_engine", lambda *_: outcome)
    assert main(["plan", "--stack", "prod"]) == code
    said = capsys.readouterr()
    assert ("one-to-delete" in said.err) == ("delete" in operations)
    assert "one-to-update" not in said.err
