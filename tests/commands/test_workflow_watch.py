"""What the one issue about the cluster says, and how it is kept."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from oceanid_cluster.commands import issue, workflow
from oceanid_cluster.commands.health import CheckResult
from oceanid_cluster.commands.operation import Change
from oceanid_cluster.commands.readiness import Verdict
from oceanid_cluster.commands.redact import Redactor
from oceanid_cluster.commands.report import Row
from oceanid_cluster.commands.workflow import issue_body
from oceanid_cluster.components.facts import ObjectRef
from oceanid_cluster.startup.processes import CommandError
from sandbox import tools
from sandbox.layout import ROOT
from tests import nightly

BOT = {"login": "github-actions"}
TITLE = workflow.TITLE.format(stack="prod")
DEPLOYMENT = "kubernetes:apps/v1:Deployment"


class Repository:
    """The issues of a repository, behind the fake of ``gh``."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        tools.script(folder / "gh", f'exec "{sys.executable}" "{ROOT}/tests/fakes/gh.py" "$@"')
        monkeypatch.setenv("PATH", str(folder), prepend=":")
        monkeypatch.setenv("GH_FAKE", str(folder / "issues.json"))
        self._file = folder / "issues.json"
        self.write()

    def write(self, *authors_and_titles: tuple[dict[str, str], str]) -> None:
        issues = [
            {"author": author, "state": "open", "title": title, "body": "", "comments": []}
            for author, title in authors_and_titles
        ]
        self._file.write_text(json.dumps(issues), encoding="utf-8")

    def issues(self) -> list[dict[str, Any]]:
        return json.loads(self._file.read_text(encoding="utf-8"))

    def states(self) -> list[str]:
        return [one["state"] for one in self.issues()]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    return Repository(tmp_path, monkeypatch)


def test_one_issue_is_open_while_the_nightly_tests_fail(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.example")
    monkeypatch.setenv("GITHUB_REPOSITORY", "example/example")

    def after(result: str, run: str) -> list[dict[str, Any]]:
        monkeypatch.setenv("RESULT", result)
        monkeypatch.setenv("GITHUB_RUN_ID", run)
        assert nightly.main() == 0
        return repository.issues()

    assert after("success", "1") == []
    (kept,) = after("failure", "2")
    assert (kept["title"], kept["state"]) == (nightly.TITLE, "open")
    assert "https://github.example/example/example/actions/runs/2" in kept["body"]
    (kept,) = after("cancelled", "3")
    assert "runs/3" in kept["body"]
    (kept,) = after("success", "4")
    assert kept["state"] == "closed"
    assert "runs/4" in kept["comments"][0]


def test_an_issue_of_somebody_else_is_left_alone(repository: Repository) -> None:
    people = [{"login": "mallory", "id": "U_1"}, {"login": "github-actions", "id": "U_2"}, {"login": "other-app"}]
    repository.write(*((author, TITLE) for author in people), (BOT, "another title"))
    issue.keep(TITLE, "ours", "closed")
    *others, ours = repository.issues()
    assert [one["body"] for one in others] == ["", "", "", ""]
    assert ours["body"] == "ours"
    issue.keep(TITLE, None, "closed")
    assert repository.states() == ["open"] * 4 + ["closed"]


def test_the_issue_is_found_behind_thousands_of_others(repository: Repository) -> None:
    repository.write((BOT, TITLE), *(({"login": "p", "id": "U"}, "bug") for _ in range(3000)))
    issue.keep(TITLE, "found", "closed")
    assert repository.issues()[0]["body"] == "found"
    assert len(repository.issues()) == 3001


@pytest.mark.parametrize(
    ("author", "ours"),
    [({"login": "github-actions"}, True), ({"login": "github-actions[bot]"}, True), (None, False)],
)
def test_other_spellings_of_a_workflow_and_an_author_who_has_left_are_known(
    author: dict[str, Any] | None, ours: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def gh(*command: str, stdin: str | None = None) -> str:  # noqa: ARG001 as check_output()
        done.append(command[2])
        return json.dumps([{"number": 7, "title": TITLE, "author": author}])

    monkeypatch.setattr(issue, "check_output", gh)
    issue.keep(TITLE, None, "closed")
    assert done == ["list", "close"][: 1 + ours]


@pytest.mark.parametrize("name", ["x", "𝄞" * 400], ids=["many", "long"])
def test_a_report_of_any_size_is_taken_by_github(repository: Repository, name: str) -> None:
    found = [Change("update", DEPLOYMENT, f"{name}{n}", ("spec.replicas",) * 50) for n in range(5000)]
    body = str(issue_body("prod", found, []))
    assert len(body.encode()) <= workflow.BODY_BYTES
    assert "Differences from the program: 5000, not ready: 0" in body
    shown = body.count("\n- `")
    assert shown > 20
    assert f"… and {5000 - shown} more" in body
    assert body.endswith("are about what is not ready.\n")
    issue.keep(TITLE, body, "closed")
    issue.keep(TITLE, body, "closed")
    assert [one["body"] for one in repository.issues()] == [body]


DRIFT = Change("update", DEPLOYMENT, "x", ("spec.replicas",))
ROOT_KUSTOMIZATION = Row("FluxBootstrap", "kustomization/flux-system", "failed", "kustomize build failed:\n`x`")


@pytest.mark.parametrize(("differing", "failed"), [([DRIFT], []), ([], [ROOT_KUSTOMIZATION])])
def test_the_issue_says_what_differs_and_what_is_not_ready(differing: list[Change], failed: list[Row]) -> None:
    body = str(issue_body("prod", differing, failed))
    assert f"Differences from the program: {len(differing)}, not ready: {len(failed)}\n" in body
    flux = "- `not ready: FluxBootstrap kustomization/flux-system: kustomize build failed: 'x'`"
    assert (flux in body.splitlines()) == bool(failed)
    assert ("- `update apps/v1 Deployment x (spec.replicas)`" in body.splitlines()) == bool(differing)


def asked(monkeypatch: pytest.MonkeyPatch, differing: object, rows: object) -> None:
    """What the comparison and health answer; an exception is raised."""

    def answer(said: object) -> Any:
        if isinstance(said, Exception):
            raise said
        return said

    monkeypatch.setattr(workflow, "compare", lambda *_: answer(differing))
    monkeypatch.setattr(workflow.health, "look", lambda *_, **__: answer(rows))


KNOWN = Redactor(["canary"])
OK = Row("cluster", "API server", "ok", "https://127.0.0.1")


def test_the_issue_closes_when_all_is_well(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    asked(monkeypatch, [], [OK, Row("Git", "kustomization/a", "warning", "suspended")])
    workflow.keep_issue("prod", KNOWN, 0)
    assert repository.issues() == []
    asked(monkeypatch, [], [OK, Row("Git", "kustomization/b", "failed", "failed with canary")])
    workflow.keep_issue("prod", KNOWN, 0)
    (found,) = repository.issues()
    assert "not ready: Git kustomization/b: failed with [secret]" in found["body"]
    asked(monkeypatch, [], [OK])
    assert workflow.keep_issue("another", KNOWN, 0) == workflow.ALL_WELL
    assert repository.states() == ["open"]
    assert workflow.keep_issue("prod", KNOWN, 0) == workflow.ALL_WELL
    assert repository.states() == ["closed"]


@pytest.mark.parametrize(
    ("differing", "rows"),
    [(CommandError("no engine"), [OK]), ([], CommandError("no cluster")), ([DRIFT], CommandError("no cluster"))],
)
def test_what_could_not_be_asked_touches_no_issue(
    differing: object, rows: object, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue.keep(TITLE, "as it was", "closed")
    asked(monkeypatch, differing, rows)
    with pytest.raises(CommandError, match=r"no (engine|cluster)"):
        workflow.keep_issue("prod", KNOWN, 0)
    assert [(one["state"], one["body"]) for one in repository.issues()] == [("open", "as it was")]


def test_what_git_suspends_is_a_warning_and_what_it_breaks_a_failure() -> None:
    def row(area: str, reason: Any) -> Row:
        return CheckResult(area, ObjectRef("Kustomization", "apps", "a"), Verdict(reason, reason)).row()

    assert row("Git", "suspended").state == "warning"
    assert row("FluxBootstrap", "suspended").state == "failed"
    assert row("Git", "condition").state == "failed"
