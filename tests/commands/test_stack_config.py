"""The stack's configuration, for commands that only look."""

import json
from pathlib import Path

import pytest

from oceanid_cluster.commands import stack_config
from oceanid_cluster.startup.processes import CommandError


def test_the_stacks_file_is_enough_to_find_the_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert stack_config.local_settings(None, {"PULUMI_HOME": str(tmp_path)}) is None
    assert stack_config.local_settings("nowhere", {}) is None
    text = {"config": {"oceanid-cluster:kubeContext": "c", "oceanid-cluster:github_token": {"secure": "x"}}}
    (tmp_path / "Pulumi.prod.yaml").write_text(json.dumps(text), encoding="utf-8")
    for stack, environ in (("org/oceanid-cluster/prod", {}), (None, {"PULUMI_STACK": "prod"})):
        found = stack_config.local_settings(stack, environ)
        assert found is not None
        assert found.cluster.kube_context == "c"


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
    with pytest.raises(CommandError, match=key) as caught:
        stack_config.local_settings("prod", {})
    assert "metricsPort" not in str(caught.value)
    assert "clusters: canary" not in str(caught.value)


def test_what_says_which_cluster_it_is_counts_also_as_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {"oceanid-cluster:kubeContext": {"secret": True}, "oceanid-cluster:github_token": {"secret": True}}
    answers = {"--json": json.dumps(entries), "kubeContext": "c\n"}
    monkeypatch.setattr(stack_config, "check_output", lambda *command: answers[command[-1]])
    assert stack_config.stack_settings(None).cluster.kube_context == "c"
