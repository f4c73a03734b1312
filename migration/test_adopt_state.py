"""The predecessor's state becomes ours, and our own state stays as it is."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from migration.__main__ import COMPONENTS, prepare
from tests.recorded import ROOT, run_program
from tests.samples import EVERYTHING

STACK = "urn:pulumi:prod::oceanid-cluster::pulumi:pulumi:Stack::oceanid-cluster-prod"
PREFIX = "urn:pulumi:prod::oceanid-cluster::"
PROVIDER = f"{PREFIX}pulumi:providers:kubernetes::k3s-provider"
FLUX = f"{PREFIX}oceanid:gitops:FluxBootstrap::gitops"
SINK = f"{PREFIX}oceanid:apps:AnnotationsSink::annotations-sink"


def resource(urn: str, **fields: Any) -> dict[str, Any]:
    """A resource as the engine exports it."""
    return {"urn": urn, "type": urn.split("::")[2].rpartition("$")[2], "custom": True, **fields}


def export(*resources: dict[str, Any]) -> dict[str, Any]:
    """A state export with a stack, the cluster's provider, Flux, one out of scope, and the resources."""
    base = [
        resource(STACK), resource(PROVIDER, id="1", inputs={}, outputs={}), resource(FLUX, parent=STACK),
        resource(SINK, parent=STACK),
    ]  # fmt: skip
    return {"version": 3, "deployment": {"manifest": {}, "resources": [*base, *resources]}}


def by_name(state: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["urn"].rpartition("::")[2]: one for one in state["deployment"]["resources"]}


def test_what_this_program_does_not_manage_leaves_the_state_and_is_named() -> None:
    state, dropped, warnings = prepare(export(), "oceanid-prod")
    assert dropped == [SINK]
    assert warnings == []
    assert by_name(state)["k3s-provider"]["inputs"]["clusterIdentifier"] == "oceanid-prod"


def test_a_second_time_changes_nothing() -> None:
    """The nodes' labels and the generated values at the top level are ours too: without them every workload rolls."""
    ours = [
        resource(f"{PREFIX}random:index/randomPassword:RandomPassword::rollout-key", parent=STACK),
        resource(f"{PREFIX}oceanid:core:NodeLabels::nodes", parent=STACK),
        resource(f"{PREFIX}oceanid:core:NodeLabels$kubernetes:core/v1:NodePatch::nodes-tethys", parent=STACK),
    ]
    first, *_ = prepare(export(*ours), "oceanid-prod")
    assert {"rollout-key", "nodes", "nodes-tethys"} <= by_name(first).keys()
    assert prepare(copy.deepcopy(first), "oceanid-prod") == (first, [], [])


SECRET = f"{PREFIX}oceanid:gitops:FluxBootstrap$kubernetes:core/v1:Secret::s"


def test_no_reference_to_what_left_stays_behind_and_every_other_one_does() -> None:
    child = resource(
        SECRET, parent=FLUX, provider=f"{PROVIDER}::1", dependencies=[FLUX, SINK],
        propertyDependencies={"data": [SINK, FLUX]}, replaceWith=[SINK, FLUX], deletedWith=SINK, viewOf=FLUX,
    )  # fmt: skip
    kept = by_name(prepare(export(child), "oceanid-prod")[0])["s"]
    assert SINK not in json.dumps(kept)
    assert kept["dependencies"] == kept["replaceWith"] == kept["propertyDependencies"]["data"] == [FLUX]
    assert "deletedWith" not in kept
    assert kept["viewOf"] == FLUX
    assert kept["provider"] == f"{PROVIDER}::1"


def test_a_resource_of_a_provider_that_leaves_is_an_error() -> None:
    provider = f"{PREFIX}oceanid:apps:AnnotationsSink$pulumi:providers:kubernetes::other::2"
    with pytest.raises(ValueError, match="uses a provider that this program does not manage"):
        prepare(export(resource(SECRET, provider=provider)), "oceanid-prod")


def test_the_state_of_another_stack_is_noticed() -> None:
    _, _, warnings = prepare({"deployment": {"resources": [resource(STACK)]}}, "oceanid-prod")
    assert "has no provider 'k3s-provider'" in warnings[0]


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", "1", '{"deployment": []}', '{"deployment": {"resources": [1]}}',
        '{"deployment": {"resources": [{"urn": "x"}]}}',
        '{"deployment": {"resources": [], "pending_operations": [{}]}}',
        "[" * 100_000, "\udcff",
    ],
)  # fmt: skip
def test_input_that_is_not_a_state_is_refused_with_one_message(text: str) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "migration", "oceanid-prod"], cwd=ROOT,
        capture_output=True, check=False, input=text.encode("utf-8", "surrogateescape"),
    )  # fmt: skip
    (said,) = answer.stderr.decode().splitlines()
    assert answer.returncode == 1
    assert said.startswith("migration: error: ")


@pytest.mark.slow
def test_whatever_the_program_registers_itself_stays_in_the_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = run_program(EVERYTHING, tmp_path, monkeypatch).requests.items()
    objects = ("kubernetes:", "cloudflare:")  # always inside a component; the mocks do not say in which
    top = [resource(f"{PREFIX}{one.type}::{name}") for name, one in requests if not one.type.startswith(objects)]
    assert {one["type"] for one in top} >= COMPONENTS
    assert prepare({"deployment": {"resources": top}}, "oceanid-prod")[1] == []


def test_a_component_that_is_still_off_leaves_the_state_with_the_controllers_that_only_it_needs() -> None:
    chart = f"{PREFIX}oceanid:gitops:FluxBootstrap$kubernetes:helm.sh/v4:Chart$kubernetes:"
    resources = [
        resource(f"{chart}apps/v1:Deployment::gitops-flux:flux-system/image-reflector-controller"),
        resource(f"{chart}core/v1:ServiceAccount::gitops-flux:flux-system/image-automation-controller"),
        resource(f"{PREFIX}oceanid:monitoring:ImageAutomation::version-monitor"),
        resource(f"{PREFIX}oceanid:apps:LabelStudio$kubernetes:core/v1:Namespace::label-studio-ns"),
        resource(f"{PREFIX}oceanid:networking:NodeTunnels$kubernetes:core/v1:Secret::node-tunnels-credentials"),
    ]
    others = [
        resource(f"{chart}apps/v1:Deployment::gitops-flux:flux-system/source-controller"),
        resource(
            f"{chart}apiextensions.k8s.io/v1:CustomResourceDefinition"
            "::gitops-flux:imagepolicies.image.toolkit.fluxcd.io"
        ),
    ]
    off = ("ImageAutomation", "LabelStudio", "NodeTunnels")
    _, dropped, _ = prepare(export(*resources, *others), "oceanid-prod", off)
    assert set(dropped) == {SINK, *(one["urn"] for one in resources)}
    _, dropped, _ = prepare(export(*resources, *others), "oceanid-prod")
    assert dropped == [SINK]
