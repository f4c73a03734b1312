"""The programs that the sandbox runs: from PATH where they fit, else downloaded, else built from Go modules."""

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox import golang, releases
from sandbox.download import Release, Unavailable, silence
from sandbox.layout import Sandbox, SandboxError, ask, cache, in_one_step, lock, say, version_in

Version = tuple[int, ...]

KUBERNETES, PULUMI, HELM = (release.version for release in (releases.APISERVER, releases.PULUMI, releases.HELM))
KUBERNETES_PROVIDER = "4.25.0"  # the one release whose module is served, as v4.0.0-20260115033456-f47bc2d6f199
# What the linker writes into the programs of a module: their versions.
_LINKED = {
    "tools": (
        f"-X k8s.io/component-base/version.gitVersion=v{KUBERNETES}",
        f"-X helm.sh/helm/v3/internal/version.version=v{HELM}",
        f"-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{PULUMI}",
    ),
    "kubernetes-provider": (f"-X main.version={KUBERNETES_PROVIDER}",),
}


@dataclass(frozen=True)
class Tool:
    """A program: the Go module (a folder of ``sandbox/``) and package it is built from.

    One of PATH is taken if what ``version_command`` says of it ``fits``; without either, none is. ``files`` are
    copied beside it, each from a module that a folder of ``sandbox/`` pins: folder, module, path.
    """

    name: str
    module: str
    package: str
    version_command: tuple[str, ...] = ()
    fits: Callable[[Version], bool] = lambda _: False
    files: tuple[tuple[str, str, str], ...] = ()

    @property
    def release(self) -> Release | None:
        """What brings it, so that it need not be built."""
        return releases.BY_PROGRAM.get(self.name)

    @property
    def flags(self) -> str:
        """What the linker is told."""
        return " ".join(("-s -w", *_LINKED.get(self.module, ())))

    @property
    def built(self) -> Path:
        """Where it is, or would be, when it is built."""
        return cache() / golang.key(self.module, self.flags) / self.name

    @property
    def downloaded(self) -> Path:
        """Where it is, or would be, when it is downloaded: kubectl as a Python package of requirements-dev.txt."""
        return (self.release.folder if self.release else Path(sys.prefix) / "bin") / self.name


def _same_minor(version: Version) -> bool:
    return version[:2] == version_in(KUBERNETES)[:2]


def _near_minor(version: Version) -> bool:
    """Kubernetes' version skew policy: kubectl is within one minor version of the API server."""
    return version[0] == 1 and abs(version[1] - version_in(KUBERNETES)[1]) <= 1


_PULUMI = "github.com/pulumi/pulumi"
_KUBERNETES_CMD = "k8s.io/kubernetes/cmd"
_PROVIDER = "github.com/pulumi/pulumi-kubernetes/provider/v4"
_FLAG = ("--version",)

TOOLS = (
    Tool("etcd", "tools", "go.etcd.io/etcd/server/v3", _FLAG, lambda v: v[:2] in ((3, 5), (3, 6))),
    Tool("helm", "tools", "helm.sh/helm/v3/cmd/helm", ("version", "--short"), lambda v: (3, 17, 0) <= v < (4, 0, 0)),
    Tool("kubectl", "tools", f"{_KUBERNETES_CMD}/kubectl", ("version", "--client"), _near_minor),
    Tool("kube-apiserver", "tools", f"{_KUBERNETES_CMD}/kube-apiserver", _FLAG, _same_minor),
    Tool("kube-controller-manager", "tools", f"{_KUBERNETES_CMD}/kube-controller-manager", _FLAG, _same_minor),
    Tool("kube-scheduler", "tools", f"{_KUBERNETES_CMD}/kube-scheduler", _FLAG, _same_minor),
    Tool("kwok", "tools", "sigs.k8s.io/kwok/cmd/kwok", _FLAG, lambda v: (0, 6, 0) <= v < (1, 0, 0)),
    Tool(
        "pulumi", "tools", f"{_PULUMI}/pkg/v3/cmd/pulumi", ("version",), lambda v: version_in(PULUMI) <= v < (4, 0, 0)
    ),
    Tool(
        "pulumi-language-python",
        "language-host",
        f"{_PULUMI}/sdk/v3/python/cmd/pulumi-language-python",
        files=(("tools", f"{_PULUMI}/sdk/v3", "python/cmd/pulumi-language-python-exec"),),  # of the SDK's version
    ),
)
CONTROLLER_GEN = Tool("controller-gen", "crds", "sigs.k8s.io/controller-tools/cmd/controller-gen")
ACTIONLINT = Tool("actionlint", "actionlint", "github.com/rhysd/actionlint/cmd/actionlint")
PROVIDER = Tool(
    "pulumi-resource-kubernetes", "kubernetes-provider", "oceanid.invalid/sandbox/pulumi-resource-kubernetes",
    files=tuple(
        ("kubernetes-provider", _PROVIDER, f"cmd/pulumi-resource-kubernetes/{name}")
        for name in ("schema.json", "terraform-mapping.json")
    ),
)  # fmt: skip
RANDOM = Tool("pulumi-resource-random", "random-provider", "oceanid.invalid/sandbox/pulumi-resource-random")
# The newest releases whose modules, and those that they need, are served.
FLUX = tuple(
    Tool(package.rpartition("/")[2], "flux-controllers", package)
    for package in (
        "github.com/fluxcd/source-controller",
        "github.com/fluxcd/kustomize-controller",
        "github.com/fluxcd/helm-controller",
        "github.com/fluxcd/notification-controller",
        "github.com/fluxcd/image-reflector-controller",
        "github.com/fluxcd/image-automation-controller",
        "github.com/getsops/sops/v3/cmd/sops",
        "filippo.io/age/cmd/age-keygen",
    )
)
ALL = {tool.name: tool for tool in (*TOOLS, CONTROLLER_GEN, ACTIONLINT, PROVIDER, RANDOM, *FLUX)}


def provide(sandbox: Sandbox) -> None:
    """Put every tool into the sandbox's ``bin``, building what is missing. Raises SandboxError."""
    found = {tool.name: path for tool in TOOLS if (path := on_path(tool, path_without(sandbox)))}
    host = shutil.which("pulumi-language-python", path=path_without(sandbox))
    if "pulumi" in found and host:
        found["pulumi-language-python"] = Path(host)
    else:
        found.pop("pulumi", None)  # an engine without its own language host is of no use
    ready = get([tool for tool in TOOLS if tool.name not in found])
    sandbox.bin.mkdir(parents=True, exist_ok=True)
    for tool in TOOLS:
        link(sandbox.bin / tool.name, found.get(tool.name) or ready[tool.name])
    packages = sandbox.home / "packages.json"
    packages.unlink(missing_ok=True)
    for name in ("python", "python3"):  # a link would not find its virtual environment
        script(sandbox.bin / name, _python(packages))


def _python(kept: Path) -> str:
    """The shell lines that run this Python. In ``kept`` they keep what pip lists.

    The language host asks pip in every run what is installed (Pulumi, sdk/python/toolchain, ListPackages), which takes
    most of a second. The answer is kept until the next ``make up``.
    """
    run = f'"{sys.executable}" "$@"'
    return f"""case "$*" in "-m pip list -v --format json")
  [ -s "{kept}" ] || {{ {run} > "{kept}.$$" && mv "{kept}.$$" "{kept}"; }} || exit
  exec cat "{kept}"
esac
exec {run}"""


def get(tools: Sequence[Tool]) -> dict[str, Path]:
    """The path of each of ``tools`` by name, downloaded or built where the cache lacks it.

    The variable TOOLS says how: ``auto`` downloads released programs, and builds those that it cannot download,
    ``download`` fails instead, ``build`` downloads none. A tool without a release is always built. Raises SandboxError.
    """
    wanted = os.environ.get("TOOLS") or "auto"
    if wanted not in ("auto", "download", "build"):
        raise SandboxError(f"TOOLS={wanted} is none of auto, download, build")
    if wanted == "build":
        return _build(tools)
    _download([tool for tool in tools if wanted == "download" or not tool.built.exists()], wanted)
    found = {tool.name: tool.downloaded for tool in tools if tool.downloaded.exists()}
    return found | _build([tool for tool in tools if tool.name not in found])


def _download(tools: Sequence[Tool], wanted: str) -> None:
    """Download the releases of ``tools`` that the cache lacks, and say which are built instead and why."""
    missing = {tool.name: tool.release for tool in tools if tool.release and not tool.downloaded.exists()}
    silence(url for release in missing.values() for url in release.urls)
    reasons = {release: _install(release) for release in dict.fromkeys(missing.values())}
    refused = {name: reasons[release] for name, release in missing.items() if reasons[release]}
    if refused and wanted == "download":
        lines = "\n  ".join(f"{name}: {reason}" for name, reason in refused.items())
        raise SandboxError(f"TOOLS=download, and these cannot be downloaded (TOOLS=auto builds them):\n  {lines}")
    for reason in dict.fromkeys(refused.values()):
        names = ", ".join(name for name, said in refused.items() if said == reason)
        say(f"built instead of downloaded: {names} ({reason})")


def _install(release: Release) -> str:
    """Get a release into the cache; returns why it is unavailable, or nothing."""
    try:
        release.install()
    except (Unavailable, OSError) as problem:
        return str(problem)
    return ""


def _build(tools: Sequence[Tool]) -> dict[str, Path]:
    """Build what is not yet in the cache; returns the path of each of ``tools`` by name. Raises SandboxError."""
    for module in dict.fromkeys(tool.module for tool in tools):
        wanted = [tool for tool in tools if tool.module == module]
        target = wanted[0].built.parent
        target.mkdir(parents=True, exist_ok=True)
        with lock(target / ".lock", f"another sandbox is building {', '.join(tool.name for tool in wanted)}"):
            if missing := [tool for tool in wanted if not tool.built.exists()]:
                for tool in missing:
                    for folder, source, path in tool.files:
                        golang.copy(folder, source, path, target)
                golang.build(module, {tool.name: tool.package for tool in missing}, wanted[0].flags, target)
    return {tool.name: tool.built for tool in tools}


def link(path: Path, to: Path) -> None:
    """Make ``path`` a symbolic link, replacing what was there in one step."""
    with in_one_step(path) as fresh:
        fresh.symlink_to(to)


def script(path: Path, lines: str) -> None:
    """Make ``path`` a program that runs shell lines, replacing what was there in one step."""
    with in_one_step(path) as fresh:
        fresh.write_text(f"#!/bin/sh\n{lines}\n", encoding="utf-8")
        fresh.chmod(0o755)


def path_without(sandbox: Sandbox) -> str:
    """PATH without the sandbox's own ``bin``: what the machine has."""
    own = str(sandbox.bin)
    return os.pathsep.join(p for p in os.environ.get("PATH", "").split(os.pathsep) if p and p != own)


def on_path(tool: Tool, path: str) -> Path | None:
    """The program of ``tool`` that a PATH has, if its version fits."""
    found = shutil.which(tool.name, path=path)
    if found is None or not tool.version_command:
        return None
    version = version_in(ask([found, *tool.version_command]))
    return Path(found) if version and tool.fits(version) else None
