"""A cluster of one machine, as docs/configuration.md describes it: with a GPU, and without one."""

import json
import re
import shlex

from sandbox.layout import ROOT
from tests.engine.engine import WORKLOADS, Engine, flux_reports, row
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
        engine.pulumi(*arguments)
    (machine,) = json.loads(engine.pulumi("config", "get", "nodes").stdout)
    return machine["host"]


def assert_installed(engine: Engine, host: str) -> None:
    """The program runs as it is configured, and everything is healthy on that one machine."""
    run = engine.up()
    assert "no configured machine" not in run.stdout + run.stderr
    flux_reports(engine)
    engine.command("health", "--wait", "60")
    assert {pod["spec"]["nodeName"] for pod in engine.pods()} == {host}


def test_one_machine_is_enough_with_a_gpu_and_without(bare: Engine) -> None:
    host = configure(bare, WITH_GPU)
    machine = node(host)
    # As the machine of an older program is labelled before ours sets its own.
    machine["metadata"]["labels"]["workload-type"] = "gpu-compute"
    for amounts in ("allocatable", "capacity"):
        machine["status"][amounts]["nvidia.com/gpu"] = "1"
    bare.kubectl("delete", "nodes", "--all")
    bare.kubectl("apply", "-f", "-", stdin=json.dumps(machine))
    preflight = bare.command("preflight")
    for one in WORKLOADS:
        assert row(preflight, f"{one.kind.lower()}/{one.name}").endswith(f" ok {host}"), preflight.stdout
    bare.kubectl("taint", "nodes", host, "nvidia.com/gpu=present:NoSchedule")
    preflight = bare.command("preflight", code=1)
    why = f"failed no node can run it: {host}: taint nvidia.com/gpu=present:NoSchedule"
    assert row(preflight, "deployment/cloudflared").endswith(why)
    assert row(preflight, "daemonset/cloudflared-tunnel").endswith(f" ok {host}")  # it tolerates every value
    bare.kubectl("taint", "nodes", host, "nvidia.com/gpu-")
    assert_installed(bare, host)
    assert configure(bare, WITHOUT) == host
    bare.kubectl("label", "node", host, "workload-type-")
    assert_installed(bare, host)
    assert bare.planned() == {}
