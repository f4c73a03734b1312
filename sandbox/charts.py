"""The Helm charts of Flux and the operator: upstream's if they are available, else small local ones."""

import os
import shutil
import tempfile
from pathlib import Path

from oceanid_cluster import versions
from sandbox import cluster, golang, tools
from sandbox.download import silence
from sandbox.layout import ROOT, Sandbox, SandboxError, cache, checked, digest, say

# Without descriptions, which are most of a CRD and cost time in every run.
_GENERATOR = "crd:maxDescLen=0"


def provide(sandbox: Sandbox) -> None:
    """Link the sandbox's charts to those that the variable CHARTS says (auto, upstream or local)."""
    wanted = os.environ.get("CHARTS") or "auto"
    if wanted not in ("auto", "upstream", "local"):
        raise SandboxError(f"CHARTS={wanted} is none of auto, upstream, local")
    cache().mkdir(parents=True, exist_ok=True)
    with tools.lock(cache() / ".charts.lock", "another sandbox is making the charts"):
        folder = _upstream(sandbox, wanted) if wanted != "local" else None
        tools.link(sandbox.charts, folder or _local())
    why = "" if wanted == "local" else ": upstream's are unavailable"
    say("charts: upstream" if folder else f"charts: local (small ones{why})")


def upstream() -> Path:
    """Where upstream's charts of the pinned versions are, once they were pulled."""
    return cache() / f"charts-upstream-{digest(*(f'{name} {versions.chart(name)}' for name in versions.charts()))}"


def _upstream(sandbox: Sandbox, wanted: str) -> Path | None:
    target = upstream()
    if target.exists():
        return target
    pinned = [versions.chart(name) for name in versions.charts()]
    hosts = [(chart.repository or chart.chart).split("/")[2] for chart in pinned]
    if wanted == "auto" and silence(f"https://{host}" for host in hosts):
        return None
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".charts-") as scratch:
        pulled = Path(scratch) / "charts"
        pulled.mkdir()
        try:
            for chart in pinned:
                _pull(sandbox, chart, pulled)
        except SandboxError:
            if wanted == "auto":
                return None
            raise
        pulled.replace(target)
    return target


def _pull(sandbox: Sandbox, chart: versions.Chart, to: Path) -> None:
    say(f"pulling the chart {chart.chart} {chart.version}")
    repository = ["--repo", chart.repository] if chart.repository else []
    options = [*repository, f"--version={chart.version}", "--untar", f"--destination={to}"]
    cluster.tool(sandbox, "helm", "pull", chart.chart, *options)


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
