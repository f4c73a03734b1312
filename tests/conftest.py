"""Settings of all tests."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from sandbox import tools
from tests.program import Program
from tests.recorded import Run, run_program

# The same cases in every run, so that a change is judged by what it changed; `make soak` looks for new ones.
# A busy machine is slow, and that is no defect of what is tested.
settings.register_profile(
    "project", derandomize="SOAK" not in os.environ, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("project")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The engine's tests first: their files are long ones, and short ones fill up whichever process is done before."""
    items.sort(key=lambda item: "engine" not in item.path.parts)


@pytest.fixture(scope="session", autouse=True)
def kubectl_on_path(request: pytest.FixtureRequest) -> Iterator[None]:
    """The program reads kubeconfigs by kubectl: the machine's, else the one that the sandbox builds."""
    needed = "not tools" not in request.config.option.markexpr
    with pytest.MonkeyPatch.context() as patch:
        if needed and shutil.which("kubectl") is None:
            folder = tools.get([tools.ALL["kubectl"]])["kubectl"].parent
            patch.setenv("PATH", f"{os.environ.get('PATH', '')}{os.pathsep}{folder}")
        yield


_runs: dict[str, Run] = {}


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Runs the program on a configuration; the same configuration is run once."""

    def run(config: Mapping[str, str]) -> Run:
        key = json.dumps(config, sort_keys=True)
        if key not in _runs:
            _runs[key] = run_program(config, tmp_path, monkeypatch)
        return _runs[key]

    return run
