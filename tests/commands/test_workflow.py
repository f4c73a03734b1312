"""The workflows' steps without a cluster: where the kubeconfig comes from, and what is shown of it."""

import argparse
import base64
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from oceanid_cluster.__main__ import main
from oceanid_cluster.commands import health, patience, preflight, redact, workflow
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
    [CONTENT, base64.b64encode(CONTENT.encode()).decode() + "canary", "/canary/kubeconfig", "canary\n"],
    ids=["text", "base64", "no file", "a word"],
)
def test_a_runners_variable_that_leads_to_no_file_is_refused_and_not_shown(
    variable: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandError, match="It must be a path") as problem:
        workflow.kubeconfig(ENVIRONMENT, tmp_path / "kubeconfig", {"KUBECONFIG": variable})
    assert "canary" not in str(problem.value) + capsys.readouterr().out
    assert not (tmp_path / "kubeconfig").exists()


@pytest.mark.parametrize("value", [CONTENT, yaml.safe_load(CONTENT)], ids=["text", "an object"])
def test_a_kubeconfig_of_esc_becomes_a_file_for_this_user_only(
    value: object, esc: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(esc, {"oceanid-cluster:kubeconfig": value})
    target, later = tmp_path / "kubeconfig", tmp_path / "env"
    target.write_text("left behind, and for everybody", encoding="utf-8")
    target.chmod(0o644)
    workflow.kubeconfig(ENVIRONMENT, target, {"GITHUB_ENV": str(later)})
    assert yaml.safe_load(target.read_text(encoding="utf-8")) == yaml.safe_load(CONTENT)
    assert target.stat().st_mode & 0o777 == 0o600
    assert later.read_text(encoding="utf-8") == f"KUBECONFIG={target}\n"
    assert "canary" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "text",
    ["canary", "", "[unknown]", "{}", "a: [canary", "kind: Pod", 5, {"a": "canary"}],
)
def test_what_kubectl_takes_for_none_is_refused_and_leaves_neither_a_file_nor_a_variable(
    esc: Path, tmp_path: Path, text: object, capsys: pytest.CaptureFixture[str]
) -> None:
    write(esc, {"oceanid-cluster:kubeconfig": text})
    with pytest.raises(CommandError, match="is not a kubeconfig") as problem:
        workflow.kubeconfig(ENVIRONMENT, tmp_path / "kubeconfig", {"GITHUB_ENV": str(tmp_path / "env")})
    assert "canary" not in str(problem.value) + capsys.readouterr().out
    assert not (tmp_path / "kubeconfig").exists()
    assert not (tmp_path / "env").exists()


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
    with pytest.raises(CommandError, match=rf"cannot be written to {tmp_path}/absent/kubeconfig: No such file"):
        workflow.kubeconfig(ENVIRONMENT, tmp_path / "absent" / "kubeconfig", {})
    with pytest.raises(CommandError, match=rf"announced in {tmp_path} \(GITHUB_ENV\): Is a directory"):
        workflow.kubeconfig(ENVIRONMENT, tmp_path / "kubeconfig", {"GITHUB_ENV": str(tmp_path)})
    assert not (tmp_path / "kubeconfig").exists()


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


def test_what_the_configuration_cannot_tell_stops_a_step(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    for in_actions in ("true", "false"):
        monkeypatch.setenv("GITHUB_ACTIONS", in_actions)
        for step in ("preflight", "health", "drift", "workflow preview", "workflow up", "workflow watch"):
            assert main([*step.split(), "--stack", "prod"]) == 2
            assert f"{step.partition(' ')[0]}: error: 'pulumi' is not installed" in capsys.readouterr().err


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
