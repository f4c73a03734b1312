"""The tunnels of the nodes: what they publish, and what not."""

from tests.program import Program, config_file, pod_of
from tests.samples import EVERYTHING, REQUIRED


def test_the_node_tunnels_metrics_and_pprof_are_not_on_the_lan(program: Program) -> None:
    run = program(REQUIRED)
    assert config_file(run, "node-tunnels-config")["metrics"] == "127.0.0.1:2200"
    pod = pod_of(run, "node-tunnels-daemonset")
    (container,) = pod["containers"]
    assert {container[probe]["httpGet"]["host"] for probe in ("readinessProbe", "livenessProbe")} == {"127.0.0.1"}
    assert config_file(run, "cloudflare-config")["metrics"] == "0.0.0.0:2000"  # in the pod's own network
    pod = pod_of(run, "cloudflare-deployment")
    assert "host" not in pod["containers"][0]["readinessProbe"]["httpGet"]


def test_the_kubelet_is_published_only_on_request(program: Program) -> None:
    hosts = [rule.get("hostname") for rule in config_file(program(REQUIRED), "node-tunnels-config")["ingress"]]
    assert hosts == ["*.nodes.boathou.se", "gpu.boathou.se", None]
    assert "*.pod.boathou.se" in str(config_file(program(EVERYTHING), "node-tunnels-config"))


def test_the_node_tunnel_runs_on_a_gpus_machine_however_that_is_tainted(program: Program) -> None:
    pod = pod_of(program(REQUIRED), "node-tunnels-daemonset")
    assert pod["nodeSelector"] == {"oceanid.cluster/tunnel-enabled": "true"}
    assert pod["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "workload-type", "operator": "Equal", "value": "gpu-compute", "effect": "NoSchedule"},
    ]
