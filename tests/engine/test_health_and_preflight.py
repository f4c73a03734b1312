"""The two commands that operators ask first: may a deploy start, and is the cluster healthy?"""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from oceanid_cluster import health, versions
from oceanid_cluster.landmarks import LANDMARKS
from sandbox.layout import ROOT
from tests.engine.conftest import Answer, Engine, bare_cluster, flux_reports


def row(answer: Answer, name: str) -> str:
    """The line of the table that has the name."""
    (line,) = [line for line in answer.stdout.splitlines() if f" {name} " in line]
    return " ".join(line.split())


def ask_until(engine: Engine, words: str) -> Answer:
    """Ask for health until it says the words: the cluster's own controllers need a moment, at most a minute."""
    end = time.monotonic() + 60
    while words not in (answer := engine.command("health")).stdout:
        assert time.monotonic() < end, answer.stdout + answer.stderr
    return answer


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A cluster on which the program never ran, to break at will."""
    with bare_cluster(tmp_path_factory.mktemp("bare-cluster")) as engine:
        yield engine


def test_a_healthy_cluster_is_called_healthy(engine: Engine) -> None:
    flux_reports(engine)
    answer = engine.command("health")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert len(answer.stdout.splitlines()) == len(LANDMARKS) + 1
    assert (
        row(answer, "daemonset/cloudflared-tunnel") == "NodeTunnels -n node-tunnels daemonset/cloudflared-tunnel ok 1/1"
    )
    document = json.loads(engine.command("health", "--json", "--all").stdout)
    assert document["passed"] is True
    assert {entry["state"] for entry in document["rows"]} == {"ok"}


def test_a_failing_kustomization_is_shown_with_what_flux_says(engine: Engine) -> None:
    flux_reports(engine, ready=False, message="kustomize build failed: no such file")
    answer = engine.command("health")
    assert answer.returncode == 1
    assert "kustomize build failed: no such file" in answer.stdout
    flux_reports(engine)


def test_a_suspended_or_silent_kustomization_is_not_healthy(engine: Engine) -> None:
    command = ("-n", "flux-system", "patch", "kustomization", "flux-system", "--type=merge", "-p")
    flux_reports(engine)
    engine.kubectl(*command, '{"spec": {"suspend": true}}')
    assert "suspended" in engine.command("health").stdout
    engine.kubectl(*command, '{"spec": {"suspend": null}}')
    assert "not yet in its newest version" in engine.command("health").stdout
    engine.kubectl(*command, '{"status": {"conditions": []}}', "--subresource=status")
    assert "its controller has not reported yet" in engine.command("health").stdout
    flux_reports(engine)


def test_a_pod_that_cannot_be_scheduled_is_named_with_its_reason(engine: Engine) -> None:
    def select(nodes: str) -> None:
        patch = f'{{"spec": {{"template": {{"spec": {{"nodeSelector": {nodes}}}}}}}}}'
        engine.kubectl("-n", "apps", "patch", "deployment", "label-studio", "-p", patch)

    select('{"kubernetes.io/hostname": "nowhere"}')
    try:
        answer = ask_until(engine, "didn't match Pod's node affinity/selector")
        assert answer.returncode == 1
        assert re.search(r"label-studio-\w+-\w+: .*didn't match", row(answer, "deployment/label-studio"))
    finally:
        select("null")  # no `up` follows that would take it off
        engine.kubectl("-n", "apps", "rollout", "status", "deployment/label-studio")


def test_what_is_scaled_to_zero_or_deleted_is_not_healthy(clean: Engine) -> None:
    flux_reports(clean)
    clean.kubectl("-n", "cloudflared", "scale", "deployment", "cloudflared", "--replicas=0")
    clean.kubectl("-n", "node-tunnels", "delete", "daemonset", "cloudflared-tunnel")
    answer = clean.command("health")
    assert answer.returncode == 1
    assert "scaled to zero" in row(answer, "deployment/cloudflared")
    assert "DaemonSet does not exist" in row(answer, "daemonset/cloudflared-tunnel")
    clean.up("--refresh")


def test_a_component_that_is_turned_off_is_not_missed(clean: Engine) -> None:
    flux_reports(clean)
    clean.configure("enableTritonAdapter", "false")
    clean.up()
    answer = clean.command("health", "--stack", "sandbox")
    assert answer.returncode == 0, answer.stdout
    assert "TritonAdapter" not in answer.stdout
    assert "does not exist" in clean.command("health", "--all").stdout


def test_health_waits_for_what_gets_ready_and_no_longer(engine: Engine) -> None:
    flux_reports(engine)
    engine.kubectl("-n", "cloudflared", "rollout", "restart", "deployment", "cloudflared")
    answer = engine.command("health", "--wait", "120")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    flux_reports(engine, ready=False)
    assert engine.command("health", "--wait", "1").returncode == 1
    flux_reports(engine)


def test_a_cluster_that_cannot_be_asked_is_neither_healthy_nor_unhealthy(engine: Engine, tmp_path: Path) -> None:
    text = engine.sandbox.kubeconfig.read_text(encoding="utf-8")
    server = json.loads(text)["clusters"][0]["cluster"]["server"]
    elsewhere = tmp_path / "kubeconfig"
    elsewhere.write_text(text.replace(server, "https://127.0.0.1:1"), encoding="utf-8")
    answer = engine.command("health", KUBECONFIG=str(elsewhere))
    assert answer.returncode == 2
    assert answer.stderr.startswith("health: cannot tell: ")
    assert len(answer.stderr.splitlines()) == 1
    answer = engine.command("preflight", KUBECONFIG=str(elsewhere))
    assert answer.returncode == 1
    assert "ssh -L 16443:localhost:6443 tethys -N" in answer.stdout
    assert "Traceback" not in answer.stdout + answer.stderr


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (
            {"containerStatuses": [{
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"reason": "Error", "exitCode": 3}},
            }]},
            "p: CrashLoopBackOff after Error (exit code 3)",
        ),
        ({"containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff"}}}]}, "p: ImagePullBackOff"),
        ({"containerStatuses": [{"state": {"running": {}}}]}, "p: its readiness probe fails"),
        (
            {"initContainerStatuses": [{"state": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}}]},
            "p: OOMKilled (exit code 137)",
        ),
        ({"conditions": [{"type": "Ready", "status": "True"}]}, ""),
        ({}, "p: its readiness probe fails"),
    ],
)  # fmt: skip
def test_why_a_pod_is_not_ready_is_said_in_kubernetes_words(status: dict[str, object], said: str) -> None:
    assert health.why_unready({"metadata": {"name": "p"}, "status": status}) == said


def test_the_landmarks_are_the_workloads_of_the_running_program(engine: Engine) -> None:
    live = {(o["kind"], o["metadata"]["namespace"], o["metadata"]["name"])
            for o in engine.objects("deployments", "daemonsets")}  # fmt: skip
    assert live == {(one.kind, one.namespace, one.name) for one in LANDMARKS if one.kind in ("Deployment", "DaemonSet")}


def test_preflight_passes_on_our_cluster_and_says_who_manages_what_is_there(engine: Engine) -> None:
    answer = engine.command("preflight")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "warning" not in answer.stdout
    assert "managed by Pulumi" in row(answer, "CloudflareTunnel")
    assert "local-path is the default" in row(answer, "storage class")
    assert f"Flux is content with {versions.minimum_kubernetes()}" in row(answer, "version")
    assert json.loads(engine.command("preflight", "--stack", "sandbox", "--json").stdout)["passed"] is True


def test_preflight_passes_on_a_bare(bare: Engine) -> None:
    answer = bare.command("preflight")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stdout.count("nothing yet") == len({landmark.component for landmark in LANDMARKS})


def test_preflight_names_a_second_owner(bare: Engine) -> None:
    for labels in ('{"kustomize.toolkit.fluxcd.io/name": "apps"}', "null"):
        manifest = f'{{"apiVersion": "v1", "kind": "Namespace", "metadata": {{"name": "apps", "labels": {labels}}}}}'
        bare.kubectl("apply", "--server-side", "-f", "-", stdin=manifest)
        answer = bare.command("preflight")
        assert answer.returncode == 0
        owner = "Flux (Kustomization apps)" if labels != "null" else "kubectl"
        assert f"Namespace/apps: managed by {owner}" in row(answer, "LabelStudio")
        assert "warning" in row(answer, "LabelStudio")


def test_preflight_misses_a_node_and_a_storage_class(bare: Engine) -> None:
    bare.kubectl("delete", "node", "calypso")
    bare.kubectl("delete", "storageclass", "local-path")
    answer = bare.command("preflight")
    assert answer.returncode == 1
    assert "no node calypso in the cluster" in row(answer, "calypso")
    assert "none is the default" in row(answer, "storage class")
    bare.configure("labelStudioStorageClass", "fast")
    assert "fast does not exist" in row(bare.command("preflight"), "storage class")
    bare.reset_configuration()
    bare.kubectl("apply", "-f", str(ROOT / "sandbox" / "cluster.yaml"))


def test_preflight_refuses_a_server_older_than_flux_needs(
    bare: Engine, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from oceanid_cluster import preflight

    for name, value in bare.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(bare.folder)
    monkeypatch.setattr(versions, "minimum_kubernetes", lambda: "1.99")
    assert preflight.main([]) == 1
    assert "Flux needs 1.99 or newer" in capfd.readouterr().out


def test_preflight_needs_the_stack_and_says_so(bare: Engine) -> None:
    answer = bare.command("preflight", "--stack", "nowhere")
    assert answer.returncode == 2
    assert answer.stderr.startswith("preflight: cannot tell: ")
    assert "nowhere" in answer.stderr
    assert "Traceback" not in answer.stderr
