"""A second cluster is data: other machines, host names and domains, in a stack of its own beside the first."""

import json
from pathlib import Path
from typing import Any

import yaml

from oceanid_cluster.manifests import labels
from sandbox.layout import ROOT
from tests.engine.engine import Engine
from tests.engine.prepared import bare_cluster

MACHINES = [
    {"name": "argo", "host": "srv-argo", "address": "203.0.113.7", "labels": {"node": "argo", "provider": "rented"}},
    {"name": "nyx", "host": "nyx", "address": "203.0.113.8", "labels": {"node": "nyx", "tunnel-enabled": "true"}},
]
STACK = {
    "nodes": json.dumps(MACHINES),
    "clusterName": "fleet-two",
    "clusterDomain": "fleet.internal",
    "cloudflare_node_tunnel_hostname": "fleet.example",
    "labelStudioHostname": "notes.fleet.example",
    "tethysIp": None,
    "styxIp": None,
}


def node(host: str) -> dict[str, Any]:
    """The sandbox's first control plane, under another name."""
    found: dict[str, Any] = next(yaml.safe_load_all((ROOT / "sandbox" / "cluster.yaml").read_text(encoding="utf-8")))
    found["metadata"]["name"] = found["metadata"]["labels"]["kubernetes.io/hostname"] = host
    return found


def labels_of_nodes(engine: Engine) -> dict[str, dict[str, str]]:
    """The labels that the program manages, by machine."""
    prefix = "oceanid.cluster/"
    return {
        one["metadata"]["name"]: {
            name.removeprefix(prefix): value
            for name, value in one["metadata"]["labels"].items()
            if name.startswith(prefix)
        }
        for one in engine.objects("nodes")
    }


def test_two_stacks_of_different_clusters_stand_side_by_side(clean: Engine, tmp_path: Path) -> None:
    before = labels_of_nodes(clean)
    with bare_cluster(tmp_path) as second:
        second.kubectl("delete", "nodes", "--all")
        hosts = [machine["host"] for machine in MACHINES]
        second.kubectl("apply", "-f", "-", stdin=json.dumps({
            "apiVersion": "v1", "kind": "List", "items": [node(str(host)) for host in hosts],
        }))  # fmt: skip
        for key, value in STACK.items():
            second.configure(key, value)
        preflight = second.command("preflight")
        assert preflight.returncode == 0, preflight.stdout
        second.up()
        assert second.planned() == {}
        assert labels_of_nodes(second) == {machine["host"]: machine["labels"] for machine in MACHINES}
        rules = second.kubectl("-n", "cloudflared", "get", "configmap", "cloudflared-config", "-o", "yaml")
        assert "k3s.fleet.example" in rules
        assert "notes.fleet.example" in rules
        assert "svc.fleet.internal" in rules
        assert "boathou.se" not in rules
        where = {pod["spec"]["nodeName"] for pod in second.pods() if pod["metadata"]["namespace"] == "node-tunnels"}
        assert where == {"nyx"}
        names = {one["metadata"]["labels"].get(labels.PART_OF) for one in second.objects("namespaces")}
        assert names - {None} == {"fleet-two"}
        # Neither stack touches the cluster of the other.
        wrong = second.pulumi("up", "--yes", "--skip-preview", variables={"KUBECONFIG": str(clean.sandbox.kubeconfig)})
        assert wrong.returncode != 0
        assert "it is another cluster" in wrong.stdout
        assert labels_of_nodes(clean) == before
