"""Every pinned chart knows the values that it gets; the sandbox's own charts make what upstream's make.

Helm ignores a value that its chart does not have. Going from a chart of the sandbox to upstream's is an update.
``data/upstream_charts.json`` is what ``facts_of`` says of upstream's charts, at the commit and tag that it names. Where
upstream's charts are in the cache, they are asked, too.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from oceanid_cluster import versions
from oceanid_cluster.commands import registrations
from oceanid_cluster.commands.charts import Chart
from oceanid_cluster.components.facts import ObjectRef
from oceanid_cluster.components.settings import CHAIN, EXPECTED
from sandbox import charts, tools
from sandbox.layout import ROOT
from tests.program import Program
from tests.recorded import STACK, Run, plain
from tests.samples import REQUIRED

_RECORD = ROOT / "tests" / "data" / "upstream_charts.json"
RECORDED: dict[str, Any] = json.loads(_RECORD.read_text(encoding="utf-8"))["charts"]
FOLDERS = [folder for folder in (ROOT / "sandbox" / "charts", charts.upstream()) if folder.exists()]
# Values that charts hand on as they are: their fields are not the chart's.
OF_KUBERNETES = {"resources", "affinity", "nodeSelector", "podSecurityContext", "securityContext"}
FOLDER_NAMES = [folder.name for folder in FOLDERS]


@pytest.fixture(autouse=True)
def helm(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pinned Helm, and kubectl beside it, are those on PATH."""
    folder = tools.get([tools.ALL["helm"], tools.ALL["kubectl"]])["helm"].parent
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


@pytest.fixture
def installed(program: Program) -> dict[str, Chart]:
    return charts_of(program(REQUIRED))


def charts_of(run: Run) -> dict[str, Chart]:
    """Every chart that the program installs, by the name under which it is pinned."""
    names = {versions.chart(name).chart: name for name in versions.charts()}
    found: dict[str, Chart] = {}
    for name, resource in run.resources.items():
        if resource.typ.startswith("kubernetes:helm.sh/"):
            inputs = plain(resource.inputs)
            found[names[inputs["chart"]]] = Chart(inputs.get("name", name), inputs)
    return found


def unknown(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """The values that a chart does not have."""
    found = [key for key in ours if key not in theirs]
    for key in (ours.keys() & theirs.keys()) - OF_KUBERNETES:
        if isinstance(ours[key], dict):
            found += [f"{key}.{name}" for name in unknown(ours[key], theirs[key])]
    return found


def facts_of(folder: Path, chart: Chart) -> dict[str, Any]:
    """What an update from one chart to another depends on, of each object that the program's values give.

    What cannot be changed (selectors, roles of bindings), what the API server fills in (strategies), and the keys of
    lists (containers, ports). Hooks are left out: the program installs none.
    """
    return {f"{one['kind']}/{one['metadata']['name']}": _facts(one) for one in made_by(folder, chart, crds=False)}


def made_by(folder: Path, chart: Chart, *, crds: bool) -> list[dict[str, Any]]:
    """The objects that a chart makes; Flux's CRDs are the same in both charts."""
    values = {**chart.inputs["values"], **({} if crds else {"installCRDs": False})}
    here = {"chart": str(folder), "repositoryOpts": None, "version": None, "values": values}
    local = Chart(chart.release, {**chart.inputs, **here})
    return [*local.objects(), *(local.crds() if crds else [])]


def _port(port: dict[str, Any], *numbers: str) -> str:
    """A port in a line; a target port that is not named is the port itself."""
    return " ".join(str(port.get(field, port.get("port"))) for field in ("name", *numbers))


def _facts(one: dict[str, Any]) -> Any:
    spec = one.get("spec", {})
    if one["kind"] == "Deployment":
        pod = spec["template"]["spec"]
        return {
            "strategy": spec.get("strategy", {}).get("type"),
            "selector": spec["selector"]["matchLabels"],
            "serviceAccount": pod.get("serviceAccountName"),
            "containers": {
                container["name"]: sorted(_port(one, "containerPort") for one in container.get("ports", ()))
                for container in pod["containers"]
            },
        }
    if one["kind"] == "Service":
        return [spec["selector"], sorted(_port(one, "port", "targetPort") for one in spec["ports"])]
    if one["kind"] == "NetworkPolicy":
        return spec
    if "roleRef" in one:
        return [one["roleRef"]["name"], sorted(subject["name"] for subject in one["subjects"])]
    return None


@pytest.mark.parametrize("name", versions.charts())
@pytest.mark.parametrize("folder", FOLDERS, ids=FOLDER_NAMES)
def test_a_chart_knows_every_value_that_it_gets(name: str, folder: Path, installed: dict[str, Chart]) -> None:
    theirs = yaml.safe_load((folder / name / "values.yaml").read_text(encoding="utf-8"))
    assert unknown(installed[name].inputs["values"], theirs) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.parametrize("folder", FOLDERS, ids=FOLDER_NAMES)
def test_a_chart_makes_what_upstreams_makes(name: str, folder: Path, installed: dict[str, Chart]) -> None:
    assert facts_of(folder / name, installed[name]) == RECORDED[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", versions.charts())
@pytest.mark.parametrize("folder", FOLDERS, ids=FOLDER_NAMES)
def test_the_commands_know_what_a_chart_makes_and_its_pods_stay_off_gpus(
    name: str, folder: Path, installed: dict[str, Chart]
) -> None:
    made = made_by(folder / name, installed[name], crds=True)
    pods = [one for one in made if one["kind"] in ("Deployment", "DaemonSet", "StatefulSet")]
    known = {one.ref for one in EXPECTED}
    for one in pods:
        assert ObjectRef(one["kind"], installed[name].namespace, one["metadata"]["name"]) in known, "health looks at it"
        assert "affinity" in one["spec"]["template"]["spec"], one["metadata"]["name"]
    assert pods
    groups = tuple(group for facts in CHAIN for group in facts.crd_groups)
    for one in made:
        if one["kind"] == "CustomResourceDefinition":
            assert one["metadata"]["name"].endswith(groups), "leftovers names it"


def test_every_pinned_chart_is_recorded() -> None:
    assert RECORDED.keys() == set(versions.charts())


def test_a_chart_is_rendered_for_the_oldest_kubernetes_on_which_the_program_runs(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: x\nversion: 1.0.0\n", encoding="utf-8")
    template = "kind: ConfigMap\nmetadata: { name: x }\ndata: { version: {{ .Capabilities.KubeVersion }} }\n"
    (tmp_path / "templates" / "x.yaml").write_text(template, encoding="utf-8")
    [made] = Chart("x", {"chart": str(tmp_path), "namespace": "default"}).objects()
    assert made["data"]["version"].startswith(f"v{versions.minimum_kubernetes()}")


if __name__ == "__main__":  # python -m tests.test_charts NAME FOLDER: record what upstream's chart in a folder makes
    _, _name, _folder = sys.argv
    _made = facts_of(Path(_folder), charts_of(registrations.run_program(REQUIRED, STACK))[_name])
    _recorded = json.loads(_RECORD.read_text(encoding="utf-8"))
    _recorded["charts"][_name] = _made
    _RECORD.write_text(json.dumps(_recorded, indent=1, sort_keys=True) + "\n", encoding="utf-8")
