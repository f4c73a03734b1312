"""The issue about the nightly tests."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox import tools
from sandbox.layout import ROOT
from tests import nightly


def test_one_issue_is_open_while_the_nightly_tests_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "issues.json"
    file.write_text("[]", encoding="utf-8")
    tools.script(tmp_path / "gh", f'exec "{sys.executable}" "{ROOT}/tests/fakes/gh.py" "$@"')
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("GH_FAKE", str(file))
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.example")
    monkeypatch.setenv("GITHUB_REPOSITORY", "example/example")

    def after(result: str, run: str) -> list[dict[str, Any]]:
        monkeypatch.setenv("RESULT", result)
        monkeypatch.setenv("GITHUB_RUN_ID", run)
        assert nightly.main() == 0
        return json.loads(file.read_text(encoding="utf-8"))

    assert after("success", "1") == []
    (issue,) = after("failure", "2")
    assert (issue["title"], issue["state"]) == (nightly.TITLE, "open")
    assert "https://github.example/example/example/actions/runs/2" in issue["body"]
    (issue,) = after("cancelled", "3")
    assert "runs/3" in issue["body"]
    (issue,) = after("success", "4")
    assert issue["state"] == "closed"
