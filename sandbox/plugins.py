"""The Pulumi providers: the real ones where they can be had, else the stand-in."""

import shutil
import subprocess
import sys
from importlib.metadata import version

from sandbox import tools
from sandbox.charts import answers
from sandbox.layout import ROOT, Sandbox, cache, say

PLUGINS = ("kubernetes", "random")
_DOWNLOAD_HOST = "get.pulumi.com"
_INSTALL_SECONDS = 600


def provide(sandbox: Sandbox) -> dict[str, str]:
    """Choose each provider and say which one it is; returns "real" or "stand-in" by plugin name."""
    plugins = cache() / "plugins"
    plugins.mkdir(parents=True, exist_ok=True)
    (sandbox.home / "pulumi").mkdir(parents=True, exist_ok=True)
    tools.link(sandbox.home / "pulumi" / "plugins", plugins)
    reachable: bool | None = None
    chosen: dict[str, str] = {}
    for name in PLUGINS:
        program = f"pulumi-resource-{name}"
        shim = sandbox.bin / program
        shim.unlink(missing_ok=True)
        path, wanted = shutil.which(program), version(f"pulumi-{name}")
        if path is None and not (plugins / f"resource-{name}-v{wanted}").exists():
            reachable = answers(_DOWNLOAD_HOST) if reachable is None else reachable
        if path:
            chosen[name], where = "real", path
        elif (plugins / f"resource-{name}-v{wanted}").exists() or (reachable and _install(sandbox, name, wanted)):
            chosen[name], where = "real", f"version {wanted}"
        else:
            tools.script(shim, f'exec env PYTHONPATH="{ROOT}" "{sys.executable}" -m sandbox.provider {name} "$@"')
            chosen[name], where = "stand-in", "a test tool: the real one cannot be had here"
        say(f"provider {name}: {chosen[name]} ({where})")
    return chosen


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
