"""The tiers of the tests: what is left to ``make test-full`` has a witness in ``make test``."""

import subprocess
import sys

import pytest

from sandbox.layout import ROOT
from tests import tiers

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def collected() -> list[str]:
    """The name of every test of the engine, those of ``make test-full`` included."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "--quiet", "--full", "-p", "no:cacheprovider"]
    answer = subprocess.run([*command, tiers.ENGINE], cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout
    return [line for line in answer.stdout.splitlines() if "::" in line]


def is_there(name: str, collected: list[str]) -> bool:
    """Whether there is such a test: of the engine, or a function in another file."""
    file, _, function = name.partition("::")
    if file.startswith(tiers.ENGINE):
        return any(tiers.matches(one, name) for one in collected)
    return f"def {function}(" in (ROOT / file).read_text(encoding="utf-8")


def test_every_test_that_is_left_out_exists_and_has_a_witness_that_is_not(collected: list[str]) -> None:
    for name in (*tiers.WITNESSES, *tiers.DEPENDENCIES):
        assert is_there(name, collected), f"no such test: {name}"
    for name, witness in tiers.WITNESSES.items():
        assert is_there(witness, collected), f"no such witness: {witness}"
        assert not tiers.is_full(witness.partition("[")[0]), f"{name} and its witness are both left out"
        kept = [one for one in collected if tiers.matches(one, witness) and not tiers.is_full(one)]
        assert kept or not witness.startswith(tiers.ENGINE), f"{name} and its witness are both left out"


def test_every_file_of_the_engine_has_a_test_that_is_not_left_out(collected: list[str]) -> None:
    files = {one.partition("::")[0] for one in collected}
    kept = {one.partition("::")[0] for one in collected if not tiers.is_full(one)}
    assert files == kept
    assert len(files) > 15
