"""How a command ends that cannot do its work, or is interrupted."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from oceanid_cluster.__main__ import main
from oceanid_cluster.commands.report import one_line
from sandbox import tools
from tests.recorded import ROOT


def run(*arguments: str, without: str, path: Path) -> subprocess.CompletedProcess[str]:
    """A command in a process and a session of its own, whose Python lacks a package."""
    program = f"import sys, runpy; sys.modules[{without!r}] = None"
    environ = {"PATH": str(path), "PULUMI_STACK": "sandbox", "KUBECONFIG": str(ROOT / "Pulumi.yaml")}
    return subprocess.run(
        [sys.executable, "-c", f"{program}; runpy.run_module('oceanid_cluster', run_name='__main__')", *arguments],
        cwd=ROOT, env=environ, capture_output=True, text=True, check=False, start_new_session=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("package", "command"),
    [("pulumi", "render"), ("pulumi_kubernetes", "render"), ("yaml", "health")],
)
def test_a_python_package_that_is_missing_is_named(package: str, command: str, tmp_path: Path) -> None:
    folder = [str(tmp_path / "out")] if command == "render" else []
    answer = run(command, *folder, without=package, path=tmp_path)
    assert answer.returncode == 2
    assert f"{command}: error: the Python package '{package}' is not installed" in answer.stderr
    assert "-m pip install --require-hashes -r requirements.txt" in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize(
    "command", [("health", "--wait", "3600"), ("health", "--all", "--wait", "3600"), ("drift",), ("preflight",)]
)
def test_a_person_may_end_it(command: tuple[str, ...], tmp_path: Path) -> None:
    for tool in ("pulumi", "kubectl"):
        tools.script(tmp_path / tool, "kill -INT 0")  # as a terminal does it: to every process in front
    answer = run(*command, without="nothing", path=tmp_path)
    assert (answer.returncode, answer.stderr.splitlines()[-1:]) == (130, ["interrupted"])
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize(("redirection", "words"), [(">&-", "commands:"), (">/dev/full", "error: [Errno 28] No space")])
def test_output_that_cannot_be_written_is_one_message(redirection: str, words: str) -> None:
    command = f"{sys.executable} -m oceanid_cluster {redirection}"
    answer = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 2
    assert words in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_folder_that_cannot_be_written_is_one_message(tmp_path: Path) -> None:
    answer = run("render", "/dev/null/folder", "--stack", "sandbox", without="nothing", path=tmp_path)
    assert answer.returncode == 2
    assert "render: error: /dev/null/folder cannot be written: Not a directory; take another folder" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_current_folder_that_was_deleted_is_one_message(tmp_path: Path) -> None:
    script = (
        f"mkdir {tmp_path}/gone && cd {tmp_path}/gone && rmdir {tmp_path}/gone && {sys.executable} -m oceanid_cluster"
    )
    for command in ("health", "health --all --stack sandbox", "leftovers", "plan", "workflow kubeconfig a/b/c d"):
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        answer = subprocess.run(
            ["sh", "-c", f"{script} {command}"], env=environ, capture_output=True, text=True, check=False
        )
        assert answer.returncode == 2
        assert "the current folder cannot be used (No such file or directory)" in answer.stderr
        assert answer.stderr.endswith("Go to one that is there:  cd <clone>\n")
        assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("wait", ["-1", "nan", "inf", "soon"])
def test_only_seconds_can_be_waited(wait: str, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["health"], ["workflow", "watch"]):
        with pytest.raises(SystemExit, match=r"^2$"):
            main([*command, "--wait", wait])
        assert "argument --wait: invalid" in capsys.readouterr().err


@pytest.mark.parametrize("answer", ["", "{}", "W1128 deprecated", '{"contexts": [{"na'])
def test_a_kubectl_that_answers_something_else_is_one_message(answer: str, tmp_path: Path) -> None:
    (tmp_path / "answer").write_text(answer, encoding="utf-8")
    tools.script(
        tmp_path / "kubectl", f'while read -r line; do echo "$line"; done < {tmp_path}/answer; printf %s "$line"'
    )
    said = run("health", "--all", "--stack", "sandbox", without="nothing", path=tmp_path)
    assert said.returncode == 2
    assert "health: error: 'kubectl' gave no JSON" in said.stderr
    assert "Traceback" not in said.stderr


def test_a_message_of_several_lines_is_told_on_one() -> None:
    problem = ValueError("it is closed.\n  Is it open?  ssh -N\n  Then:  kubectl")
    assert one_line(problem) == "it is closed; Is it open? ssh -N; Then: kubectl"
