"""CPU seconds of a command with every process that it starts, by program: ``python tests/bench/cpu.py <command>``.

The total is the kernel's: each process is waited for by its parent, else by this one. What of it is whose is read of
/proc while they run; "others" is what ended between two looks.
"""

import ctypes
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

TOTAL, OTHERS = "total", "others"
_SET_CHILD_SUBREAPER = 36  # Linux, include/uapi/linux/prctl.h
_TICKS = os.sysconf("SC_CLK_TCK")
_PAUSE_SECONDS = 0.02


def seconds(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> dict[str, float]:
    """CPU seconds of a command by program, and their total. Raises CalledProcessError when the command fails."""
    answer = subprocess.run(
        [sys.executable, __file__, *command], cwd=folder, env=environment, check=True, text=True, stdout=subprocess.PIPE
    )
    return json.loads(answer.stdout)


def measure(command: list[str]) -> tuple[int, dict[str, float]]:
    """Run a command, whose output goes to standard error; returns its exit code, and CPU seconds by program."""
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    output = (os.POSIX_SPAWN_DUP2, sys.stderr.fileno(), sys.stdout.fileno())
    root = os.posix_spawnp(command[0], command, os.environ, file_actions=[output])
    seen: dict[str, tuple[str, float]] = {}
    code, total = 0, 0.0
    while True:
        _look(seen)
        try:
            pid, status, used = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            break
        if pid == 0:
            time.sleep(_PAUSE_SECONDS)
            continue
        total += used.ru_utime + used.ru_stime
        if pid == root:
            code = os.waitstatus_to_exitcode(status)
    programs: Counter[str] = Counter()
    for name, own in seen.values():
        programs[name] += own  # pyright: ignore[reportArgumentType] # a Counter takes fractions, too
    return code, {**dict(programs.most_common()), OTHERS: max(0.0, total - programs.total()), TOTAL: total}


def _look(seen: dict[str, tuple[str, float]]) -> None:
    """Bring up to date what the processes below this one are called, and what each of them has used itself."""
    found: dict[str, tuple[str, float]] = {}
    for pid in filter(str.isdigit, (folder.name for folder in Path("/proc").iterdir())):
        try:
            fields = Path("/proc", pid, "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        found[pid] = fields[1], (int(fields[11]) + int(fields[12])) / _TICKS
    tree, before = {str(os.getpid())}, 0
    while len(tree) != before:
        before = len(tree)
        tree |= {pid for pid, (parent, _) in found.items() if parent in tree}
    for pid in tree - {str(os.getpid())}:
        try:
            words = Path("/proc", pid, "cmdline").read_text(encoding="utf-8").split("\0")
        except OSError:
            continue
        name = Path(words[0]).name or seen.get(pid, ("", 0))[0]  # a process that has ended has no words left
        if name:
            seen[pid] = name, found[pid][1]


if __name__ == "__main__":
    code, used = measure(sys.argv[1:])
    print(json.dumps(used))
    sys.exit(code)
