"""How health waits."""

from pathlib import Path

import pytest

from oceanid_cluster.commands import health
from oceanid_cluster.config.secret import Secret
from oceanid_cluster.startup.kubeconfig import Kubeconfig
from oceanid_cluster.startup.kubectl import Kubectl
from oceanid_cluster.startup.processes import ToolMissingError


def test_a_missing_kubectl_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    kubeconfig = Kubeconfig("/nowhere", "c", "https://127.0.0.1:1", Secret("{}"), ())
    with pytest.raises(ToolMissingError, match="'kubectl' is not installed"):
        health.wait(Kubectl(kubeconfig), health.Expectation(), 3600)
