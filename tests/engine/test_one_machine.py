"""A cluster of one machine, as docs/configuration.md describes it: with a GPU, and without one."""

import json
import re
import shlex
from pathlib import Path

from sandbox.layout import ROOT
from tests.engine.engine import WORKLOADS, Engine, flux_reports
from tests.engine.prepared import bare_cluster
from tests.engine.test_health_and_preflight import row
from tests.engine.test_second_cluster import node

PAGE = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
(WITHOUT, WITH_GPU) = (
    block for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL) if "config set nodes" in block
)


def configure(engine: Engine, block: str) -> str:
    """Run the commands of a block of the page; returns the name of the machine."""
    engine.reset_configuration()
    for line in block.splitlines():
        program, *arguments = shlex.split(line, comments=True)
        assert program == "pulumi"
        answer = engine.pulumi(*arguments)
        assert answer.returncode == 0, answer.stderr
    (machine,) = json.loads(engine.pulumi("config", "get", "nodes").stdout)
    return machine["host"]


def assert_installed(engine: Engine, host: str) -> None:
    """The program runs as it is configured, and everything is healthy on that one machine."""
    run = engine.up()
    assert "no configured machine" not in run.stdout + run.stderr
    flux_reports(engine)
    health = engine.command("health", "--wait", "60")
    assert health.returncode == 0, health.stdout
    assert {pod["spec"]["nodeName"] for pod in engine.pods()} == {host}


def test_one_machine_is_enough_with_a_gpu_and_without(tmp_path: Path) -> None:
    with bare_cluster(tmp_path) as engine:
        host = configure(engine, WITH_GPU)
        machine = node(host)
        # As the machine of an older program is labelled before ours sets its own.
        machine["metadata"]["labels"]["workload-type"] = "gpu-compute"
        for amounts in ("allocatable", "capacity"):
            machine["status"][amounts]["nvidia.com/gpu"] = "1"
        engine.kubectl("delete", "nodes", "--all")
        engine.kubectl("apply", "-f", "-", stdin=json.dumps(machine))
        preflight = engine.command("preflight")
        assert preflight.returncode == 0, preflight.stdout
        for one in WORKLOADS:
            assert row(preflight, f"{one.kind.lower()}/{one.name}").endswith(f" ok {host}"), preflight.stdout
        engine.kubectl("taint", "nodes", host, "nvidia.com/gpu=present:NoSchedule")
        preflight = engine.command("preflight")
        assert preflight.returncode == 1
        why = f"failed no node can run it: {host}: taint nvidia.com/gpu=present:NoSchedule"
        assert row(preflight, "deployment/cloudflared").endswith(why)
        assert row(preflight, "daemonset/cloudflared-tunnel").endswith(f" ok {host}")  # it tolerates every value
        engine.kubectl("taint", "nodes", host, "nvidia.com/gpu-")
        assert_installed(engine, host)
        assert configure(engine, WITHOUT) == host
        engine.kubectl("label", "node", host, "workload-type-")
        assert_installed(engine, host)
        assert engine.planned() == {}
