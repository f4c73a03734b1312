"""Production runs one release of Flux, the sandbox another: what differs is set by us, or said in docs/sandbox.md.

``data/flux_gates.json`` holds the feature gates of production's release, with their defaults.
"""

import json
import re
from typing import Any

import pytest

from oceanid_cluster import versions
from oceanid_cluster.components.flux.component import GATES
from sandbox import golang, tools
from sandbox.gitops import CONTROLLERS
from sandbox.layout import ROOT

PRODUCTION: dict[str, Any] = json.loads((ROOT / "tests/data/flux_gates.json").read_text(encoding="utf-8"))
ROLES = [f"{name}-controller" for name in CONTROLLERS]


def test_the_gates_are_those_of_the_pinned_release() -> None:
    assert PRODUCTION["chart"] == versions.chart("flux2").version, "look at the release's gates, and record them"
    assert PRODUCTION["controllers"].keys() == set(ROLES)


def test_the_page_names_the_version_of_each_side() -> None:
    page = (ROOT / "docs" / "sandbox.md").read_text(encoding="utf-8")
    for role in ROLES:
        ours = golang.pinned("flux-controllers", f"github.com/fluxcd/{role}")
        assert f"| {role} | {PRODUCTION['controllers'][role]['version']} | {ours} |" in page
    assert f"(chart {PRODUCTION['chart']}, " in page


def test_the_sandbox_runs_a_kubernetes_that_flux_runs_on() -> None:
    minor = tools.KUBERNETES.rpartition(".")[0]
    assert [int(part) for part in minor.split(".")] >= [int(part) for part in versions.minimum_kubernetes().split(".")]
    assert f"(Kubernetes {minor}, " in (ROOT / "docs" / "sandbox.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES)
def test_a_gate_whose_default_differs_is_set(role: str) -> None:
    source = golang.module("flux-controllers", f"github.com/fluxcd/{role}") / "internal" / "features" / "features.go"
    body = source.read_text(encoding="utf-8").partition("var features")[2].partition("\n}")[0]
    found = re.findall(r"^\s+(?:\w+\.)?(\w+):\s+(true|false),", body, re.MULTILINE)
    sandbox = {name.removeprefix("FeatureGate"): default == "true" for name, default in found}
    production: dict[str, bool] = PRODUCTION["controllers"][role]["gates"]
    assert sandbox
    # A gate that one side lacks cannot be set for both; off, it changes nothing.
    differ = {name for name in sandbox | production if sandbox.get(name, False) != production.get(name, False)}
    assert differ <= (GATES.keys() if role == "kustomize-controller" else set()), differ
