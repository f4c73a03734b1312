"""The Pulumi plugins: those of this machine, downloaded ones, else programs that are built here."""

import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sandbox import tools
from sandbox.download import silence
from sandbox.layout import Sandbox, SandboxError, cache, say, version_in

# The oldest release of each that will do: (4, 29) is the first with upsertExistingObjects and enablePatchForce.
OLDEST = {"kubernetes": (4, 29), "random": (4, 0)}
_BUILT = {
    "kubernetes": (
        tools.PROVIDER,
        f"{tools.KUBERNETES_PROVIDER}, built from its module, upsertExistingObjects and enablePatchForce added",
    ),
    "random": (tools.RANDOM, "a fake of one resource: the provider cannot be downloaded here"),
}
# The engine takes the newest plugin that is not older than what it asks for (sdk/go/common/workspace/plugins.go,
# LegacySelectCompatiblePlugin): always the one that was chosen, for a state that another SDK wrote, too.
VERSION = "999.0.0"
_DOWNLOADS = "https://get.pulumi.com"
_INSTALL_SECONDS = 600
_ANSWER_SECONDS = 20


def provide(sandbox: Sandbox) -> None:
    """Choose each provider, say in one line which one it is, and put it where the engine looks. Raises SandboxError.

    The language host is the one of the engine in use. None of them lies on PATH: the engine warns of those.
    """
    home = sandbox.home / "pulumi"
    downloads = cache() / "plugins"
    for folder in (home, downloads):
        folder.mkdir(parents=True, exist_ok=True)
    # A file where the engine keeps its own logs: to write megabytes of them is half of its work, and has no switch
    # (Pulumi, pkg/logging/encrypted.go, StartLogging).
    (home / "logs").touch()
    tools.link(home / "plugins", downloads)
    host = "pulumi-language-python"
    chosen = {host: sandbox.bin / host, **{tool.name: _chosen(sandbox, name) for name, (tool, _) in _BUILT.items()}}
    folders = sandbox.home / "plugins"
    for program, path in chosen.items():
        folder = folders / f"{program.removeprefix('pulumi-')}-v{VERSION}"
        folder.mkdir(parents=True, exist_ok=True)
        tools.link(folder / program, path.resolve())
    tools.link(home / "plugins", folders)


def _chosen(sandbox: Sandbox, name: str) -> Path:
    """The provider of this machine if it is new enough, else a downloaded one, else the one that is built here."""
    tool, built = _BUILT[name]
    path, wanted = shutil.which(tool.name, path=tools.path_without(sandbox)), version(f"pulumi-{name}")
    found = told_version(path) if path else ""
    if path and version_in(found) >= OLDEST[name]:
        say(f"provider {name}: {found}, {path}")
        return Path(path)
    downloaded = cache() / "plugins" / f"resource-{name}-v{wanted}" / tool.name
    if not downloaded.exists() and not silence([_DOWNLOADS]):
        _install(sandbox, name, wanted)
    older = f" ({path} is {found or 'of no version'}, too old)" if path else ""
    is_there = downloaded.exists()
    say(f"provider {name}: {f'{wanted}, downloaded' if is_there else built}{older}")
    return downloaded if is_there else tools.get([tool])[tool.name]


def told_version(program: str) -> str:
    """The version that a provider tells of itself; empty when it tells none. Raises SandboxError."""
    import grpc  # it takes longer than all the rest here, and few machines have a provider on PATH
    from google.protobuf.empty_pb2 import Empty
    from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderStub

    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        port = process.stdout.readline().strip() if process.stdout else ""
        try:
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                stub: Any = ResourceProviderStub(channel)
                return stub.GetPluginInfo(Empty(), timeout=_ANSWER_SECONDS).version
        except (ValueError, grpc.RpcError):
            raise SandboxError(f"{program} does not answer as a provider of Pulumi does; take it off PATH") from None
        finally:
            process.terminate()


def _install(sandbox: Sandbox, name: str, wanted: str) -> None:
    say(f"downloading the provider {name} {wanted}")
    try:
        subprocess.run(
            [sandbox.bin / "pulumi", "plugin", "install", "resource", name, wanted],
            env=sandbox.process_environment("engine"), check=False, timeout=_INSTALL_SECONDS, stdout=sys.stderr,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        say("the download takes too long")
