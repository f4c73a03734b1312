"""Whole configurations, by the thousand: no traceback, no secret in a message, valid ones render."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings

from oceanid_cluster.components.settings import all_keys
from tests import fuzz
from tests.recorded import manifests, run_program

pytestmark = pytest.mark.slow

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.json"))
many = settings(max_examples=30_000 if "SOAK" in os.environ else 1500)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@many
@given(fuzz.valid())
def test_a_valid_configuration_is_accepted(config: dict[str, str]) -> None:
    assert fuzz.judge(config) is not None


@many
@given(fuzz.damaged())
def test_a_damaged_configuration_is_accepted_or_refused_clearly(config: dict[str, str]) -> None:
    fuzz.judge(config)


@settings(max_examples=60)
@given(config=fuzz.valid())
def test_a_valid_configuration_renders_whole_manifests(folder: Path, config: dict[str, str]) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        made = manifests(run_program(config, folder, monkeypatch))
    for manifest in made:
        assert {"apiVersion", "kind"} <= manifest.keys()
        assert manifest["metadata"]["name"]
        assert "null" not in json.dumps(manifest)
        if manifest["kind"] != "Secret":
            assert fuzz.CANARY not in json.dumps(manifest)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_what_was_once_found_stays_fixed(path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    assert (fuzz.judge(case["config"]) is not None) == case["accepted"], case["why"]


def test_the_generator_knows_every_secret() -> None:
    generated = {name for group in fuzz.OPTIONAL for name in group} | fuzz.REQUIRED.keys()
    others = {"cloudflare_api_token", "flux.github_app_private_key"}  # the second one excludes SSH
    assert {row.name for row in all_keys() if row.secret} - generated == others
