"""What the commands know of the components is what the program makes; what is forgotten of a new one is named here."""

import re
from pathlib import Path

import pytest

from oceanid_cluster.components.facts import DEPLOY, ObjectRef, fix
from oceanid_cluster.components.flux.settings import FACTS as FLUX
from oceanid_cluster.components.settings import CHAIN, COMPONENTS, EXPECTED, SECTIONS, all_keys
from oceanid_cluster.config.schema import keys_of
from tests.recorded import ROOT, Run, manifests, plain, run_program
from tests.samples import EVERYTHING, REQUIRED, github_app

FOLDERS = sorted(path.parent.name for path in (ROOT / "oceanid_cluster" / "components").glob("*/component.py"))
# What charts make is compared on the engine.
CHARTS = {FLUX.namespace, *(facts.namespace for facts in CHAIN if facts.releases)}


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        return run_program(EVERYTHING, tmp_path_factory.mktemp("program"), patch)


def refs(run: Run) -> set[ObjectRef]:
    return {
        ObjectRef(one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"])
        for one in manifests(run)
        if one["kind"] != "Node"
    }


def test_every_component_is_a_field_of_the_settings() -> None:
    assert {*FOLDERS} - {"nodes"} == COMPONENTS.keys(), "a folder without a field of Settings, or the reverse"
    for name, section in COMPONENTS.items():
        assert section.__module__ == f"oceanid_cluster.components.{name}.settings"


def test_every_workload_and_every_object_of_flux_has_a_row_in_health(everything: Run) -> None:
    rows = {one.ref for one in EXPECTED}
    judged = {
        ObjectRef(one["kind"], one["metadata"]["namespace"], one["metadata"]["name"])
        for one in manifests(everything)
        if one["kind"] in ("Deployment", "DaemonSet") or ".fluxcd.io/" in one["apiVersion"]
    }
    assert judged - rows == set()
    assert len(judged) > 10


def test_preflight_looks_for_everything_that_a_deploy_creates(everything: Run) -> None:
    known = {ref for facts in CHAIN for ref in facts.refs()}
    # In another component's namespace, where a second writer does no harm.
    shared = ObjectRef("NetworkPolicy", FLUX.namespace, "allow-pulumi-fetch-flux-artifacts")
    assert refs(everything) - known == {shared}


def test_every_name_that_preflight_looks_for_is_one_that_the_program_makes(
    everything: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = refs(everything) | refs(run_program({**REQUIRED, **github_app()}, tmp_path, monkeypatch))
    for facts in CHAIN:
        for ref in facts.refs():
            if ref.kind != "Deployment" or ref.namespace not in CHARTS:
                assert ref in made, ref


def test_no_deploy_is_said_to_put_a_machine_back() -> None:
    for reason in ("missing", "terminating"):
        assert fix("Node", reason) == 'docs/runbook.md, "Label or replace a node"'
    assert fix("Node", "changed") == DEPLOY


def test_what_is_suspended_is_resumed_by_a_command_that_is_complete() -> None:
    hints = {one.ref: one.hint("suspended") for one in EXPECTED}
    assert hints[ObjectRef("Kustomization", "flux-system", "flux-system")] == (
        "flux resume kustomization flux-system -n flux-system"
    )
    assert not [hint for hint in hints.values() if "<" in hint]


def test_every_helm_release_is_one_that_the_commands_know(everything: Run) -> None:
    releases = [one for one in everything.resources.values() if one.typ == "kubernetes:helm.sh/v3:Release"]
    made = {ObjectRef("Release", plain(one.inputs)["namespace"], plain(one.inputs)["name"]) for one in releases}
    assert made == {release for facts in CHAIN for release in facts.release_refs()}
    assert made


def test_no_two_components_have_the_same_name() -> None:
    for field in ("name", "title", "logical_name", "type_token"):
        names = [getattr(facts, field) for facts in CHAIN]
        assert len({*names}) == len(names), field


def test_every_key_is_used_by_the_program() -> None:
    files = [ROOT / "__main__.py", *(ROOT / "oceanid_cluster").rglob("*.py")]
    used = {name for file in files for name in re.findall(r"\.([a-z]\w+)", file.read_text(encoding="utf-8"))}
    used |= {"tethys_ip", "styx_ip", "calypso_ip"}  # read by name, as addresses of the table of nodes
    assert [row.name for section in SECTIONS for field, row in keys_of(section).items() if field not in used] == []


def test_every_secret_key_is_among_the_samples_which_tests_look_for() -> None:
    samples = {*EVERYTHING, *github_app()}
    assert [row.name for row in all_keys() if row.secret and row.name not in samples] == []
