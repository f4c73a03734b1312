"""`make health` before `make gitops`: what nobody here could make ready is not a failure."""

import json
from pathlib import Path

import pytest

from oceanid_cluster.commands.readiness import SILENT
from sandbox import health, tools
from sandbox.layout import Sandbox

OK = {"area": "cluster", "name": "API server", "state": "ok", "detail": "https://127.0.0.1"}
OF_FLUX = {"area": "FluxBootstrap", "name": "kustomization/flux-system", "state": "failed", "detail": f"{SILENT} (why)"}
BROKEN = {"area": "LabelStudio", "name": "deployment/label-studio", "state": "failed", "detail": "does not exist"}


def answering(folder: Path, *rows: dict[str, str]) -> Sandbox:
    """A sandbox whose program answers with these rows."""
    sandbox = Sandbox(folder)
    sandbox.project.mkdir()
    (folder / "bin").mkdir()
    (folder / "answer").write_text(json.dumps({"passed": False, "rows": rows}), encoding="utf-8")
    tools.script(folder / "bin" / "python", f'cat "{folder}/answer"; exit 1')
    return sandbox


def test_rows_of_controllers_that_do_not_run_say_so_and_are_not_failures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert health.ask(answering(tmp_path, OK, OF_FLUX), []) == 0
    said = capsys.readouterr().out
    assert "failed" not in said
    assert said.splitlines()[-1].endswith("warning  not run in this sandbox: make gitops")


def test_what_is_broken_is_still_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert health.ask(answering(tmp_path, OK, OF_FLUX, BROKEN), ["--json"]) == 1
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["state"] for row in rows] == ["ok", "warning", "failed"]


def test_an_answer_that_is_not_a_table_is_passed_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sandbox = answering(tmp_path)
    (tmp_path / "answer").write_text("usage: …\n", encoding="utf-8")
    assert health.ask(sandbox, ["--help"]) == 1
    assert capsys.readouterr().out == "usage: …\n"
