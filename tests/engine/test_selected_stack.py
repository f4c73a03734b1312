"""One stack, one kubeconfig, one configuration: whatever a person runs, in whichever folder, sees the same."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from sandbox import gitops, tools
from sandbox.layout import CONFIGURATION, ROOT
from tests.engine.engine import Answer, Engine, flux_reports
from tests.engine.test_health_and_preflight import elsewhere

COMMANDS = (("health", "--all"), ("graph", "--all"), ("preflight",), ("health",), ("leftovers",))


def kubeconfig(engine: Engine) -> dict[str, Any]:
    return json.loads(engine.sandbox.kubeconfig.read_text(encoding="utf-8"))


def run(folder: Path, variables: dict[str, str], *command: str | Path) -> Answer:
    return subprocess.run(
        command,
        cwd=folder,
        env={**variables, "PWD": str(folder)},
        text=True,
        capture_output=True,
        check=False,
        input="",
    )


def test_every_command_asks_the_cluster_of_the_stack_that_pulumi_has_selected(clean: Engine, tmp_path: Path) -> None:
    """As the runbook's break-glass: no PULUMI_STACK, and a kubeconfig whose current context is another cluster's."""
    flux_reports(clean)
    several = str(elsewhere(clean, tmp_path))
    assert clean.pulumi("stack", "select", "sandbox", variables={"PULUMI_STACK": None}).returncode == 0
    variables = {**clean.environment(), "KUBECONFIG": several}
    del variables["PULUMI_STACK"]

    def ask(*command: str) -> Answer:
        return run(clean.folder, variables, sys.executable, "-m", "oceanid_cluster", *command)

    astray = ask("health", "--all")
    assert astray.returncode == 2
    assert "127.0.0.1:1 " in astray.stderr, "so that the answers below could be wrong"
    clean.configure("kubeContext", "sandbox")
    for shell in (several, ""):
        variables["KUBECONFIG"] = shell
        if not shell:
            clean.configure("kubeconfigPath", several)
        answers = {command: ask(*command) for command in COMMANDS}
        for command, answer in answers.items():
            assert answer.returncode == 0, f"{command}: {answer.stdout}{answer.stderr}"
            assert "cannot" not in answer.stderr
            assert "127.0.0.1:1 " not in answer.stdout
        assert "the stack is still up" in answers["leftovers",].stdout


def test_a_sandbox_has_one_configuration_wherever_one_stands(engine: Engine) -> None:
    variables, pulumi = {**os.environ, **engine.sandbox.environment()}, engine.sandbox.bin / "pulumi"
    python = (sys.executable, "-m", "oceanid_cluster")
    committed = (ROOT / CONFIGURATION).read_text(encoding="utf-8")
    before = (engine.sandbox.project / CONFIGURATION).read_text(encoding="utf-8")
    try:
        assert run(Path("/"), variables, pulumi, "config", "set", "kubeContext", "of-the-sandbox").returncode == 0
        for folder in (ROOT, engine.sandbox.home, Path("/")):
            assert run(folder, variables, pulumi, "config", "get", "kubeContext").stdout == "of-the-sandbox\n"
        for command in (("health", "--all"), ("health",), ("preflight",)):
            answer = run(ROOT, variables, *python, *command)
            assert "has no context 'of-the-sandbox'" in answer.stdout + answer.stderr
        assert "has no context 'of-the-sandbox'" in engine.launcher("health").stderr
    finally:
        (engine.sandbox.project / CONFIGURATION).write_text(before, encoding="utf-8")
    assert (ROOT / CONFIGURATION).read_text(encoding="utf-8") == committed


def test_what_a_person_has_set_stays_set_when_git_is_configured_again(engine: Engine, tmp_path: Path) -> None:
    for name in ("token", "ca.crt", "age.agekey"):
        (tmp_path / name).write_text(f"{name} of the server\n", encoding="utf-8")
    sandbox, pulumi = engine.sandbox, engine.sandbox.bin / "pulumi"
    variables = {**os.environ, **sandbox.environment()}
    before = (sandbox.project / CONFIGURATION).read_text(encoding="utf-8")

    def value(name: str) -> str:
        return run(sandbox.home, variables, pulumi, "config", "get", name).stdout.rstrip("\n")

    def set_(name: str, text: str) -> None:
        assert run(sandbox.home, variables, pulumi, "config", "set", name, text).returncode == 0

    try:
        set_("gitReconciliationSeconds", "45")
        gitops.configure(sandbox, gitops.Git(tmp_path, 1000))
        assert value("gitReconciliationSeconds") == "45"
        assert value("gitRepositoryIntervalSeconds") == "5"
        assert value("github_token") == "token of the server"
        set_("gitRepositoryIntervalSeconds", "30")
        gitops.configure(sandbox, gitops.Git(tmp_path, 2000))
        assert value("gitRepositoryIntervalSeconds") == "30"
        assert value("gitRepositoryUrl") == "https://127.0.0.1:2000/oceanid.git"
        set_("gitRepositoryUrl", "https://git.example.org/mine.git")
        gitops.configure(sandbox, gitops.Git(tmp_path, 3000))
        assert value("gitRepositoryUrl") == "https://git.example.org/mine.git"
    finally:
        (sandbox.project / CONFIGURATION).write_text(before, encoding="utf-8")
        (sandbox.home / "gitops-configuration.json").unlink(missing_ok=True)


def test_the_provider_logs_in_with_a_program_beside_the_kubeconfig_and_nothing_warns(
    engine: Engine, tmp_path: Path
) -> None:
    """kubectl finds it there; the provider is given contents, in another folder."""
    document = kubeconfig(engine)
    version, token = "client.authentication.k8s.io/v1", document["users"][0]["user"]["token"]
    credential = json.dumps({"apiVersion": version, "kind": "ExecCredential", "status": {"token": token}})
    tools.script(tmp_path / "login", f"echo '{credential}'")
    login = {"apiVersion": version, "command": "./login", "interactiveMode": "Never"}
    document["users"][0]["user"] = {"exec": login}
    (tmp_path / "kubeconfig").write_text(json.dumps(document), encoding="utf-8")
    variables: dict[str, str | None] = {"KUBECONFIG": str(tmp_path / "kubeconfig")}
    answer = engine.pulumi("preview", "--refresh", "--run-program", variables=variables)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "warning" not in answer.stdout + answer.stderr, "of what the sandbox causes itself"
