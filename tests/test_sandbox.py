"""The sandbox's verbs, without a cluster: what `down` stops, what `reset` removes, what `gitops` and `health` say."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from oceanid_cluster.commands.mermaid import Box, Group, flowchart
from oceanid_cluster.commands.readiness import SILENT
from sandbox import cluster, engine, gitops, health, tools
from sandbox.__main__ import main
from sandbox.layout import MARK, ROOT, Sandbox
from tests.startup.api_server import serving

OK = {"area": "cluster", "name": "API server", "state": "ok", "detail": "https://127.0.0.1"}
OF_FLUX = {"area": "FluxBootstrap", "name": "kustomization/flux-system", "state": "failed", "detail": f"{SILENT} (why)"}
BROKEN = {"area": "LabelStudio", "name": "deployment/label-studio", "state": "failed", "detail": "does not exist"}


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A sandbox in which nothing runs."""
    sandbox = Sandbox(tmp_path / "home")
    sandbox.bin.mkdir(parents=True)
    monkeypatch.setenv("SANDBOX_DIR", str(sandbox.home))
    return sandbox


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts a program that does nothing, under a path, until the test ends."""
    with ExitStack() as stack:

        def start(program: Path, folder: Path, **variables: str) -> subprocess.Popen[bytes]:
            program.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy("/bin/sleep", program)
            process = subprocess.Popen([program, "600"], cwd=folder, env={**os.environ, **variables})
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield start


def test_down_stops_plugins_that_a_killed_pulumi_left_and_nothing_of_anybody_else(
    sandbox: Sandbox, start: Callable[..., subprocess.Popen[bytes]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin = Path("pulumi") / "plugins" / "resource-kubernetes" / "pulumi-resource-kubernetes"
    left = start(sandbox.home / plugin, tmp_path)
    own = sandbox.environment()
    others = [
        start(tmp_path / "other" / plugin, tmp_path),
        start(sandbox.home / "inner" / plugin, tmp_path, **{MARK: str(sandbox.home / "inner")}),
        start(tmp_path / "editor", sandbox.home, **own),
    ]
    assert main(["down"]) == 0
    assert left.poll() is not None
    assert [one.poll() for one in others] == [None, None, None]
    assert "stopped pulumi-resource-kubernetes\n" in capsys.readouterr().err


def test_reset_removes_the_sandbox_if_there_is_one(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    sandbox.lock.touch()
    for said in (f"sandbox: nothing was running\nsandbox: removed {sandbox.home}\n", "sandbox: nothing was running\n"):
        assert main(["reset"]) == 0
        assert capsys.readouterr().err == said
        assert not sandbox.home.exists()


def test_nobody_else_is_given_a_port_before_its_server_listens(sandbox: Sandbox) -> None:
    outgoing, _ = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="utf-8").split()
    owners: dict[str, str] = {"etcd": "etcd", "peer": "etcd", "api": "kube-apiserver"}
    ports = cluster.keep_ports(sandbox, sandbox.home / "ports.json", owners)
    assert len(set(ports.values())) == len(owners)
    assert max(ports.values()) < int(outgoing)
    assert cluster.keep_ports(sandbox, sandbox.home / "ports.json", owners) == ports


@pytest.mark.parametrize("verb", ["up", "gitops", "cluster", "reset"])
def test_a_folder_that_is_not_a_sandbox_is_left_alone(
    verb: str, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    file = sandbox.bin / "precious"
    file.touch()
    assert main([verb]) == 1
    assert f"{sandbox.home} has something else in it; set SANDBOX_DIR" in capsys.readouterr().err
    assert [one for one in sandbox.home.rglob("*") if one.is_file()] == [file]


def test_a_sandbox_that_cannot_be_removed_is_not_said_to_be(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox.lock.touch()
    link = sandbox.home.with_name("link")
    link.symlink_to(sandbox.home)
    monkeypatch.setenv("SANDBOX_DIR", str(link))
    assert main(["reset"]) == 1
    assert f"{link} cannot be removed: " in capsys.readouterr().err
    assert sandbox.lock.exists()


@pytest.mark.parametrize("verb", ["health", "graph", "preview", "outputs", "env", "kubectl", "pulumi"])
def test_a_verb_that_needs_a_running_sandbox_says_how_to_start_it(
    verb: str, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([verb]) == 1
    said = capsys.readouterr()
    assert (said.out, said.err) == (
        "", f"sandbox: error: the sandbox in {sandbox.home} does not run; start it with: make up\n"
    )  # fmt: skip


def test_gitops_says_what_is_left_out_without_github_unless_the_repository_is_yours(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox.link_project(sandbox.project)
    tools.script(sandbox.bin / "pulumi", "exit 0")
    git = gitops.Git(sandbox.home / "git", 1)
    git.folder.mkdir()
    for name in ("token", "ca.crt", "age.agekey"):
        (git.folder / name).write_text("x", encoding="utf-8")
    gitops.configure(sandbox, git)
    assert "Provider github-updates and Alert image-updates are left out" in capsys.readouterr().err
    with (sandbox.project / "Pulumi.sandbox.yaml").open("a", encoding="utf-8") as file:
        file.write("  oceanid-cluster:gitRepositoryUrl: https://github.com/example/example\n")
    gitops.configure(sandbox, git)
    assert capsys.readouterr().err == "sandbox: keeping what you have set: gitRepositoryUrl\n"


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("Outputs:\n    gitPath: x\n\nResources:\n    + 2 created\n", 0),
        ("Diagnostics:\n  kubernetes:core/v1:Namespace (apps):\n    error: no\n\nResources:\n    1 errored\n", 255),
        ("error: no stack named 'sandbox' found\n", 255),
    ],
)
def test_an_up_shows_how_it_ended_and_keeps_all_in_a_log(
    end: str, code: int, sandbox: Sandbox, capfd: pytest.CaptureFixture[str]
) -> None:
    sandbox.project.mkdir()
    sandbox.log.mkdir()
    whole = f"Updating (sandbox):\n +  kubernetes:core/v1:Namespace apps creating\n{end}"
    (sandbox.home / "said").write_text(whole, encoding="utf-8")
    tools.script(sandbox.bin / "pulumi", f'cat "{sandbox.home}/said" >&2; exit {code}')
    assert engine.up(sandbox, [], {}) == code
    log = sandbox.log / "up.log"
    assert log.read_text(encoding="utf-8") == whole
    assert capfd.readouterr() == (end, f"sandbox: pulumi up; its whole output is in {log}\n")
    assert engine.unfinished(sandbox).exists() == bool(code)


def test_make_makes_the_virtual_environment_once_and_again_where_that_failed(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    tools.script(tmp_path / "pip", f'echo pip >> "{asked}"; test ! -e "{tmp_path}/offline"')
    tools.script(
        tmp_path / "python", f'[ "$1" = -c ] || {{ mkdir -p "$4/bin" && cp "{tmp_path}/pip" "$4/bin/python"; }}'
    )
    pinned = b"".join((ROOT / name).read_bytes() for name in ("requirements.txt", "requirements-dev.txt"))
    ready = tmp_path / "cache" / f"venv-{hashlib.sha256(pinned).hexdigest()[:16]}" / "ready"
    command = ["make", "--silent", f"PYTHON3={tmp_path}/python", f"OCEANID_CACHE={tmp_path}/cache", str(ready)]
    (tmp_path / "offline").touch()
    assert subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode
    (tmp_path / "offline").unlink()
    both = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) for _ in range(2)]
    assert [run.wait() for run in both] == [0, 0]
    assert asked.read_text(encoding="utf-8") == "pip\n" * 2


def test_kubectl_keeps_what_it_keeps_in_the_sandbox(sandbox: Sandbox, tmp_path: Path) -> None:
    home = tmp_path / "user"
    home.mkdir()
    nodes = {"name": "nodes", "kind": "Node", "namespaced": False, "verbs": ["list"]}
    discovery = {
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "groups": []},
        "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": [nodes]},
    }
    with serving(discovery) as server:
        environment = {**os.environ, **sandbox.environment(), "HOME": str(home)}
        environment["KUBECONFIG"] = server.kubeconfig(tmp_path / "kubeconfig", {"token": "x"})
        command = ["kubectl", "api-resources"]
        subprocess.run(command, env=environment, check=True, capture_output=True)
    assert [*home.iterdir()] == []
    assert [*sandbox.temporary.iterdir()]


def answering(sandbox: Sandbox, *rows: dict[str, str]) -> Sandbox:
    """The sandbox, whose program answers with these rows."""
    sandbox.project.mkdir()
    (sandbox.home / "answer").write_text(json.dumps({"passed": False, "rows": rows}), encoding="utf-8")
    tools.script(sandbox.bin / "python", f'cat "{sandbox.home}/answer"; exit 1')
    return sandbox


def test_rows_of_controllers_that_do_not_run_say_so_and_are_not_failures(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    assert health.ask(answering(sandbox, OK, OF_FLUX), []) == 0
    said = capsys.readouterr().out
    assert "failed" not in said
    assert said.splitlines()[-2].endswith("warning  not run in this sandbox: make gitops")


def test_the_picture_shows_what_such_a_row_says(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    box = Box("a", ["kustomization", SILENT], "failed")
    broken = Box("b", ["deployment", "0/1"], "failed")
    answering(sandbox)
    for boxes, code in (([box], 0), ([box, broken], 1)):
        (sandbox.home / "answer").write_text(flowchart([Group("g", "Flux", boxes)], []), encoding="utf-8")
        assert health.draw(sandbox, []) == code
        picture = capsys.readouterr().out
        assert 'kustomization<br/>not run in this sandbox#58; make gitops"]:::off' in picture
        assert picture.count(":::failed") == code


def test_what_is_broken_is_still_a_failure(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    assert health.ask(answering(sandbox, OK, OF_FLUX, BROKEN), ["--json"]) == 1
    said = capsys.readouterr()
    assert [row["state"] for row in json.loads(said.out)["rows"]] == ["ok", "warning", "failed"]
    assert said.err == ""


def test_health_after_an_up_that_did_not_finish_says_so(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    (sandbox.home / "unfinished").touch()
    assert health.ask(answering(sandbox, OK, BROKEN), []) == 1
    assert capsys.readouterr().err == "sandbox: the last `make up` did not finish; run it again\n"


def test_an_answer_that_is_not_a_table_is_passed_on(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    answering(sandbox)
    (sandbox.home / "answer").write_text("usage: …\n", encoding="utf-8")
    assert health.ask(sandbox, ["--help"]) == 1
    assert capsys.readouterr().out == "usage: …\n"
