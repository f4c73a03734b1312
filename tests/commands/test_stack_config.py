"""The stack's configuration, for commands that only look."""

import json
from pathlib import Path
from typing import Any

import pytest

from oceanid_cluster.commands import stack_config
from oceanid_cluster.config.errors import StartUpError
from oceanid_cluster.startup.processes import CommandError


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


def test_a_stack_without_a_file_is_not_a_stack_without_a_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CommandError, match=rf"there is no file {tmp_path}/Pulumi.prod.yaml"):
        stack_config.local_settings("prod", {})


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("sentry.release: 2025-01-30", "release", "2025-01-30"),
        ("sentry.release: 2025-01-30T10:00:00Z", "release", "2025-01-30T10:00:00Z"),
        ("sentry.release: 1.5", "release", "1.5"),
    ],
)
def test_a_value_without_quotes_is_text(
    text: str, key: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Pulumi.prod.yaml").write_text(f"config:\n  oceanid-cluster:{text}\n", encoding="utf-8")
    seen: dict[str, str] = {}
    monkeypatch.setattr(stack_config, "read_without_secrets", lambda given, _: seen.update(given))
    stack_config.local_settings("prod", {})
    assert seen == {f"sentry.{key}": value}


@pytest.mark.parametrize(
    "text", ["a: [", "config: {oceanid-cluster:a: !!binary aGk=}", "config: &a {oceanid-cluster:a: *a}", "\0"]
)
def test_a_file_that_cannot_be_read_is_named(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Pulumi.prod.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(CommandError, match=r"Pulumi.prod.yaml cannot be read, or is not YAML"):
        stack_config.local_settings("prod", {})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kubeconfigPath", "apiVersion: v1 clusters: canary"),
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
    text = {"config": {f"oceanid-cluster:{key}": value, "oceanid-cluster:metricsPort": "a wrong one does not matter"}}
    (tmp_path / "Pulumi.prod.yaml").write_text(json.dumps(text), encoding="utf-8")
    with pytest.raises(StartUpError, match=key) as caught:
        stack_config.local_settings("prod", {})
    assert "metricsPort" not in str(caught.value)
    assert "clusters: canary" not in str(caught.value)


def test_keys_that_say_which_cluster_it_is_are_read_as_secrets_too(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {"oceanid-cluster:kubeContext": {"secret": True}, "oceanid-cluster:github_token": {"secret": True}}
    monkeypatch.setattr(stack_config, "entries", lambda _: entries)
    monkeypatch.setattr(stack_config, "ask_pulumi", lambda *command, **_: {"kubeContext": "c\n"}[command[-1]])
    assert stack_config.stack_settings("prod").cluster.kube_context == "c"
