"""What a preview or an update says, from the events of the engine (recorded from engine 3.259)."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from oceanid_cluster.commands.operation import Events, Outcome, run_engine
from oceanid_cluster.commands.redact import Redactor
from oceanid_cluster.commands.report import summary
from sandbox import tools

URN = "urn:pulumi:prod::oceanid-cluster::oceanid:core:CloudflareTunnel${type}::{name}"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


def step(op: str, kind: str, name: str, event: str = "resourcePreEvent", **fields: Any) -> dict[str, Any]:
    """An event about a step of the engine's plan."""
    return {event: {"metadata": {"op": op, "type": kind, "urn": URN.format(type=kind, name=name), **fields}}}


def update(kind: str, paths: dict[str, str], old: Any, new: Any) -> dict[str, Any]:
    detailed = {path: {"diffKind": difference, "inputDiff": False} for path, difference in paths.items()}
    before, after = {"type": kind, "inputs": old}, {"type": kind, "inputs": new}
    return step("update", kind, "thing", detailedDiff=detailed, old=before, new=after)


def say(text: str, severity: str = "error", **fields: Any) -> dict[str, Any]:
    return {"diagnosticEvent": {"message": text, "severity": severity, **fields}}


def taken(*events: dict[str, Any]) -> tuple[Outcome, list[str]]:
    said: list[str] = []
    recorder = Events(Redactor([]), said.append)
    for event in events:
        recorder.take(event)
    return recorder.outcome, said


DEPLOYMENT = "kubernetes:apps/v1:Deployment"
CONFIG_MAP, SECRET = "kubernetes:core/v1:ConfigMap", "kubernetes:core/v1:Secret"


def test_without_changes_there_is_one_line() -> None:
    outcome, said = taken(
        {"preludeEvent": {"config": {}}},
        step("same", "pulumi:pulumi:Stack", "stack"),
        *(step("refresh", DEPLOYMENT, f"d{n}") for n in range(90)),
        *(step("same", DEPLOYMENT, f"d{n}") for n in range(90)),
        step("read", "kubernetes:core/v1:Node", "calypso"),
        {"summaryEvent": {}},
        {"eventOfANewerEngine": {}},
    )
    assert said == outcome.lines() == []
    assert outcome.count() == "nothing to change: 90 resources are as the program says"


def test_a_step_without_a_changed_path_is_not_a_change() -> None:
    outcome, said = taken(
        step("update", DEPLOYMENT, "crashing", detailedDiff={}, diffs=[], old={"initErrors": ["not ready"]}),
        step("same", DEPLOYMENT, "other"),
    )
    assert outcome.changes == []
    assert outcome.count() == "nothing to change: 2 resources are as the program says"
    assert said == ["  apps/v1 Deployment crashing is not ready; nothing to change in it"]


def test_what_the_cluster_is_about_to_delete_is_known_from_the_refresh() -> None:
    claim = "kubernetes:core/v1:PersistentVolumeClaim"
    gone = {"outputs": {"metadata": {"name": "data", "deletionTimestamp": "2026-11-27T10:00:00Z"}}}
    there = {"outputs": {"metadata": {"name": "b"}}}
    outcome, said = taken(
        step("refresh", claim, "label-studio-data", "resOutputsEvent", old={"id": "a"}, new=gone),
        step("refresh", claim, "other", "resOutputsEvent", old={"id": "a"}, new=there),
    )
    assert [(one.operation, one.kind, one.name) for one in outcome.terminating] == [
        ("terminating", "core/v1 PersistentVolumeClaim", "label-studio-data")
    ]
    assert said == []


@pytest.mark.parametrize(
    ("kind", "path", "difference", "old", "new", "shown"),
    [
        (DEPLOYMENT, "image", "update", "x:1", "x:2", 'image: "x:1" -> "x:2"'),
        (DEPLOYMENT, "a", "add", None, True, "a: true"),
        (DEPLOYMENT, "a", "delete", "x", None, "a: removed"),
        (DEPLOYMENT, "a", "update-replace", 1, 2, "a: 1 -> 2 (replaces the object)"),
        (DEPLOYMENT, "a", "update", "x", UNKNOWN, 'a: "x" -> (known after the update)'),
        (DEPLOYMENT, "a", "update", "[secret]", "[secret]", "a"),
        (DEPLOYMENT, "a", "update", {}, {"b": 1}, "a"),
        (DEPLOYMENT, "a", "update", "x" * 99, "y", "a"),
        (DEPLOYMENT, "env", "update", "by hand", "b", "env"),
        (CONFIG_MAP, "data", "update", "a", "b", "data"),
        (SECRET, "type", "update", "hidden", "Opaque", "type"),
    ],
)
def test_a_value_is_shown_where_it_is_short_and_no_secret(
    kind: str, path: str, difference: str, old: Any, new: Any, shown: str
) -> None:
    before, after = ({} if value is None else {path: value} for value in (old, new))
    assert taken(update(kind, {path: difference}, before, after))[1][1:] == [f"    {shown}"]


@pytest.mark.parametrize(
    ("path", "inputs"),
    [
        ("spec.a[1].b", {"spec": {"a": [{}, {"b": 7}]}}),
        ('metadata.labels["a.b/c"]', {"metadata": {"labels": {"a.b/c": 7}}}),
        ('["a.b"].c[0]', {"a.b": {"c": [7]}}),
    ],
)
def test_the_engines_paths_are_understood(path: str, inputs: Any) -> None:
    assert taken(update(DEPLOYMENT, {path: "add"}, {}, inputs))[1][1:] == [f"    {path}: 7"]


def test_what_is_gone_from_the_cluster_is_said() -> None:
    _, said = taken(
        step("refresh", DEPLOYMENT, "d", "resOutputsEvent", old={"id": "apps/d"}, new=None),
        step("create", DEPLOYMENT, "d"),
        step("create", DEPLOYMENT, "new"),
        step("delete", DEPLOYMENT, "old", old={"retainOnDelete": True}),
    )
    assert said == [
        "+ create apps/v1 Deployment d (it is not in the cluster any more)",
        "+ create apps/v1 Deployment new",
        "- delete apps/v1 Deployment old (kept in the cluster)",
    ]


def test_a_replacement_is_one_change() -> None:
    steps = [step(op, DEPLOYMENT, "d") for op in ("create-replacement", "replace", "delete-replaced")]
    assert taken(*steps)[0].count() == "1 to replace, 0 unchanged"


def test_errors_and_warnings_are_said_once_and_what_debugs_never() -> None:
    outcome, said = taken(
        say("using pulumi-resource-kubernetes from $PATH at /x", "warning"),
        say("beware", "warning"),
        say("beware", "warning"),
        say("register resource, props=every property", "debug"),
        say("it is being created", "info", ephemeral=True),
        say("it broke", urn=URN.format(type=DEPLOYMENT, name="d")),
        step("create", DEPLOYMENT, "d", "resOpFailedEvent"),
    )
    assert said == ["warning: beware", "error: d: it broke", "failed: create d"]
    assert outcome.errors == ["error: d: it broke"]


def test_the_releases_of_the_state_are_known_unless_they_are_gone() -> None:
    release = "kubernetes:helm.sh/v3:Release"
    outcome, _ = taken(
        step("same", release, "kept", old={"id": "ns/kept"}),
        step("refresh", release, "lost", "resOutputsEvent", old={"id": "ns/lost"}),
        step("create", release, "lost"),
    )
    assert outcome.releases == {"ns/kept"}


def fake_pulumi(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    (folder / "answer.py").write_text(f"import json, os, sys\n{script}\n", encoding="utf-8")
    tools.script(folder / "pulumi", f'exec "{sys.executable}" "{folder}/answer.py" "$@"')
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def test_what_the_engine_says_need_not_be_utf_8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_pulumi(tmp_path, monkeypatch, r'os.write(1, b"out \xff\n"); os.write(2, b"error: \xfe\n"); sys.exit(255)')
    assert run_engine("up", "prod", Redactor([]), print).errors == [
        "out \N{REPLACEMENT CHARACTER}",
        "error: \N{REPLACEMENT CHARACTER}",
    ]


def test_a_run_hides_secrets_in_what_it_says_and_in_what_it_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [
        update(DEPLOYMENT, {"spec.a": "update"}, {"spec": {"a": "canary"}}, {"spec": {"a": "b"}}),
        say("violates plan: data[password:{Y2FuYXJ5}]"),
    ]
    fake_pulumi(tmp_path, monkeypatch, f"print({json.dumps(chr(10).join(map(json.dumps, events)))}); sys.exit(255)")
    said: list[str] = []
    outcome = run_engine("up", "prod", Redactor(["canary"]), said.append)
    everything = " ".join([*said, *outcome.errors, *outcome.lines()])
    assert outcome.code == 255
    assert 'spec.a: "[secret]" -> "b"' in everything
    assert "error: violates plan: data[password:{[secret]}]" in everything
    assert "canary" not in everything
    assert "Y2FuYXJ5" not in everything


def test_an_engine_that_ends_without_an_event_is_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_pulumi(tmp_path, monkeypatch, "print('error: no stack of canary', file=sys.stderr); sys.exit(1)")
    said: list[str] = []
    outcome = run_engine("preview", "prod", Redactor(["canary"]), said.append)
    assert said == outcome.errors == ["error: no stack of [secret]"]
    fake_pulumi(tmp_path, monkeypatch, "os.kill(os.getpid(), 9)")
    (error,) = run_engine("preview", "prod", Redactor([])).errors
    assert error.startswith("'pulumi' was ended by signal 9 (Killed)")


def test_both_operations_refresh_with_the_providers_of_this_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_pulumi(tmp_path, monkeypatch, "print(' '.join(sys.argv[1:]), file=sys.stderr); sys.exit(1)")
    for operation in ("preview", "up"):
        (words,) = run_engine(operation, "prod", Redactor([]), lambda _: None).errors
        assert words.startswith(operation)
        assert "--refresh --run-program" in words
        assert "--stack prod" in words
        assert "plan" not in words
        assert "--show-secrets" not in words


def test_a_summary_has_its_heading_and_stays_below_githubs_limit() -> None:
    assert summary("Preview: nothing to change", []) == "### Preview: nothing to change\n\n"
    text = summary("Update", ["~~~~ of somebody", *(f"line {number} é" for number in range(200_000))])
    assert 800_000 < len(text.encode()) < 1024 * 1024
    assert text.startswith("### Update\n\n~~~~~~~text\n~~~~ of somebody\nline 0 é\n")
    assert text.endswith(" more\n~~~~~~~\n\n")
