"""After the first run: a change is exactly that change, a rotation rolls its own pods, drift is seen and repaired."""

import base64
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.layout import ROOT
from tests.engine.engine import Engine
from tests.samples import NODE_TUNNEL, TUNNEL, connector_token

OTHER_SECRET = base64.b64encode(b"another-fake-tunnel-secret-here!").decode()
PEERS = '[{"namespace": "kube-system", "labels": {"app.kubernetes.io/name": "traefik"}}]'
RULE = '[{"hostname": "app.example.org", "service": "http://app.apps.svc:80"}]'


def pods(engine: Engine) -> dict[str, str]:
    """The workload of every pod, by the pod's uid."""
    found: dict[str, str] = {}
    for pod in engine.pods():
        (owner,) = pod["metadata"]["ownerReferences"]
        suffix = "-" + pod["metadata"]["labels"].get("pod-template-hash", "")
        found[pod["metadata"]["uid"]] = owner["name"].removesuffix(suffix)
    return found


@pytest.mark.parametrize(
    ("key", "value", "stays"),
    [("labelStudioStorage", "20Gi", "made with 10Gi"), ("labelStudioStorageClass", "other", "of class local-path")],
)
def test_another_volume_is_wished_for_in_vain_and_one_line_says_so(
    clean: Engine, key: str, value: str, stays: str
) -> None:
    clean.configure(key, value)
    answer = clean.up("--refresh")
    (line,) = {line.strip() for line in answer.stdout.splitlines() if line.strip().startswith(f"warning: {key}")}
    assert stays in line
    assert clean.planned() == {}


def test_a_changed_port_takes_the_place_of_the_old_one(clean: Engine) -> None:
    """The provider's preview of it may refuse, as docs/runbook.md says; the update itself must not."""
    clean.configure("metricsPort", "2100")
    clean.up()
    live = json.loads(clean.kubectl("-n", "cloudflared", "get", "service", "cloudflared-metrics", "-o", "json"))
    assert [port["port"] for port in live["spec"]["ports"]] == [2100]
    live = json.loads(clean.kubectl("-n", "cloudflared", "get", "deployment", "cloudflared", "-o", "json"))
    (container,) = live["spec"]["template"]["spec"]["containers"]
    assert [port["containerPort"] for port in container["ports"]] == [2100]
    assert clean.planned() == {}


def test_an_edited_node_label_changes_that_label_and_nothing_else(clean: Engine, tmp_path: Path) -> None:
    def labels() -> dict[str, dict[str, str]]:
        return {node["metadata"]["name"]: node["metadata"]["labels"] for node in clean.objects("nodes")}

    before = labels()
    edited = Engine(clean.sandbox.home, tmp_path / "program")
    (edited.folder / "oceanid_cluster").unlink()
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "oceanid_cluster", edited.folder / "oceanid_cluster", ignore=ignored)
    config = edited.folder / "oceanid_cluster" / "config" / "cluster.py"
    config.write_text(config.read_text(encoding="utf-8").replace('"rtx4090"', '"rtx6000"'), encoding="utf-8")
    assert edited.planned() == {"nodes-calypso": "update"}
    edited.up()
    assert labels() == {**before, "calypso": {**before["calypso"], "oceanid.cluster/gpu": "rtx6000"}}
    assert edited.planned() == {}


def test_labels_that_are_no_longer_managed_are_taken_off_and_others_stay(clean: Engine) -> None:
    def labels() -> set[str]:
        return set(json.loads(clean.kubectl("get", "node", "calypso", "-o", "json"))["metadata"]["labels"])

    before = labels()
    clean.configure("manageNodeLabels", "false")
    assert set(clean.planned().values()) == {"delete"}
    clean.up()
    assert labels() == {name for name in before if not name.startswith("oceanid.cluster/")}
    clean.configure("manageNodeLabels", None)
    clean.up()
    assert labels() == before


def test_drift_is_seen_by_refresh_and_repaired_by_up(clean: Engine) -> None:
    clean.kubectl("-n", "cloudflared", "set", "image", "deployment/cloudflared", "cloudflared=example.org/other:1")
    clean.kubectl(
        "-n", "cloudflared", "patch", "configmap", "cloudflared-config", "-p", '{"data": {"config.yaml": "x"}}'
    )
    clean.kubectl("-n", "apps", "delete", "service", "ls-triton-adapter")
    other = "--field-manager=somebody-else"
    clean.kubectl("-n", "cloudflared", "annotate", "deployment", "cloudflared", "somebody.else/note=kept", other)
    clean.kubectl("label", "node", "calypso", "--overwrite", "oceanid.cluster/gpu=none", "somebody.else/label=kept")
    assert clean.planned("--refresh") == {
        "cloudflare-deployment": "update",
        "cloudflare-config": "update",
        "ls-triton-adapter-svc": "create",
        "nodes-calypso": "update",
    }
    clean.up("--refresh")
    (image,) = [
        o["spec"]["template"]["spec"]["containers"][0]["image"]
        for o in clean.objects("deployments.apps")
        if o["metadata"]["name"] == "cloudflared"
    ]
    assert image.startswith("docker.io/cloudflare/cloudflared:")
    (config,) = [o for o in clean.objects("configmaps") if o["metadata"]["name"] == "cloudflared-config"]
    assert "ingress:" in config["data"]["config.yaml"]
    assert "service/ls-triton-adapter" in clean.kubectl("-n", "apps", "get", "service", "-o", "name")
    note = clean.kubectl(
        "-n", "cloudflared", "get", "deployment", "cloudflared", "-o", "jsonpath={.metadata.annotations}"
    )
    assert json.loads(note)["somebody.else/note"] == "kept"
    labels = json.loads(clean.kubectl("get", "node", "calypso", "-o", "json"))["metadata"]["labels"]
    assert labels["oceanid.cluster/gpu"] == "rtx4090"
    assert labels["somebody.else/label"] == "kept"
    assert clean.planned() == {}
    clean.kubectl("label", "node", "calypso", "somebody.else/label-")


@pytest.fixture(scope="module")
def changed(engine: Engine) -> Iterator[Engine]:
    """The program, on which changes pile up: what one of them leaves to do is in the plan of the next one."""
    engine.reset_configuration()
    yield engine
    engine.reset_configuration()
    engine.up()


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("cloudflareTunnelReplicas", "3", {"cloudflare-deployment"}),
        ("cloudflared_image", "docker.io/cloudflare/cloudflared:2026.8.3",
         {"cloudflare-deployment", "node-tunnels-daemonset"}),
        ("labelStudioImage", "docker.io/heartexlabs/label-studio:1.23.3", {"label-studio-deploy"}),
        ("adapterImageTag", "1.2.3", {"ls-triton-adapter-deploy"}),
        ("gitRepositoryIntervalSeconds", "90", {"gitops-git-repo"}),
        ("extraIngress", RULE, {"cloudflare-config", "cloudflare-deployment"}),
        ("exposeKubelet", "true", {"node-tunnels-config", "node-tunnels-daemonset"}),
        ("labelStudioIngressFrom", PEERS, {"label-studio-network"}),
        ("adapterIngressFrom", PEERS, {"ls-triton-adapter-network"}),
        ("readyTimeoutMinutes", "6", {"label-studio-deploy", "pko-helm"}),
        ("labelStudioStorageClass", "local-path", set()),  # the class that the claim already has
        ("cloudflare_api_token", "canary-alone-it-changes-nothing", set()),
    ],
)  # fmt: skip
def test_a_change_is_exactly_that_change(changed: Engine, key: str, value: str, expected: set[str]) -> None:
    changed.configure(key, value)
    assert changed.planned() == dict.fromkeys(expected, "update")
    before = pods(changed)
    changed.up()
    workloads = {"cloudflare-deployment": "cloudflared", "node-tunnels-daemonset": "cloudflared-tunnel",
                 "label-studio-deploy": "label-studio", "ls-triton-adapter-deploy": "ls-triton-adapter"}  # fmt: skip
    gone = {before[uid] for uid in before.keys() - pods(changed).keys()}
    assert gone <= {workloads[name] for name in expected & workloads.keys()}


def test_after_all_these_changes_nothing_is_left_to_do(changed: Engine) -> None:
    assert changed.planned() == {}


# Each secret: its key, the value to rotate to, its object, the workload that reads it, and what must be set beside it.
SECRETS = {
    "github_token": ("canary-rotated", "github-token", "", {}),
    "pulumi_access_token": ("canary-rotated", "pulumi-api-secret", "", {"pulumi_access_token": "canary-first"}),
    "cloudflare_tunnel_token": (
        connector_token(TUNNEL, secret=OTHER_SECRET), "cloudflared-credentials", "cloudflared", {},
    ),
    "cloudflare_node_tunnel_token": (
        connector_token(NODE_TUNNEL, secret=OTHER_SECRET), "tunnel-credentials", "cloudflared-tunnel", {},
    ),
    "postgres_url": (
        "postgres://u:canary-rotated@db/labels?sslmode=require", "labelstudio-db-credentials", "label-studio", {},
    ),
    "labelStudioAdminPassword": (
        "canary-rotated", "labelstudio-app-credentials", "label-studio", {"labelStudioAdminPassword": "canary-first"},
    ),
    "aws.labelStudio.secretAccessKey": (
        "canary-rotated", "labelstudio-s3-credentials", "label-studio",
        {"aws.labelStudio.accessKeyId": "canary-id", "aws.labelStudio.secretAccessKey": "canary-first"},
    ),
    "cfAccessClientSecret": (
        "canary-rotated", "ls-triton-adapter-cf-access", "ls-triton-adapter",
        {"cfAccessClientId": "canary-id", "cfAccessClientSecret": "canary-first"},
    ),
    "hfAccessToken": ("canary-rotated", "hf-credentials", "ls-triton-adapter", {"hfAccessToken": "canary-first"}),
}  # fmt: skip


@pytest.fixture(scope="module")
def filled(changed: Engine) -> Engine:
    """The same, with a first value for every secret that it may have."""
    for _, _, _, beside in SECRETS.values():
        for key, text in beside.items():
            changed.configure(key, text, secret=True)
    changed.up()
    return changed


@pytest.mark.parametrize("key", SECRETS)
def test_a_rotated_secret_rolls_its_own_pods_and_no_others(filled: Engine, key: str) -> None:
    value, name, workload, _ = SECRETS[key]
    filled.configure(key, value, secret=True)
    planned = filled.planned()
    assert set(planned.values()) == {"update"}
    assert len(planned) == (2 if workload else 1), planned
    before = pods(filled)
    answer = filled.up()
    assert {before[uid] for uid in before.keys() - pods(filled).keys()} == ({workload} if workload else set())
    (live,) = [o for o in filled.objects("secrets") if o["metadata"]["name"] == name]
    values = "".join(base64.b64decode(text).decode() for text in live["data"].values())
    assert value in values or "canary-rotated" in values
    assert value not in answer.stdout + answer.stderr


def test_after_all_rotations_nothing_is_left_to_do(filled: Engine) -> None:
    assert filled.planned() == {}
