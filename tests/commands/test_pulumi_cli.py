"""Which stack a command is about, and what Pulumi's refusals mean."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from oceanid_cluster.__main__ import main
from oceanid_cluster.commands import health, pulumi_cli
from oceanid_cluster.commands.pulumi_cli import StackMissingError, ask_pulumi, entries, selected_stack
from oceanid_cluster.commands.stack_file import read_stack_file
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
    assert selected_stack("o-1.x_/p/s.t-1", {"PULUMI_STACK": "a/"}) == "o-1.x_/p/s.t-1"
    assert not (tmp_path / "asked").exists()


@pytest.mark.parametrize("name", ["a/", "/", "/a", "a//b", "../x", "a/../x", "a/b/c/d", "a b", "ä", "a\n", "x;y", "\0"])
def test_what_cannot_be_a_name_is_refused_before_anything_is_asked(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pulumi refuses them as well, each in other words; of an empty --stack it makes the selected one."""
    pulumi(tmp_path, monkeypatch, f"touch {tmp_path}/asked; exit 1")
    for command in (["health"], ["health", "--all"], ["leftovers"], ["render", str(tmp_path / "out")]):
        for one in (name, ""):
            assert main([*command, "--stack", one]) == 2
            said = capsys.readouterr().err
            assert said.endswith(
                f"--stack: {one!r} is not the name of a stack; see which there are:  pulumi stack ls\n"
            )
    with pytest.raises(PermanentError, match="PULUMI_STACK: "):
        selected_stack(None, {"PULUMI_STACK": name})
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


def test_a_pulumi_that_does_not_answer_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pulumi(tmp_path, monkeypatch, "exec sleep 3600")
    monkeypatch.setattr(pulumi_cli, "_TIMEOUT_SECONDS", 0.01)
    for question in (lambda: selected_stack(None, {}), lambda: entries("one"), lambda: ask_pulumi("stack", "export")):
        with pytest.raises(CommandError, match="'pulumi' got no answer in 0 seconds\nWithout Pulumi"):
            question()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the program with the stack ``one`` of the real Pulumi, on this machine."""
    monkeypatch.setenv("PATH", str(tools.get([tools.ALL["pulumi"]])["pulumi"].parent), prepend=":")
    variables = {
        "PULUMI_HOME": str(tmp_path / "pulumi"),
        "PULUMI_BACKEND_URL": f"file://{tmp_path / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": "x",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PULUMI_STACK", raising=False)
    (tmp_path / "state").mkdir()
    folder = tmp_path / "checkout"
    folder.mkdir()
    shutil.copy(ROOT / "Pulumi.yaml", folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PWD", str(folder))
    ask_pulumi("stack", "init", "one")
    return folder


# What YAML 1.1, YAML 1.2, Go and PyYAML read in several ways.
LITERALS = """
    off yes No on y N 0o3720 0777 0o17 -0o17 00 -017 0_7 33:20 190:20:30.15 1e5 1E5 1e+5 4512e77 1e20 1e21 12e03 1e
    1_000 1,000 +1 -1 0 0x1F 0x 0b101 0b12 0o8 0.10 1.20 1.0 100000.0 123456789.123 1.5e300 .5 -.5 5. .5e3 . .. inf nan
    ~ null NULL nULL true TRUE tRUE false 9223372036854775807 2025-01-30 12345-01-02 = v1 1.2.3 'on' "1.20"
"""
PHRASES = [
    "!!int 5", "!!float 5", "!!str 5", "{a: 1.20, b: 1e21, c: off, d: ~, e: 0777}", "[&a 1.20, *a]", "|\n    x\n    y",
    "{x: &b {k: 1, z: 1}, y: {z: 2, <<: *b}}", "{<<: [{a: 1}, {a: 2, b: 2}]}", "['\u00e9', '<&>']",
]  # fmt: skip


def read_by_both(checkout: Path, literals: Sequence[str]) -> tuple[list[object], list[object]]:
    """What Pulumi, and this program without it, make of values in a stack's file; objects as data."""
    lines = [f"  oceanid-cluster:k{at}: {literal}" for at, literal in enumerate(literals)]
    (checkout / "Pulumi.one.yaml").write_text("\n".join(["config:", *lines, ""]), encoding="utf-8")
    by_pulumi, ours = entries("one"), read_stack_file("one", {}).texts()

    def data(text: str) -> object:
        return json.loads(text) if text.startswith(("{", "[")) else text

    names = [f"k{at}" for at in range(len(literals))]
    return [data(by_pulumi[f"oceanid-cluster:{name}"]["value"]) for name in names], [
        data(ours.get(name, "")) for name in names
    ]


def test_the_stacks_file_is_read_as_pulumi_reads_it(checkout: Path) -> None:
    literals = [*LITERALS.split(), *PHRASES]
    by_pulumi, ours = read_by_both(checkout, literals)
    assert dict(zip(literals, ours, strict=True)) == dict(zip(literals, by_pulumi, strict=True))
