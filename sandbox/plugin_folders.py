"""Puts plugins where the engine looks for them: of those that it finds on PATH it warns several times in every run."""

import shutil
from importlib.metadata import version
from pathlib import Path

from sandbox import tools
from sandbox.layout import Sandbox, SandboxError, cache

_PROGRAMS = ("pulumi-resource-kubernetes", "pulumi-resource-random", "pulumi-language-python")
# The engine takes the newest plugin that is not older than what it asks for (sdk/go/common/workspace/plugins.go,
# LegacySelectCompatiblePlugin): always the one that was chosen, for a state that another SDK wrote, too.
VERSION = "999.0.0"


def provide(sandbox: Sandbox) -> None:
    """Give each plugin a folder: the sandbox's own program, else the machine's, else the downloaded one.

    Raises SandboxError.
    """
    folders = sandbox.home / "plugins"
    for program in _PROGRAMS:
        name = program.removeprefix("pulumi-")
        folder = folders / f"{name}-v{VERSION}"
        folder.mkdir(parents=True, exist_ok=True)
        tools.link(folder / program, _found(sandbox, program, name))
    tools.link(sandbox.home / "pulumi" / "plugins", folders)


def _found(sandbox: Sandbox, program: str, name: str) -> Path:
    own, of_the_machine = sandbox.bin / program, shutil.which(program, path=tools.path_without(sandbox))
    if own.exists():
        return own.resolve()
    if of_the_machine:
        return Path(of_the_machine)
    downloaded = cache() / "plugins" / f"{name}-v{version(program.replace('-resource', ''))}" / program
    if downloaded.exists():
        return downloaded
    raise SandboxError(f"{program} is nowhere; run it again")
