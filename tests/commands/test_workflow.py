"""The workflows' steps without a cluster: where the kubeconfig comes from, and what is shown of it."""

import argparse
import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml

from oceanid_cluster.__main__ import main
from oceanid_cluster.commands import drift, health, issue, patience, plan, preflight, redact, workflow
from oceanid_cluster.commands.operation import Outcome
from oceanid_cluster.commands.redact import Redactor
from oceanid_cluster.startup.processes import CommandError
from sandbox import tools
from sandbox.layout import ROOT

ENVIRONMENT = "org/default/cluster"
CONTENT = """apiVersion: v1
kind: Config
clusters: [{name: a, cluster: {server: 'https://127.0.0.1:6443'}}]
users: [{name: a, user: {token: canary-token}}]
"""


@pytest.fixture
def esc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ESC environment without a kubeconfig."""
    (tmp_path / "bin").mkdir()
    tools.script(tmp_path / "bin" / "pulumi", f'exec "{sys.executable}" "{ROOT}/tests/fakes/esc.py" "$@"')
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    monkeypatch.setenv("ESC_FAKE", str(tmp_path / "esc.json"))
    write(tmp_path / "esc.json", {})
    return tmp_path / "esc.json"


def write(esc: Path, values: dict[str, Any]) -> None:
    esc.write_text(json.dumps({"environments": {ENVIRONMENT: {"pulumiConfig": values}}}), encoding="utf-8")


@pytest.mark.usefixtures("esc")
@pytest.mark.parametrize(
    "variable",
    [
        CONTENT,
        CONTENT.replace("\n", " "),
        json.dumps({"kind": "Config", "users": [{"user": {"token": "canary-token"}}]}),
        base64.b64encode(CONTENT.encode()).decode() + "canary",
        "canary" * 1000,
        "~canary/kubeconfig",
        "/canary/kubeconfig",
        "canary\n",
    ],
    ids=["text", "one line", "JSON", "base64", "long", "unknown user", "no file", "a word"],
)
def test_a_runners_variable_that_leads_to_no_file_is_refused_and_not_shown(
    variable: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandError, match="It must be a path") as problem:
        workflow.kubeconfig(ENVIRONMENT, tmp_path / "kubeconfig", {"KUBECONFIG": variable})
    assert "canary" not in str(problem.value) + capsys.readouterr().out
    assert not (tmp_path / "kubeconfig").exists()


@pytest.mark.usefixtures("esc")
def test_a_runners_variable_that_is_a_list_with_a_file_is_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own").write_text(CONTENT, encoding="utf-8")
    workflow.kubeconfig(ENVIRONMENT, tmp_path / "kubeconfig", {"KUBECONFIG": f"/absent{os.pathsep}{tmp_path}/own"})
    assert f"using the runner's KUBECONFIG: /absent:{tmp_path}/own" in capsys.readouterr().out


def test_a_kubeconfig_of_esc_becomes_a_file_for_this_user_only(
    esc: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(esc, {"oceanid-cluster:kubeconfig": CONTENT})
    target, later = tmp_path / "kubeconfig", tmp_path / "env"
    target.write_text("left behind, and for everybody", encoding="utf-8")
    target.chmod(0o644)
    workflow.kubeconfig(ENVIRONMENT, target, {"GITHUB_ENV": str(later)})
    assert target.read_text(encoding="utf-8") == CONTENT
    assert target.stat().st_mode & 0o777 == 0o600
    assert later.read_text(encoding="utf-8") == f"KUBECONFIG={target}\n"
    assert "canary" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "text",
    [
        CONTENT.replace("kind: Config", "kind: Config\t"),
        CONTENT + "extensions: [{name: x, extension: {until: 2025-13-45}}]\n",
        json.dumps(yaml.safe_load(CONTENT), indent="\t"),
        yaml.safe_load(CONTENT),
    ],
    ids=["a tab behind a value", "no date", "JSON with tabs", "an object"],
)  # fmt: skip
def test_what_kubectl_takes_for_a_kubeconfig_is_one(esc: Path, tmp_path: Path, text: object) -> None:
    write(esc, {"oceanid-cluster:kubeconfig": text})
    workflow.kubeconfig(ENVIRONMENT, tmp_path / "kubeconfig", {})
    environ = {**os.environ, "KUBECONFIG": str(tmp_path / "kubeconfig")}
    command = ["kubectl", "config", "get-clusters"]
    assert subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout.split() == [
        "NAME",
        "a",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "canary",
        "",
        "[secret]",
        "[unknown]",
        "{}",
        "a: [canary",
        "kind: Pod",
        "clusters: canary",
        5,
        [],
        {"a": "canary"},
    ],
)
def test_what_kubectl_takes_for_none_is_refused_and_leaves_no_file(
    esc: Path, tmp_path: Path, text: object, capsys: pytest.CaptureFixture[str]
) -> None:
    write(esc, {"oceanid-cluster:kubeconfig": text})
    with pytest.raises(CommandError, match="is not a kubeconfig") as problem:
        workflow.kubeconfig(ENVIRONMENT, tmp_path / "kubeconfig", {})
    assert "canary" not in str(problem.value) + capsys.readouterr().out
    assert not (tmp_path / "kubeconfig").exists()


@pytest.mark.parametrize(
    ("world", "words"),
    [
        ({"environments": {ENVIRONMENT: {}}}, "has no key 'pulumiConfig.oceanid-cluster:kubeconfig'"),
        ({"environments": {}}, "could not ask ESC"),
        ({"outcome": "unavailable"}, "could not ask ESC"),
        ({"outcome": "diagnostics"}, "unknown provider"),
    ],
    ids=["no key", "no environment", "unavailable", "a broken environment"],
)
def test_an_esc_that_gives_no_kubeconfig_says_why(esc: Path, tmp_path: Path, world: object, words: str) -> None:
    esc.write_text(json.dumps(world), encoding="utf-8")
    with pytest.raises(CommandError, match=words):
        workflow.kubeconfig(ENVIRONMENT, tmp_path / "kubeconfig", {})
    assert not (tmp_path / "kubeconfig").exists()


def test_a_file_that_cannot_be_written_is_named(esc: Path, tmp_path: Path) -> None:
    write(esc, {"oceanid-cluster:kubeconfig": CONTENT})
    with pytest.raises(CommandError, match=rf"cannot write {tmp_path}/absent/kubeconfig: No such file"):
        workflow.kubeconfig(ENVIRONMENT, tmp_path / "absent" / "kubeconfig", {})
    with pytest.raises(CommandError, match=rf"cannot write {tmp_path}: Is a directory"):
        workflow.kubeconfig(ENVIRONMENT, tmp_path / "kubeconfig", {"GITHUB_ENV": str(tmp_path)})
    assert not (tmp_path / "kubeconfig").exists()


@pytest.mark.parametrize("wrong", ["what ESC has", "no kubectl"])
def test_a_failed_step_leaves_neither_a_kubeconfig_nor_a_variable(
    esc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    write(esc, {"oceanid-cluster:kubeconfig": "canary" if wrong == "what ESC has" else CONTENT})
    if wrong == "no kubectl":
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(CommandError):
        workflow.kubeconfig(ENVIRONMENT, tmp_path / "kubeconfig", {"GITHUB_ENV": str(tmp_path / "env")})
    assert not (tmp_path / "kubeconfig").exists()
    assert not (tmp_path / "env").exists()


def test_an_update_that_succeeded_stays_one_without_its_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(workflow, "redactor", lambda *_: Redactor([]))
    monkeypatch.setattr(workflow, "run_engine", lambda *_: Outcome())
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "absent" / "summary"))
    assert main(["workflow", "up", "--stack", "prod"]) == 0
    assert f"the job's summary {tmp_path}/absent/summary cannot be written" in capsys.readouterr().err


def test_in_github_actions_what_a_command_says_is_redacted_and_its_exit_code_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(options: argparse.Namespace) -> int:
        print("a row with canary", flush=True)
        print("noise with canary", end="", file=sys.stderr)
        if options.stack == "none":
            raise CommandError("no stack of canary")
        return 1

    monkeypatch.setattr(preflight, "main", told)
    monkeypatch.setattr(redact, "redactor", lambda *_: Redactor(["canary"]))
    assert main(["preflight", "--stack", "prod"]) == 1
    assert capsys.readouterr().out == "a row with canary\n"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert main(["preflight", "--stack", "prod"]) == 1
    assert capsys.readouterr() == ("a row with [secret]\nnoise with [secret]\n", "")
    assert main(["preflight", "--stack", "none"]) == 2
    assert capsys.readouterr().out.endswith("noise with [secret]preflight: error: no stack of [secret]\n")


@pytest.mark.parametrize(
    ("command", "module"), [("workflow up", workflow), ("workflow watch", workflow), ("plan", plan), ("drift", drift)]
)
def test_in_github_actions_the_secrets_are_read_once(
    command: str, module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, read, used = Redactor(["canary"]), list[str](), list[Redactor]()

    def first(stack: str, _: object) -> Redactor:
        read.append(stack)
        return known

    def engine(*arguments: object, **_: object) -> Outcome:
        used.extend(one for one in arguments if isinstance(one, Redactor))
        return Outcome()

    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("PULUMI_STACK", "prod")
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    monkeypatch.setattr(redact, "redactor", first)
    monkeypatch.setattr(module, "redactor", first)
    for place, name in ((workflow, "run_engine"), (plan, "preview"), (drift, "preview")):
        monkeypatch.setattr(place, name, engine)
    monkeypatch.setattr(health, "look", lambda *_, **__: [])
    monkeypatch.setattr(issue, "keep", lambda *_: None)
    assert main(command.split()) == 0
    assert read == ["prod"]
    assert used == [known]


def test_what_the_configuration_cannot_tell_stops_a_step(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    for in_actions in ("true", "false"):
        monkeypatch.setenv("GITHUB_ACTIONS", in_actions)
        for step in (["preflight"], ["health"], ["workflow", "preview"], ["workflow", "up"], ["workflow", "watch"]):
            assert main([*step, "--stack", "prod"]) == 2
            assert f"{step[0]}: error: 'pulumi' is not installed" in capsys.readouterr().err


def test_the_health_gate_waits_for_pulumi_cloud_in_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [CommandError("[502] Bad Gateway"), Redactor([])]
    clock, left = iter(range(0, 10_000, 100)), list[float]()
    monkeypatch.setattr(patience, "time", SimpleNamespace(monotonic=lambda: next(clock), sleep=lambda _: None))

    def health_main(options: argparse.Namespace) -> int:
        left.append(options.wait)
        return 0

    def asked(*_: object) -> Redactor:
        answer = answers.pop(0)
        if isinstance(answer, CommandError):
            raise answer
        return answer

    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setattr(redact, "redactor", asked)
    monkeypatch.setattr(health, "main", health_main)
    assert main(["health", "--stack", "prod", "--wait", "3600"]) == 0
    assert answers == []
    assert 2800 < left[0] < 3400
