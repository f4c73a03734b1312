"""CPU seconds of a command with every process that it starts: ``python tests/bench/cpu.py <command>``.

They are the kernel's: each process is waited for by its parent, else by this one.
"""

import ctypes
import os
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_SET_CHILD_SUBREAPER = 36  # Linux, include/uapi/linux/prctl.h


def seconds(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> float:
    """CPU seconds of a command. Raises CalledProcessError when the command fails."""
    answer = subprocess.run(
        [sys.executable, __file__, *command], cwd=folder, env=environment, check=True, text=True, stdout=subprocess.PIPE
    )
    return float(answer.stdout)


def measure(command: Sequence[str]) -> tuple[int, float]:
    """Run a command, whose output goes to standard error; returns its exit code, and CPU seconds."""
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    code = subprocess.run(command, stdout=sys.stderr, check=False).returncode
    while True:
        try:
            os.wait()
        except ChildProcessError:
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
            return code, used.ru_utime + used.ru_stime


if __name__ == "__main__":
    code, used = measure(sys.argv[1:])
    print(used)
    sys.exit(code)
