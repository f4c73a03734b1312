"""What is on its way out, or out of order, is named before a deploy meets it; and what the runbook says repairs it."""

import base64
import gzip
import json
import re
from typing import Any

from sandbox.layout import ROOT
from tests.engine.engine import Engine, ask_until, flux_reports, row

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
OPERATOR = "pulumi-kubernetes-operator"
CLAIM = ("-n", "apps", "get", "pvc", "label-studio-data", "-o", "jsonpath={.spec.volumeName}")


def follow(engine: Engine, title: str, *, deploy: bool = False, **variables: str) -> None:
    """Do what an entry of the runbook says, up to the deploy unless that is wanted, too."""
    (entry,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", RUNBOOK, re.MULTILINE | re.DOTALL)
    script = "\n".join(re.findall(r"^```(?:shell|bash)\n(.*?)^```", entry, re.MULTILINE | re.DOTALL))
    engine.shell(script if deploy else script.partition("pulumi up --refresh --run-program")[0], variables)


def begin_an_upgrade(engine: Engine) -> None:
    """Leave the record that Helm writes before it upgrades, as a run that was killed leaves it."""
    selector = f"owner=helm,name={OPERATOR},status=deployed"
    (kept,) = json.loads(engine.kubectl("-n", "pulumi-system", "get", "secrets", "-l", selector, "-o", "json"))["items"]
    release: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(kept["data"]["release"]))))
    version = release["version"] + 1
    release |= {"version": version, "info": {**release["info"], "status": "pending-upgrade"}}
    text = base64.b64encode(gzip.compress(json.dumps(release).encode()))
    labels = {**kept["metadata"]["labels"], "version": str(version), "status": "pending-upgrade"}
    metadata = {"name": f"sh.helm.release.v1.{OPERATOR}.v{version}", "namespace": "pulumi-system", "labels": labels}
    manifest = {
        "apiVersion": "v1", "kind": "Secret", "type": kept["type"], "metadata": metadata,
        "data": {"release": base64.b64encode(text).decode()},
    }  # fmt: skip
    engine.kubectl("create", "-f", "-", stdin=json.dumps(manifest))


def test_what_is_being_deleted_or_was_killed_is_named_and_the_runbook_repairs_it(clean: Engine) -> None:
    flux_reports(clean)
    volume = clean.kubectl(*CLAIM)
    held = {"name": "held", "namespace": "node-tunnels", "finalizers": ["example.org/nobody"]}
    clean.kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": held}))
    clean.kubectl("-n", "apps", "delete", "pvc", "label-studio-data", "--wait=false")
    clean.kubectl("delete", "namespace", "node-tunnels", "--wait=false")
    begin_an_upgrade(clean)
    health = ask_until(clean, "example.org/nobody in 1 resource instances")
    claim = "is being deleted since [^;]*; it waits for kubernetes.io/pvc-protection"
    assert re.search(claim, row(health, "persistentvolumeclaim/label-studio-data"))
    assert '"A volume claim that is being deleted"' in row(health, "persistentvolumeclaim/label-studio-data")
    assert '"Stuck namespace"' in row(health, "namespace/node-tunnels")
    assert "a deploy puts it back" not in row(health, "namespace/node-tunnels")
    without_pulumi = clean.command("health", "--all", code=1)
    assert re.search(claim, row(without_pulumi, "persistentvolumeclaim/label-studio-data"))
    assert "example.org/nobody" in row(without_pulumi, "namespace/node-tunnels")
    preflight = clean.command("preflight", code=1)
    assert re.search(f"failed claim apps/label-studio-data: {claim}", row(preflight, "storage class"))
    assert "failed Namespace/node-tunnels is being deleted" in row(preflight, "NodeTunnels")
    assert "failed Helm's newest record is pending-upgrade" in row(preflight, "operator release")
    graph = clean.command("graph", "--all", code=1)
    assert re.search(r'"persistentvolumeclaim/label-studio-data<br/>is being deleted[^"]*"\]:::failed', graph.stdout)
    drift = clean.command("drift", "--stack", "sandbox", code=1)
    assert "terminating core/v1 PersistentVolumeClaim label-studio-" in drift.stdout
    assert "terminating core/v1 Namespace node-tunnels-ns" in drift.stdout
    follow(clean, "A volume claim that is being deleted")
    follow(clean, "Stuck namespace", NAMESPACE="node-tunnels", KIND="configmap", NAME="held")
    follow(clean, "A killed upgrade of the operator", deploy=True)
    assert clean.kubectl(*CLAIM) == volume
    clean.command("preflight")
    health = clean.command("health", "--wait", "60")


def not_ready(engine: Engine, name: str, *namespace: str, status: str = "False", **more: str) -> None:
    """Set the condition Ready of a node or a pod, as the kubelet or the node controller does."""
    conditions = [{"type": "Ready", "status": status, **more}]
    patch = json.dumps({"status": {"conditions": conditions}})
    engine.kubectl(*namespace, "patch", name, "--subresource=status", "--type=strategic", "-p", patch)


def test_a_machine_that_is_off_or_tainted_is_named_and_no_pod_that_is_not_ready_is_drift(engine: Engine) -> None:
    flux_reports(engine)
    engine.kubectl("taint", "nodes", "calypso", "example.org/repair=today:NoExecute")
    why = "wants no pod: node calypso: taint example.org/repair=today:NoExecute"
    health = ask_until(engine, why)
    assert why in row(health, "daemonset/cloudflared-tunnel")
    preflight = engine.command("preflight", code=1)
    assert "failed no node can run it: calypso: taint" in row(preflight, "daemonset/cloudflared-tunnel")
    follow(engine, "A node that is off", NODE="calypso", TAINT="example.org/repair")
    engine.kubectl("-n", "node-tunnels", "rollout", "status", "daemonset/cloudflared-tunnel")

    # Nobody answers for the machine any more: after a minute Kubernetes says it of the node and of its pods. One pod on
    # another machine is not ready, either.
    engine.kubectl("annotate", "node", "calypso", "kwok.x-k8s.io/node-")
    not_ready(engine, "node/calypso", status="Unknown", reason="NodeStatusUnknown", message="Kubelet stopped")
    tunnel = engine.kubectl("-n", "node-tunnels", "get", "pods", "-o", "name").strip()
    not_ready(engine, tunnel, "-n", "node-tunnels")
    studio = engine.kubectl("-n", "apps", "get", "pods", "-l", "app=label-studio", "-o", "name").strip()
    not_ready(engine, studio, "-n", "apps")
    health = ask_until(engine, "its readiness probe fails")
    assert "not Ready: Kubelet stopped" in row(health, "node/calypso")
    tunnel_row = row(health, "daemonset/cloudflared-tunnel")  # of its pod, or once the DaemonSet wants none there
    assert "node calypso" in tunnel_row
    assert "not Ready: Kubelet stopped" in tunnel_row
    assert "edge" not in tunnel_row
    preflight = engine.command("preflight", code=1)
    assert "calypso: not Ready: Kubelet stopped" in preflight.stdout
    drift = engine.command("drift", "--stack", "sandbox")
    assert drift.stdout == "no drift\n"
    engine.kubectl("annotate", "node", "calypso", "kwok.x-k8s.io/node=fake")
    engine.kubectl("wait", "--for=condition=Ready", "node/calypso", "--timeout=60s")
    engine.kubectl("-n", "apps", "delete", studio)
    engine.kubectl("-n", "node-tunnels", "delete", tunnel)
    health = engine.command("health", "--wait", "60")
