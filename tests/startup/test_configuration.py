"""Where the configuration is said to be."""

import json
from pathlib import Path

import pulumi
import pytest

from oceanid_cluster.config.errors import StartUpError
from oceanid_cluster.startup.configuration import load_from_engine


def test_the_file_is_named_where_the_engine_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be in another folder than the program (``main`` in Pulumi.yaml, as in a sandbox)."""
    told, variable = tmp_path / "told", tmp_path / "variable"
    monkeypatch.setenv("PULUMI_OPTION_CWD", str(variable))
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps({"oceanid-cluster:metricsPort": "nowhere"}))
    monkeypatch.setattr(pulumi, "get_stack", lambda: "dev")
    for folder, by_the_host in ((told, str(told)), (variable, None)):  # the sandbox's language host is an old one
        monkeypatch.setattr(pulumi.runtime, "get_root_directory", lambda said=by_the_host: said)
        with pytest.raises(StartUpError, match=rf"^the configuration of stack 'dev' \({folder}/Pulumi.dev.yaml\) has "):
            load_from_engine()
