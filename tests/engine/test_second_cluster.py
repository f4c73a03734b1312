"""A second cluster is data: other machines, host names and domains, in a stack of its own beside the first."""

import json
from typing import Any

import yaml

from oceanid_cluster.manifests import labels
from sandbox.layout import ROOT
from tests.engine.engine import FAILS, Engine

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


def test_two_stacks_of_different_clusters_stand_side_by_side(clean: Engine, bare: Engine) -> None:
    before = clean.node_labels()
    bare.kubectl("delete", "nodes", "--all")
    hosts = [machine["host"] for machine in MACHINES]
    bare.kubectl("apply", "-f", "-", stdin=json.dumps({
        "apiVersion": "v1", "kind": "List", "items": [node(str(host)) for host in hosts],
    }))  # fmt: skip
    for key, value in STACK.items():
        bare.configure(key, value)
    bare.command("preflight")
    bare.up()
    assert bare.planned() == {}
    assert bare.node_labels() == {machine["host"]: machine["labels"] for machine in MACHINES}
    rules = bare.kubectl("-n", "cloudflared", "get", "configmap", "cloudflared-config", "-o", "yaml")
    assert "k3s.fleet.example" in rules
    assert "notes.fleet.example" in rules
    assert "svc.fleet.internal" in rules
    assert "boathou.se" not in rules
    where = {pod["spec"]["nodeName"] for pod in bare.pods() if pod["metadata"]["namespace"] == "node-tunnels"}
    assert where == {"nyx"}
    names = {one["metadata"]["labels"].get(labels.PART_OF) for one in bare.objects("namespaces")}
    assert names - {None} == {"fleet-two"}
    # Neither stack touches the cluster of the other.
    wrong = bare.pulumi("up", variables={"KUBECONFIG": str(clean.sandbox.kubeconfig)}, code=FAILS)
    assert "it is another cluster" in wrong.stdout
    assert clean.node_labels() == before
