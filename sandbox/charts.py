"""The Helm charts of Flux and the operator: upstream's if they are available, else small local ones."""

import functools
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Literal, cast

import yaml

from sandbox import golang, tools
from sandbox.layout import ROOT, Sandbox, SandboxError, cache, checked, digest, say

Origin = Literal["upstream", "local"]

# Without descriptions, which are most of a CRD and cost time in every run.
_GENERATOR = "crd:maxDescLen=0"
_CONNECT_SECONDS, _PULL_SECONDS = 3, 120


def provide(sandbox: Sandbox) -> Origin:
    """Link the sandbox's charts to those that CHARTS says (auto, upstream or local); returns which they are."""
    wanted = os.environ.get("CHARTS") or "auto"
    if wanted not in ("auto", "upstream", "local"):
        raise SandboxError(f"CHARTS={wanted} is none of auto, upstream, local")
    charts = _charts()
    cache().mkdir(parents=True, exist_ok=True)
    with tools.lock(cache() / ".charts.lock", "another sandbox is making the charts"):
        folder = _upstream(sandbox, charts, wanted) if wanted != "local" else None
        origin: Origin = "upstream" if folder else "local"
        tools.link(sandbox.charts, folder or _local())
    say(f"charts: {origin}" + ("" if folder else " (small ones: upstream's are unavailable)"))
    return origin


def _charts() -> dict[str, dict[str, str]]:
    text = (ROOT / "oceanid_cluster" / "versions.yaml").read_text(encoding="utf-8")
    return cast("dict[str, Any]", yaml.safe_load(text))["charts"]


def upstream() -> Path:
    """Where upstream's charts of the pinned versions are, once they were pulled."""
    return cache() / f"charts-upstream-{digest(*(f'{name} {chart}' for name, chart in _charts().items()))}"


def _upstream(sandbox: Sandbox, charts: dict[str, dict[str, str]], wanted: str) -> Path | None:
    target = upstream()
    if target.exists():
        return target
    hosts = [(chart.get("repository") or chart["chart"]).split("/")[2] for chart in charts.values()]
    if wanted == "auto" and not all(answers(host) for host in hosts):
        return None
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".charts-") as scratch:
        for name, chart in charts.items():
            say(f"pulling the chart {name} {chart['version']}")
            repository = ["--repo", chart["repository"]] if "repository" in chart else []
            command = [
                "pull",
                chart["chart"],
                *repository,
                "--version",
                str(chart["version"]),
                "--untar",
                "-d",
                scratch,
            ]
            try:
                subprocess.run(
                    [sandbox.bin / "helm", *command], env=sandbox.process_environment("helm"),
                    check=True, capture_output=True, text=True, timeout=_PULL_SECONDS,
                )  # fmt: skip
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as problem:
                if wanted == "auto":
                    return None
                reason = (problem.stderr or "no answer") if isinstance(problem.stderr, str) else "no answer"
                raise SandboxError(f"the chart {name} cannot be pulled: {reason.strip()}") from None
        shutil.copytree(scratch, target, dirs_exist_ok=True)
    return target


def _local() -> Path:
    """The local charts: our templates, and the CRDs of the Flux API modules, generated as Flux generates them."""
    source, module = ROOT / "sandbox" / "charts", ROOT / "sandbox" / "crds"
    files = sorted(path for path in source.rglob("*") if path.is_file())
    pinned = [module / name for name in ("go.mod", "go.sum", "crds.go")]
    target = cache() / f"charts-local-{digest(_GENERATOR, *files, *pinned)}"
    if target.exists():
        return target
    generator = tools.get([tools.CONTROLLER_GEN])[tools.CONTROLLER_GEN.name]
    environment = golang.environment()
    say("generating the CRDs of Flux from its API modules")
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".charts-") as scratch:
        built = Path(scratch) / "charts"
        shutil.copytree(source, built)
        imports = checked(["go", "list", "-f", '{{join .Imports "\\n"}}', "."], module, environment).split()
        paths = [f"paths={package}" for package in imports]
        crds = built / "flux2" / "crd-files"
        checked([str(generator), _GENERATOR, *paths, f"output:crd:dir={crds}"], module, environment)
        built.replace(target)
    return target


@functools.cache  # whoever asks for one of several things there waits once
def answers(host: str) -> bool:
    """Whether a host takes connections on port 443, within seconds."""
    try:
        socket.create_connection((host, 443), timeout=_CONNECT_SECONDS).close()
    except OSError:
        return False
    return True
