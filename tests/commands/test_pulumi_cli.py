"""Which stack a command is about, and what Pulumi's refusals mean."""

import json
from pathlib import Path

import pytest

from oceanid_cluster.commands import health
from oceanid_cluster.commands.pulumi_cli import StackMissingError, ask_pulumi, selected_stack
from oceanid_cluster.startup.processes import CommandError, PermanentError
from sandbox import tools
from sandbox.layout import ROOT

NO_PROJECT = (
    "error: no Pulumi.yaml project file found (searching upwards from /x). If you have not created a project yet,"
    " use `pulumi new` to do so"
)


def pulumi(folder: Path, monkeypatch: pytest.MonkeyPatch, lines: str) -> None:
    """Put a program of that name on PATH."""
    tools.script(folder / "pulumi", lines)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def test_a_stack_that_is_named_is_taken_without_asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pulumi(tmp_path, monkeypatch, f"touch {tmp_path}/asked; exit 1")
    assert selected_stack("org/p/named", {"PULUMI_STACK": "variable"}) == "org/p/named"
    assert selected_stack(None, {"PULUMI_STACK": "variable"}) == "variable"
    assert not (tmp_path / "asked").exists()


def test_otherwise_pulumi_names_it_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pulumi(tmp_path, monkeypatch, f'echo "$*" > {tmp_path}/asked; echo org/project/prod')
    assert selected_stack(None, {}) == "org/project/prod"
    asked = (tmp_path / "asked").read_text(encoding="utf-8")
    assert asked.startswith("stack --show-name --fully-qualify-stack-names")


def test_when_pulumi_cannot_answer_what_works_without_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulumi(tmp_path, monkeypatch, "echo 'error: could not connect to Pulumi Cloud' >&2; exit 255")
    for stack in (None, "prod"):  # also where the stack is named: the state is asked for then
        with pytest.raises(CommandError, match=r"(?s)could not connect to Pulumi Cloud.*health --all --stack <name>"):
            health.load_expectations(stack, every=False)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    for stack in (None, "prod"):
        with pytest.raises(PermanentError, match=r"(?s)'pulumi' is not installed.*health --all --stack <name>"):
            health.load_expectations(stack, every=False)


def test_what_is_named_works_without_pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(ROOT)
    assert health.load_expectations("sandbox", every=True).settings.enabled


def test_a_file_that_is_missing_is_named_with_the_reason_for_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CommandError, match=rf"(?s){tmp_path}/Pulumi.prod.yaml.*the current folder.*cd <clone>"):
        health.load_expectations("prod", every=True)
    monkeypatch.setenv("PULUMI_OPTION_CWD", str(tmp_path / "sandbox"))
    with pytest.raises(CommandError, match=rf"(?s){tmp_path}/sandbox/Pulumi.prod.yaml.*unset PULUMI_OPTION_CWD") as no:
        health.load_expectations("prod", every=True)
    assert "run it where" not in str(no.value).lower()
    pulumi(tmp_path, monkeypatch, f"echo '{NO_PROJECT.replace('`', '')}' >&2; exit 255")
    with pytest.raises(CommandError, match=rf"(?s)no Pulumi.yaml in {tmp_path}/sandbox.*unset PULUMI_OPTION_CWD"):
        ask_pulumi("stack")


@pytest.mark.parametrize(
    ("said", "stack", "error", "expected"),
    [
        ("error: no stack named 'prd' found", "prd", StackMissingError, "there is no stack 'prd'"),
        ("error: no stack selected; please use `pulumi stack select`", "prd", StackMissingError, "no stack 'prd'"),
        ("error: no stack selected; please use `pulumi stack select`", None, StackMissingError, "no stack is selected"),
        (NO_PROJECT, "prod", CommandError, "there is no Pulumi.yaml in "),
        ("error: something else", "prod", CommandError, "'pulumi stack export' failed: error: something else"),
    ],
)  # fmt: skip
def test_each_refusal_says_what_is_meant(
    said: str, stack: str | None, error: type[CommandError], expected: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    pulumi(tmp_path, monkeypatch, f"echo {json.dumps(said.replace('`', chr(39)))} >&2; exit 255")
    with pytest.raises(error) as caught:
        ask_pulumi("stack", "export", stack=stack)
    assert expected in str(caught.value)
    assert "pulumi new" not in str(caught.value)
