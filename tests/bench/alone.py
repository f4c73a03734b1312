"""The program alone: how long it takes until its last registration, and how that grows.

A process of its own runs ``__main__.py`` under Pulumi's mocks, which answer at once: no engine, no provider, and
nothing is read of a cluster. The mocks run in the same process, so their work is counted, too.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping

from oceanid_cluster.commands.registrations import run_program
from tests.recorded import ROOT, STACK

SIZES: Mapping[str, tuple[int, ...]] = {"nodes": (3, 30, 300), "ingress rules": (2, 100, 1000)}


def configuration(required: Mapping[str, str], what: str, size: int) -> dict[str, str]:
    """The required keys, and so many nodes or ingress rules."""
    if what == "nodes":
        nodes = [
            {"name": f"node-{number}", "host": f"host-{number}", "address": f"10.0.{number // 250}.{number % 250 + 1}",
             "labels": {"node": f"node-{number}", "tunnel-enabled": "true"}}
            for number in range(size)
        ]  # fmt: skip
        return {**required, "nodes": json.dumps(nodes)}
    rules = [
        {"hostname": f"app-{number}.example.org", "service": f"http://app-{number}.apps.svc:80", "path": "^/api"}
        for number in range(size)
    ]
    return {**required, "extraIngress": json.dumps(rules)}


def seconds(config: Mapping[str, str]) -> float:
    """Seconds from the start of Python to the last registration."""
    start = time.monotonic()
    command = [sys.executable, "-m", "tests.bench.alone"]
    answer = subprocess.run(command, cwd=ROOT, env=environment(config), capture_output=True, text=True, check=True)
    return float(answer.stdout) - start


def environment(config: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process that runs the program on a configuration, as the engine would give it."""
    own = {f"oceanid-cluster:{name}": text for name, text in config.items()}
    inherited = {name: value for name, value in os.environ.items() if name not in ("CI", "GITHUB_ACTIONS")}
    return {**inherited, "PULUMI_CONFIG": json.dumps(own), "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(own))}


def main() -> None:
    """Run the program in this process; print when it registered the last resource (``time.monotonic``)."""
    config = {name.partition(":")[2]: text for name, text in json.loads(os.environ["PULUMI_CONFIG"]).items()}
    print(run_program(config, STACK).registered_at)


if __name__ == "__main__":
    main()
