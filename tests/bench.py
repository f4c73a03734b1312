"""How much slower is a run of the program than ``kubectl`` applying the same objects? A ratio, measured in one go."""

import json
import statistics
import subprocess
import time
from collections.abc import Callable

from sandbox import cluster
from sandbox.layout import ROOT, Sandbox

_RUNS = 5


def main() -> None:
    """Measure on the running sandbox, in turns, so that a slow moment of the machine hits both."""
    sandbox = Sandbox.from_environment()
    if not cluster.is_running(sandbox):
        raise SystemExit("the sandbox does not run; start it with: make up")
    environment = sandbox.process_environment("engine")

    def pulumi(*arguments: str) -> str:
        command = [sandbox.bin / "pulumi", *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout

    resources = json.loads(pulumi("stack", "export"))["deployment"]["resources"]
    skipped = ("Patch", ":Secret")  # patches are no objects, and secrets are encrypted in the state
    objects = [r["inputs"] for r in resources if "kind" in r.get("inputs", {}) and not r["type"].endswith(skipped)]
    manifests = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    apply = ["apply", "--server-side", "--dry-run=server", "--force-conflicts", "-f", "-"]
    measured: dict[str, list[float]] = {"pulumi up": [], "kubectl apply": []}
    work: dict[str, Callable[[], object]] = {
        "pulumi up": lambda: pulumi("up", "--yes", "--skip-preview"),
        "kubectl apply": lambda: subprocess.run(
            [sandbox.bin / "kubectl", *apply],
            env=environment,
            input=manifests,
            text=True,
            capture_output=True,
            check=False,
        ),
    }
    for number in range(_RUNS):
        for name, step in work.items():
            start = time.monotonic()
            step()
            measured[name].append(time.monotonic() - start)
        print(f"run {number + 1} of {_RUNS}", flush=True)
    medians = {name: statistics.median(values) for name, values in measured.items()}
    for name, median in medians.items():
        print(f"{name:14} {median:6.2f} s (median of {_RUNS}, {len(objects)} objects, nothing to change)")
    print(f"ratio          {medians['pulumi up'] / medians['kubectl apply']:6.2f}")


if __name__ == "__main__":
    main()
