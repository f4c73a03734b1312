"""The sandbox's own charts: they make what upstream's make, so that going from one to the other is an update.

``data/upstream_charts.json`` is what ``facts_of`` says of upstream's charts, at the commit and tag that it names. Where
upstream's charts are in the cache, they are asked, too.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from oceanid_cluster import versions
from oceanid_cluster.components.flux.component import chart_values as flux_values
from oceanid_cluster.components.flux.settings import NAMESPACE as FLUX
from oceanid_cluster.components.operator.component import chart_values as operator_values
from oceanid_cluster.components.operator.settings import NAMESPACE as OPERATOR
from oceanid_cluster.components.operator.settings import RELEASE
from oceanid_cluster.manifests.pods import Placement
from sandbox import charts, tools
from sandbox.layout import ROOT

pytestmark = pytest.mark.slow

RECORDED: dict[str, Any] = json.loads((ROOT / "tests/data/upstream_charts.json").read_text(encoding="utf-8"))["charts"]
PLACEMENT = Placement(off_gpu_nodes=True)
# The CRDs are Flux's own in both.
INSTALLED = {
    "flux2": ("gitops-flux", FLUX, {**flux_values(True, "cluster.local", PLACEMENT), "installCRDs": False}),
    "pulumi-kubernetes-operator": (RELEASE, OPERATOR, operator_values(PLACEMENT)),
}
FOLDERS = [folder for folder in (ROOT / "sandbox" / "charts", charts.upstream()) if folder.exists()]


def facts_of(chart: Path) -> dict[str, Any]:
    """What an update from one chart to another depends on, of each object that the program's values give.

    What cannot be changed (selectors, roles of bindings), what the API server fills in (strategies), and the keys of
    lists (containers, ports). Hooks are left out: the program installs none.
    """
    release, namespace, values = INSTALLED[chart.name]
    helm = tools.get([tools.ALL["helm"]])["helm"]
    command = [str(helm), "template", release, str(chart), "--namespace", namespace, "--values", "-"]
    answer = subprocess.run(command, input=json.dumps(values), capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    found = [one for one in yaml.safe_load_all(answer.stdout) if one]
    return {
        f"{one['kind']}/{one['metadata']['name']}": _facts(one)
        for one in found
        if "helm.sh/hook" not in (one["metadata"].get("annotations") or {})
    }


def _facts(one: dict[str, Any]) -> Any:
    spec = one.get("spec", {})
    if one["kind"] == "Deployment":
        pod = spec["template"]["spec"]
        return {
            "strategy": spec.get("strategy", {}).get("type"),
            "selector": spec["selector"]["matchLabels"],
            "serviceAccount": pod["serviceAccountName"],
            "containers": {
                container["name"]: sorted(f"{port['name']} {port['containerPort']}" for port in container["ports"])
                for container in pod["containers"]
            },
        }
    if one["kind"] == "Service":
        return [spec["selector"], sorted(f"{p['name']} {p['port']} {p['targetPort']}" for p in spec["ports"])]
    if one["kind"] == "NetworkPolicy":
        return spec
    if "roleRef" in one:
        return [one["roleRef"]["name"], sorted(subject["name"] for subject in one["subjects"])]
    return None


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.parametrize("folder", FOLDERS, ids=[folder.name for folder in FOLDERS])
def test_a_chart_makes_what_upstreams_makes(name: str, folder: Path) -> None:
    assert facts_of(folder / name) == RECORDED[name]


def test_every_pinned_chart_is_recorded() -> None:
    assert RECORDED.keys() == INSTALLED.keys() == set(versions.charts())
