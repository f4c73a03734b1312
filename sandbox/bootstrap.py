"""Makes the virtual environment from the pinned requirements; runs on the bare Python of the machine."""

import fcntl
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

_REQUIREMENTS = ("requirements.txt", "requirements-dev.txt")
_MINIMUM = (3, 11)


def make(target: Path) -> None:
    """Make ``target`` in one step: a killed run leaves nothing that looks finished."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f".{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ready = target / "ready"
        if ready.exists():
            ready.touch()  # newer than the requirements, as make wants it
            return
        shutil.rmtree(target, ignore_errors=True)
        print(f"sandbox: making the virtual environment {target} (once)", file=sys.stderr, flush=True)
        venv.create(target, with_pip=True)
        files = [argument for name in _REQUIREMENTS for argument in ("-r", name)]
        command = [target / "bin" / "python", "-m", "pip", "install", "--require-hashes", "--no-warn-script-location"]
        environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        answer = subprocess.run([*command, *files], env=environment, stdout=sys.stderr, check=False)
        if answer.returncode:
            shutil.rmtree(target, ignore_errors=True)
            sys.exit("sandbox: error: the requirements could not be installed; see above")
        ready.touch()


if __name__ == "__main__":
    if sys.version_info < _MINIMUM:
        wanted = ".".join(map(str, _MINIMUM))
        sys.exit(f"sandbox: error: Python {wanted} or newer is needed, this is {sys.version.split()[0]}")
    make(Path(sys.argv[1]))
