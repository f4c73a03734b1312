"""The stack's configuration, for commands that only look."""

import json
from pathlib import Path
from typing import Any

import pytest

from oceanid_cluster.commands import stack_config
from oceanid_cluster.config.errors import StartUpError
from oceanid_cluster.startup.processes import CommandError
from tests.samples import REQUIRED


def write(folder: Path, config: dict[str, Any], stack: str = "prod") -> None:
    text = json.dumps({"config": {f"oceanid-cluster:{key}": value for key, value in config.items()}})
    (folder / f"Pulumi.{stack}.yaml").write_text(text, encoding="utf-8")


def test_the_stacks_file_is_enough_to_find_the_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    write(tmp_path, {"kubeContext": "c", "github_token": {"secure": "x"}})
    for folder, environ in ((tmp_path, {}), (tmp_path / "elsewhere", {"PULUMI_OPTION_CWD": str(tmp_path)})):
        monkeypatch.chdir(folder)
        for stack in ("org/oceanid-cluster/prod", "prod"):
            assert stack_config.local_settings(stack, environ).cluster.kube_context == "c"


@pytest.mark.parametrize(
    "key", ["oceanid-cluster:sentry.release", "sentry.release", "oceanid-cluster:config:sentry.release"]
)
def test_a_key_is_read_with_and_without_its_namespace_and_in_the_first_document_only(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its value is without quotes: tests/commands/test_pulumi_cli.py, beside the real Pulumi."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Pulumi.prod.yaml").write_text(f"config:\n  {key}: x\n--- {{\n", encoding="utf-8")
    assert stack_config.local_settings("prod", {}).adapter.sentry_release == "x"


def test_a_date_without_quotes_is_warned_of_as_a_run_refuses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Pulumi.prod.yaml").write_text("config: {oceanid-cluster:sentry.release: 2025-01-30}", encoding="utf-8")
    assert stack_config.local_settings("prod", {}).adapter.sentry_release is None
    assert "has '2025-01-30' without quotes in the stack file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: [", " (line 2)"),
        ("config: &a {oceanid-cluster:a: *a}", ""),
        ("\0", ""),
        ("a: 1\nb: canary\na: 2", " (line 3: the key 'a' is there twice)"),
        ("config: {oceanid-cluster:a: 1e400}", ""),
        ("config: {oceanid-cluster:a: .inf}", ""),
        ("config: {oceanid-cluster:a: !!binary aGk=}", ""),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_line(
    text: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Pulumi.prod.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(CommandError) as caught:
        stack_config.local_settings("prod", {})
    assert str(caught.value).endswith(f"Pulumi.prod.yaml cannot be read, or is not YAML{why}")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kubeconfigPath", "apiVersion: v1\nclusters: canary"),
        ("kubeContext", "a\nb"),
        ("nodes", "canary"),
        ("clusterUid", "canary"),
        ("allowedApiHosts", "[1"),
        ("tethysIp", "nowhere"),
        ("manage_node_labels", "perhaps"),
        ("kube_context", {"secure": "v1:canary"}),
    ],
)
def test_a_command_does_not_guess_which_cluster_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, value: object
) -> None:
    """A wrong value counted as none before, and the shell's cluster, or the usual nodes, instead."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path, {key: value})
    with pytest.raises(StartUpError, match=key) as caught:
        stack_config.local_settings("prod", {})
    assert "canary" not in str(caught.value)


WRONG: dict[str, Any] = {
    **{name: value if name.endswith("Ip") else {"secure": "v1:canary"} for name, value in REQUIRED.items()},
    "postgres_url": "", "metricsPort": "nowhere", "exposeKubelet": "perhaps", "kubeContxt": "c",
}  # fmt: skip


def test_what_is_wrong_is_a_warning_as_long_as_the_cluster_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, WRONG)
    entries = {
        f"oceanid-cluster:{name}": {"secret": True} if isinstance(value, dict) else {"value": value}
        for name, value in WRONG.items()
    }
    monkeypatch.setattr(stack_config, "entries", lambda _: entries)
    for read in (lambda: stack_config.local_settings("prod", {}), lambda: stack_config.stack_settings("org/p/prod")):
        assert read().cluster.tethys_ip == REQUIRED["tethysIp"]
        said = capsys.readouterr().err
        assert said.startswith(f"warning: the configuration of stack 'prod' ({tmp_path}/Pulumi.prod.yaml) has ")
        for words in ("'metricsPort'", "'postgres_url' is missing", "'exposeKubelet'", "did you mean 'kubeContext'?"):
            assert words in said
    assert stack_config.stack_settings("prod", warn=False).cluster.tethys_ip == REQUIRED["tethysIp"]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("elsewhere", [{"environment": ["default/oceanid-cluster"]}, {}], ids=["ESC", "an object"])
def test_a_secret_that_may_be_elsewhere_is_not_called_missing(
    elsewhere: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    known = {name: value for name, value in REQUIRED.items() if name.endswith("Ip")}
    config: dict[str, Any] = {f"oceanid-cluster:{name}": value for name, value in known.items()}
    config |= {} if elsewhere else {"oceanid-cluster:more": {"secure": "v1:canary"}}
    (tmp_path / "Pulumi.prod.yaml").write_text(json.dumps({"config": config, **elsewhere}), encoding="utf-8")
    stack_config.local_settings("prod", {})
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "value",
    [
        {"extraIngress": [{"hostname": "a.example.org", "service": {"secure": "v1:canary"}, "unknown": 1}]},
        {"labelStudioResources": {"limits": {"memory": "?", "cpu": {"secure": "v1:canary"}}}},
        {"cloudflareTunnelReplicas": [{"secure": "v1:canary"}]},
    ],
    ids=["a list", "an object", "anything"],
)
def test_a_key_of_which_a_part_is_encrypted_is_not_judged(
    value: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    known = {name: text for name, text in REQUIRED.items() if name.endswith("Ip")}
    write(tmp_path, {**known, **{name: {"secure": "v1:x"} for name in REQUIRED if name not in known}, **value})
    stack_config.local_settings("prod", {})
    assert capsys.readouterr().err == ""


def test_what_is_hardly_meant_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, {**REQUIRED, "kubeContxt": "c"})
    stack_config.local_settings("prod", {})
    assert "warning: config key 'kubeContxt' is not read by this program; did you mean 'kubeContext'?" in (
        capsys.readouterr().err
    )


def test_keys_that_say_which_cluster_it_is_are_read_as_secrets_too(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {"oceanid-cluster:kubeContext": {"secret": True}, "oceanid-cluster:github_token": {"secret": True}}
    monkeypatch.setattr(stack_config, "entries", lambda _: entries)
    answers = {"kubeContext": "c\n", "allowedApiHosts": '["canary_/"]'}
    monkeypatch.setattr(stack_config, "ask_pulumi", lambda *command, **_: answers[command[-1]])
    assert stack_config.stack_settings("prod").cluster.kube_context == "c"
    entries["oceanid-cluster:allowedApiHosts"] = {"secret": True}
    with pytest.raises(StartUpError, match="'allowedApiHosts'") as caught:
        stack_config.stack_settings("prod")
    assert "canary" not in str(caught.value)
