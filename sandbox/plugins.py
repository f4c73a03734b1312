"""The Pulumi providers: those of this machine, downloaded ones, else built from their module."""

import asyncio
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from sandbox import tools
from sandbox.charts import answers
from sandbox.layout import ROOT, Sandbox, cache, say
from sandbox.provider.proxy import Provider

PLUGINS = ("kubernetes", "random")
_DOWNLOAD_HOST = "get.pulumi.com"
_INSTALL_SECONDS = 600
# The first release with upsertExistingObjects and enablePatchForce.
_COMPLETE = (4, 29)


def provide(sandbox: Sandbox) -> None:
    """Choose each provider and say in one line which one it is. Raises SandboxError."""
    plugins = cache() / "plugins"
    plugins.mkdir(parents=True, exist_ok=True)
    (sandbox.home / "pulumi").mkdir(parents=True, exist_ok=True)
    # A file where the engine keeps its own logs: to write megabytes of them is half of its work, and has no switch
    # (Pulumi, pkg/logging/encrypted.go, StartLogging).
    (sandbox.home / "pulumi" / "logs").touch()
    tools.link(sandbox.home / "pulumi" / "plugins", plugins)
    reachable: bool | None = None
    for name in PLUGINS:
        program = f"pulumi-resource-{name}"
        (sandbox.bin / program).unlink(missing_ok=True)
        path, wanted = shutil.which(program, path=tools.path_without(sandbox)), version(f"pulumi-{name}")
        downloaded = (plugins / f"resource-{name}-v{wanted}").exists()
        if path is None and not downloaded:
            reachable = answers(_DOWNLOAD_HOST) if reachable is None else reachable
            downloaded = reachable and _install(sandbox, name, wanted)
        if name == "kubernetes" and (path or not downloaded):
            where = _kubernetes(sandbox, path)
        elif path or downloaded:
            where = path or f"{wanted}, downloaded"
        else:
            _run_by_python(sandbox, name)
            where = "a fake of one resource: the provider cannot be downloaded here"
        say(f"provider {name}: {where}")


def _kubernetes(sandbox: Sandbox, path: str | None) -> str:
    """Take the provider at ``path``, else build it; an older one gets a proxy. Returns what is in use."""
    program = Path(path) if path else tools.get([tools.PROVIDER])[tools.PROVIDER.name]
    found = asyncio.run(_version(program))
    where = f"{found}, {path or 'built from its module'}"
    if tuple(int(part) for part in re.findall(r"\d+", found)[:2]) >= _COMPLETE:
        return where
    _run_by_python(sandbox, "kubernetes", program)
    return f"{where}, behind a proxy that adds upsertExistingObjects and enablePatchForce"


async def _version(program: Path) -> str:
    """The version that a provider tells of itself."""
    from pulumi.runtime.proto import plugin_pb2

    provider = Provider([str(program)])
    try:
        answer = await provider.call("GetPluginInfo", b"")
    finally:
        await provider.stop()
    return plugin_pb2.PluginInfo.FromString(answer).version


def _run_by_python(sandbox: Sandbox, name: str, program: Path | None = None) -> None:
    """Make the program that the engine starts: ours, which runs ``program`` behind itself."""
    behind = f'"{program}" ' if program else ""
    line = f'exec env PYTHONPATH="{ROOT}" "{sys.executable}" -m sandbox.provider {name} {behind}"$@"'
    tools.script(sandbox.bin / f"pulumi-resource-{name}", line)


def _install(sandbox: Sandbox, name: str, wanted: str) -> bool:
    say(f"downloading the provider {name} {wanted}")
    try:
        answer = subprocess.run(
            [sandbox.bin / "pulumi", "plugin", "install", "resource", name, wanted],
            env=sandbox.process_environment("engine"), check=False, timeout=_INSTALL_SECONDS, stdout=sys.stderr,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return False
    return answer.returncode == 0
