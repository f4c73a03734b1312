"""Where things are: the work tree, the build cache outside it, and one sandbox's own directory."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from oceanid_cluster.startup.configuration import FOLDER_VARIABLE

ROOT = Path(__file__).resolve().parent.parent
CONFIGURATION = "Pulumi.sandbox.yaml"  # in the work tree, what each sandbox starts with; every value is fake
PASSPHRASE = "oceanid-sandbox"
MARK = "OCEANID_SANDBOX"  # set in the environment of every process that a sandbox starts: how `down` knows them
ROLE = "OCEANID_SANDBOX_ROLE"
# Go's processes trade memory for time here: by default they spend a fifth of theirs on collecting garbage.
_GARBAGE = {"GOGC": "200", "GOMEMLIMIT": "600MiB"}  # of what runs on
_GARBAGE_OF_A_RUN = {"GOGC": "400", "GOMEMLIMIT": "1GiB"}


def cache() -> Path:
    """The build cache: OCEANID_CACHE, else ``oceanid-cluster`` in the user's cache directory."""
    chosen = os.environ.get("OCEANID_CACHE")
    if chosen:
        return _absolute(chosen)
    return _absolute(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "oceanid-cluster"


def _absolute(path: str) -> Path:
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError:
        raise SandboxError(f"{path}: nobody's home is known; set HOME, or OCEANID_CACHE to an absolute path") from None


def digest(*parts: str | Path) -> str:
    """A short key for a cache entry: of text, or the contents of files."""
    total = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if isinstance(part, Path) else part.encode()
        total.update(hashlib.sha256(data).digest())
    return total.hexdigest()[:16]


def version_in(text: str) -> tuple[int, ...]:
    """The first version in a text, as numbers; none when there is none."""
    found = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(map(int, found[0].split("."))) if found else ()


def say(text: str) -> None:
    """Tell the user what happens, on standard error: standard output is for answers."""
    print(f"sandbox: {text}", file=sys.stderr, flush=True)


class SandboxError(Exception):
    """What is wrong and how to fix it, as one message."""


def checked(
    command: Sequence[str | Path], folder: Path, environment: Mapping[str, str], stdin: str | None = None
) -> str:
    """Run a command that must succeed; returns its output. Raises SandboxError with its last words."""
    answer = subprocess.run(
        command, cwd=folder, env=environment, input=stdin, capture_output=True, text=True, check=False
    )
    if answer.returncode:
        program, *arguments = map(str, command)
        raise SandboxError(f"{Path(program).name} {' '.join(arguments)}: {answer.stderr.strip()}")
    return answer.stdout


def ask(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> str:
    """What a program answers; nothing when it cannot be run, or takes longer than 20 seconds."""
    try:
        return subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=20, check=False,
        ).stdout  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""


@contextmanager
def in_one_step(path: Path) -> Generator[Path]:
    """A name beside ``path``: what is made under it then takes the place of what was there, in one step."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    yield fresh
    fresh.replace(path)


@contextmanager
def lock(path: Path, waiting: str) -> Generator[None]:
    """Hold a file lock, saying ``waiting`` while somebody else does."""
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{waiting}; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True)
class Sandbox:
    """One sandbox: everything that belongs to it lies in ``home``."""

    home: Path

    @classmethod
    def from_environment(cls) -> "Sandbox":
        """The sandbox in SANDBOX_DIR, else in ``.sandbox`` of the work tree."""
        return cls(_absolute(os.environ.get("SANDBOX_DIR") or str(ROOT / ".sandbox")))

    @property
    def lock(self) -> Path:
        """The file that ``make up`` holds a lock on, and makes first: a folder that has it is a sandbox."""
        return self.home / ".lock"

    def check(self) -> None:
        """Raises SandboxError when the folder is somebody else's: it is not empty, and not a sandbox."""
        if self.home.exists() and not self.lock.exists() and (self.home.is_file() or any(self.home.iterdir())):
            raise SandboxError(f"{self.home} has something else in it; set SANDBOX_DIR to a folder of its own")

    @property
    def bin(self) -> Path:
        """Links to the tools, first on PATH."""
        return self.home / "bin"

    @property
    def log(self) -> Path:
        """What the control plane's processes print."""
        return self.home / "log"

    @property
    def temporary(self) -> Path:
        """Temporary files: the real provider leaves a copy of the kubeconfig among them."""
        return self.home / "tmp"

    @property
    def project(self) -> Path:
        """Where the engine runs: a folder of links to the work tree, with this sandbox's configuration."""
        return self.home / "project"

    @property
    def charts(self) -> Path:
        """A link to the charts of Flux and the operator, which the configuration names as ``./charts``."""
        return self.home / "charts"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.home / "kubeconfig"

    @property
    def client_ca(self) -> Path:
        """A certificate authority, in PEM, whose certificates log users in, beside the token; if it is there."""
        return self.home / "client-ca.crt"

    def link_project(self, folder: Path) -> None:
        """Make ``folder`` a project: program and charts by links, and a copy of the configuration, to be changed."""
        folder.mkdir(parents=True, exist_ok=True)
        names = ("__main__.py", "oceanid_cluster", "Pulumi.yaml", "requirements.txt")
        for name, target in {**{name: ROOT / name for name in names}, "charts": self.charts}.items():
            with in_one_step(folder / name) as link:  # the work tree or the sandbox may have moved
                link.symlink_to(target)
        if not (folder / CONFIGURATION).exists():
            shutil.copy(ROOT / CONFIGURATION, folder)

    def environment(self) -> dict[str, str]:
        """What plain ``pulumi``, ``kubectl`` and ``helm`` need to work on this sandbox, in whichever folder.

        A sandbox has one configuration, wherever one stands: pulumi's option ``--cwd``, as a variable, sees to that.
        """
        return {**self._variables(), FOLDER_VARIABLE: str(self.project)}

    def _variables(self) -> dict[str, str]:
        return {
            "PATH": f"{self.bin}{os.pathsep}{os.environ.get('PATH', '')}",
            "SANDBOX_DIR": str(self.home),
            "KUBECONFIG": str(self.kubeconfig),
            "PULUMI_HOME": str(self.home / "pulumi"),
            # Without the attributes of each file: one that a killed run left half written would lock everybody out.
            "PULUMI_BACKEND_URL": f"file://{self.home / 'state'}?metadata=skip",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self.home / "passphrase"),
            "PULUMI_STACK": "sandbox",
            "PULUMI_PYTHON_CMD": str(self.bin / "python3"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            # The plugins that plugins.py chose, and no warning that they are not those that the SDK was made for.
            "PULUMI_IGNORE_AMBIENT_PLUGINS": "true",
            "PULUMI_ENABLE_LEGACY_PLUGIN_SEARCH": "true",
            "PULUMI_DEV": "true",
            "PULUMI_PARALLEL": "32",  # as in deploy-cluster.yml
            "TMPDIR": str(self.temporary),
            "KUBECACHEDIR": str(self.temporary / "kube"),  # else the home has megabytes of each sandbox that there was
            "HELM_CACHE_HOME": str(self.home / "helm" / "cache"),
            "HELM_CONFIG_HOME": str(self.home / "helm" / "config"),
            "HELM_DATA_HOME": str(self.home / "helm" / "data"),
        }

    def process_environment(self, role: str) -> dict[str, str]:
        """The environment of a process that belongs to this sandbox.

        The variables of a CI job are left out: the guard keeps GitHub-hosted runners off the live cluster, and this
        is not it.
        """
        hidden = {
            "CI", "GITHUB_ACTIONS", "RUNNER_ENVIRONMENT", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_ACCESS_TOKEN",
            FOLDER_VARIABLE,
        }  # fmt: skip
        inherited = {name: value for name, value in os.environ.items() if name not in hidden}
        garbage = _GARBAGE_OF_A_RUN if role in ("engine", "kubectl", "helm") else _GARBAGE
        return {**inherited, **garbage, **self._variables(), MARK: str(self.home), ROLE: role}
