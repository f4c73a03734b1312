"""One stack, one kubeconfig, one configuration: whatever a person runs, in whichever folder, sees the same."""

import json
import os
import sys
from pathlib import Path

from sandbox import gitops, tools
from sandbox.layout import CONFIGURATION, ROOT
from tests.engine.engine import FAILS, Answer, Engine, elsewhere, flux_reports, run

COMMANDS = (("health", "--all"), ("graph", "--all"), ("preflight",), ("health",), ("leftovers",))


def at(folder: Path, variables: dict[str, str], *command: str | Path, code: int | range = 0) -> Answer:
    """Run a command where somebody stands."""
    return run(command, folder, {**variables, "PWD": str(folder)}, code=code)


def test_every_command_asks_the_cluster_of_the_stack_that_pulumi_has_selected(clean: Engine, tmp_path: Path) -> None:
    """As the runbook's break-glass: no PULUMI_STACK, and a kubeconfig whose current context is another cluster's."""
    flux_reports(clean)
    several = str(elsewhere(clean, tmp_path))
    clean.pulumi("stack", "select", "sandbox", variables={"PULUMI_STACK": None})
    variables = {**clean.environment(), "KUBECONFIG": several}
    del variables["PULUMI_STACK"]

    def ask(*command: str, code: int = 0) -> Answer:
        return at(clean.folder, variables, sys.executable, "-m", "oceanid_cluster", *command, code=code)

    astray = ask("health", "--all", code=2)
    assert "127.0.0.1:1 " in astray.stderr, "so that the answers below could be wrong"
    clean.configure("kubeContext", "sandbox")
    for shell in (several, ""):
        variables["KUBECONFIG"] = shell
        if not shell:
            clean.configure("kubeconfigPath", several)
        answers = {command: ask(*command) for command in COMMANDS}
        for answer in answers.values():
            assert "cannot" not in answer.stderr
            assert "127.0.0.1:1 " not in answer.stdout
        assert "the stack is still up" in answers["leftovers",].stdout


def test_a_sandbox_has_one_configuration_wherever_one_stands(engine: Engine) -> None:
    variables, pulumi = {**os.environ, **engine.sandbox.environment()}, engine.sandbox.bin / "pulumi"
    python = (sys.executable, "-m", "oceanid_cluster")
    committed = (ROOT / CONFIGURATION).read_text(encoding="utf-8")
    before = (engine.sandbox.project / CONFIGURATION).read_text(encoding="utf-8")
    try:
        at(Path("/"), variables, pulumi, "config", "set", "kubeContext", "of-the-sandbox")
        for folder in (ROOT, engine.sandbox.home, Path("/")):
            assert at(folder, variables, pulumi, "config", "get", "kubeContext").stdout == "of-the-sandbox\n"
        # It cannot work, and so it is not waited for.
        for command in ("health --all", "health --wait 600", "preflight"):
            answer = at(ROOT, variables, *python, *command.split(), code=FAILS)
            assert "has no context 'of-the-sandbox'" in answer.stdout + answer.stderr
        assert "has no context 'of-the-sandbox'" in engine.launcher("health", code=FAILS).stderr
    finally:
        (engine.sandbox.project / CONFIGURATION).write_text(before, encoding="utf-8")
    assert (ROOT / CONFIGURATION).read_text(encoding="utf-8") == committed


def test_what_a_person_has_set_stays_set_when_git_is_configured_again(engine: Engine, tmp_path: Path) -> None:
    for name in ("token", "ca.crt", "age.agekey"):
        (tmp_path / name).write_text(f"{name} of the server\n", encoding="utf-8")
    sandbox, pulumi = engine.sandbox, engine.sandbox.bin / "pulumi"
    variables = {**os.environ, **sandbox.environment()}
    before = (sandbox.project / CONFIGURATION).read_text(encoding="utf-8")

    def config(*arguments: str) -> str:
        return at(sandbox.home, variables, pulumi, "config", *arguments).stdout.rstrip("\n")

    try:
        config("set", "gitReconciliationSeconds", "45")
        gitops.configure(sandbox, gitops.Git(tmp_path, 1000))
        assert config("get", "gitReconciliationSeconds") == "45"
        assert config("get", "gitRepositoryIntervalSeconds") == "5"
        assert config("get", "github_token") == "token of the server"
        config("set", "gitRepositoryIntervalSeconds", "30")
        gitops.configure(sandbox, gitops.Git(tmp_path, 2000))
        assert config("get", "gitRepositoryIntervalSeconds") == "30"
        assert config("get", "gitRepositoryUrl") == "https://127.0.0.1:2000/oceanid.git"
        config("set", "gitRepositoryUrl", "https://git.example.org/mine.git")
        gitops.configure(sandbox, gitops.Git(tmp_path, 3000))
        assert config("get", "gitRepositoryUrl") == "https://git.example.org/mine.git"
    finally:
        (sandbox.project / CONFIGURATION).write_text(before, encoding="utf-8")
        (sandbox.home / "gitops-configuration.json").unlink(missing_ok=True)


def test_the_provider_logs_in_with_a_program_beside_the_kubeconfig_and_nothing_warns(
    engine: Engine, tmp_path: Path
) -> None:
    """kubectl finds it there; the provider is given contents, in another folder."""
    document = engine.kubeconfig()
    version, token = "client.authentication.k8s.io/v1", document["users"][0]["user"]["token"]
    credential = json.dumps({"apiVersion": version, "kind": "ExecCredential", "status": {"token": token}})
    tools.script(tmp_path / "login", f"echo '{credential}'")
    login = {"apiVersion": version, "command": "./login", "interactiveMode": "Never"}
    document["users"][0]["user"] = {"exec": login}
    (tmp_path / "kubeconfig").write_text(json.dumps(document), encoding="utf-8")
    variables: dict[str, str | None] = {"KUBECONFIG": str(tmp_path / "kubeconfig")}
    answer = engine.pulumi("preview", "--refresh", "--run-program", variables=variables)
    assert "warning" not in answer.stdout + answer.stderr, "of what the sandbox causes itself"
