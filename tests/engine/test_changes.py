"""After the first run: a change is exactly that change, a rotation rolls its own pods, drift is seen and repaired.

tests/test_changes.py looks at each key alone; here the engine makes all of them at once.
"""

import base64
import json

from oceanid_cluster.components.facts import DEPLOY
from tests.changes import CHANGES, ROTATIONS, WORKLOADS
from tests.engine.engine import Engine, flux_reports, row


def pods(engine: Engine) -> dict[str, str]:
    """The workload of every pod, by the pod's uid."""
    found: dict[str, str] = {}
    for pod in engine.pods():
        (owner,) = pod["metadata"]["ownerReferences"]
        suffix = "-" + pod["metadata"]["labels"].get("pod-template-hash", "")
        found[pod["metadata"]["uid"]] = owner["name"].removesuffix(suffix)
    return found


def rolled(before: dict[str, str], engine: Engine) -> set[str]:
    """The workloads whose pods are other ones now; an old pod may outlive the run by a moment."""
    for one in engine.objects("deployments", "daemonsets"):
        name, ns = f"{one['kind']}/{one['metadata']['name']}", one["metadata"]["namespace"]
        engine.kubectl("rollout", "status", name, "-n", ns, "--timeout=60s")
    return {before[uid] for uid in before.keys() - pods(engine).keys()}


def test_many_changes_in_one_run_are_exactly_those_changes(clean: Engine) -> None:
    for key, change in CHANGES.items():
        clean.configure(key, change.value)
    # The volume exists: another size or class is ignored, and one line says so.
    clean.configure("labelStudioStorage", "20Gi")
    clean.configure("labelStudioStorageClass", "other")
    before = pods(clean)
    labels = {node["metadata"]["name"]: node["metadata"]["labels"] for node in clean.objects("nodes")}
    answer = clean.up()
    updates = frozenset[str]().union(*(change.updates for change in CHANGES.values()))
    assert answer.changes == dict.fromkeys(updates, "update")
    assert rolled(before, clean) == {WORKLOADS[name] for name in updates & WORKLOADS.keys()}
    ignored = {line.strip() for line in answer.stdout.splitlines() if line.strip().startswith("warning: labelStudio")}
    assert len(ignored) == 2, answer.stdout
    labels["calypso"]["oceanid.cluster/gpu"] = "rtx6000"
    assert {node["metadata"]["name"]: node["metadata"]["labels"] for node in clean.objects("nodes")} == labels
    live = json.loads(clean.kubectl("-n", "cloudflared", "get", "service", "cloudflared-metrics", "-o", "json"))
    assert [port["port"] for port in live["spec"]["ports"]] == [2100]  # in place of the old one, not beside it
    assert clean.planned() == {}


def test_a_rotation_of_every_secret_rolls_the_pods_that_read_one(clean: Engine) -> None:
    for rotation in ROTATIONS.values():
        for key, text in rotation.before.items():
            clean.configure(key, text, secret=True)
    clean.up()
    for key, rotation in ROTATIONS.items():
        clean.configure(key, rotation.value, secret=True)
    before = pods(clean)
    answer = clean.up()
    updates = frozenset[str]().union(*(rotation.updates for rotation in ROTATIONS.values()))
    kept = "label-studio-admin-password-kept"  # it ignores the new input
    assert {name: op for name, op in answer.changes.items() if name != kept} == dict.fromkeys(updates, "update")
    assert rolled(before, clean) == {
        rotation.workload and WORKLOADS[rotation.workload] for rotation in ROTATIONS.values()
    } - {""}
    live = {one["metadata"]["name"]: one for one in clean.objects("secrets")}
    for rotation in ROTATIONS.values():
        values = "".join(base64.b64decode(text).decode() for text in live[rotation.name]["data"].values())
        assert rotation.value in values or "canary-rotated" in values
        assert rotation.value not in answer.stdout + answer.stderr


def test_what_somebody_changed_is_named_and_the_command_that_is_named_repairs_exactly_that(clean: Engine) -> None:
    tunnel, apps = ("-n", "cloudflared"), ("-n", "apps")
    credentials = (*apps, "get", "secret", "labelstudio-app-credentials", "-o", "jsonpath={.data}")
    before = clean.kubectl(*credentials)
    clean.kubectl(*tunnel, "set", "image", "deployment/cloudflared", "cloudflared=example.org/other:1")
    clean.kubectl(*tunnel, "scale", "deployment", "cloudflared", "--replicas=0")
    clean.kubectl(*tunnel, "delete", "configmap/cloudflared-config", "service/cloudflared-metrics")
    clean.kubectl("-n", "node-tunnels", "delete", "daemonset", "cloudflared-tunnel")
    clean.kubectl(*apps, "delete", "service", "label-studio")
    edit = json.dumps({"data": {"secret-key": base64.b64encode(b"edited").decode()}})
    clean.kubectl(*apps, "patch", "secret", "labelstudio-app-credentials", "--type=merge", "-p", edit)
    # What others added stays.
    other = "--field-manager=somebody-else"
    clean.kubectl(*tunnel, "annotate", "deployment", "cloudflared", "somebody.else/note=kept", other)
    clean.kubectl("label", "node", "calypso", "--overwrite", "oceanid.cluster/gpu=none", "somebody.else/label=kept")
    assert_named(clean)
    assert clean.up("--refresh", "--run-program").changes == {
        "cloudflare-deployment": "update",
        "cloudflare-config": "create",
        "cloudflare-svc": "create",
        "node-tunnels-daemonset": "create",
        "label-studio-svc": "create",
        "label-studio-app-secret": "update",
        "nodes-calypso": "update",
    }
    deployment = json.loads(clean.kubectl(*tunnel, "get", "deployment", "cloudflared", "-o", "json"))
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"].startswith("docker.io/cloudflare/cloudflared:")
    assert deployment["metadata"]["annotations"]["somebody.else/note"] == "kept"
    assert "ingress:" in clean.kubectl(*tunnel, "get", "configmap", "cloudflared-config", "-o", "yaml")
    assert clean.kubectl(*credentials) == before
    labels = json.loads(clean.kubectl("get", "node", "calypso", "-o", "json"))["metadata"]["labels"]
    assert {"oceanid.cluster/gpu": "rtx4090", "somebody.else/label": "kept"}.items() <= labels.items()
    clean.kubectl("label", "node", "calypso", "somebody.else/label-")
    flux_reports(clean)
    clean.command("health")
    clean.command("graph")


def assert_named(engine: Engine) -> None:
    """Health, preflight and the picture say what is wrong, and with which command it is put right."""
    assert "pulumi up --refresh --run-program" in DEPLOY
    health = engine.command("health", code=1)
    for name, said in {
        "deployment/cloudflared": "wants no pod: scaled to zero",
        "daemonset/cloudflared-tunnel": "DaemonSet does not exist",
        "configmap/cloudflared-config": "ConfigMap does not exist",
        "node/calypso": "oceanid.cluster/gpu=none instead of rtx4090",
    }.items():
        assert f"{said} ({DEPLOY})" in row(health, name)
    assert "edge" not in health.stdout
    assert f"in the state, not in the cluster; {DEPLOY}" in row(engine.command("preflight"), "CloudflareTunnel")
    picture = engine.command("graph", code=1).stdout
    for box in (
        "daemonset/cloudflared-tunnel<br/>DaemonSet does not exist",
        "service/label-studio<br/>namespace apps<br/>Service does not exist",
    ):
        assert f'"{box}"]:::failed' in picture
