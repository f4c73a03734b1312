"""The two commands that operators ask first: may a deploy start, and is the cluster healthy?"""

import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oceanid_cluster import versions
from oceanid_cluster.components.facts import DEPLOY
from oceanid_cluster.components.flux.settings import ALERTS
from oceanid_cluster.components.settings import CHAIN, EXPECTED
from oceanid_cluster.config.cluster import NODES
from sandbox.layout import ROOT
from tests.engine.engine import WORKLOADS, Answer, Engine, flux_reports
from tests.engine.prepared import bare_cluster
from tests.engine.proxy import cut_proxy
from tests.engine.test_graph import picture


def elsewhere(engine: Engine, folder: Path) -> Path:
    """A kubeconfig with our context in it, and with a current context that leads to a server that is not there."""
    document: dict[str, Any] = json.loads(engine.sandbox.kubeconfig.read_text(encoding="utf-8"))
    ours = document["contexts"][0]["context"]
    document["clusters"].append({"name": "other", "cluster": {"server": "https://127.0.0.1:1"}})
    document["contexts"].append({"name": "other", "context": {**ours, "cluster": "other"}})
    document["current-context"] = "other"
    target = folder / "several-contexts"
    target.write_text(json.dumps(document), encoding="utf-8")
    return target


def row(answer: Answer, name: str) -> str:
    """The line of the table that has the name."""
    (line,) = [line for line in answer.stdout.splitlines() if f" {name} " in line]
    return " ".join(line.split())


def warnings(answer: Answer) -> list[str]:
    """The names of the rows that warn."""
    return [line.split()[1] for line in answer.stdout.splitlines() if " warning " in line]


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
    # The webhook's and the alerts' objects are made with keys that this stack has not.
    always = [one for one in EXPECTED if one.kind != "Receiver" and one.name != ALERTS]
    rows = 1 + len(NODES) + len(always)
    assert len(answer.stdout.splitlines()) == rows + 2
    assert answer.stdout.endswith(f"\n{rows} rows: {rows} ok\n")
    server = json.loads(engine.sandbox.kubeconfig.read_text(encoding="utf-8"))["clusters"][0]["cluster"]["server"]
    assert f" {server}" in row(answer, "API server")
    assert row(answer, "node/calypso") == "NodeLabels node/calypso ok Ready, 4 labels"
    assert row(answer, "provider/github-updates") == "ImageAutomation -n flux-system provider/github-updates ok exists"
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


def test_image_automation_has_its_rows(engine: Engine) -> None:
    flux_reports(engine)
    status = {"conditions": [{"type": "Ready", "status": "False", "message": "auth failed", "reason": "x",
                              "lastTransitionTime": "2026-01-01T00:00:00Z"}]}  # fmt: skip
    for kind, name in (("imagerepository", "cert-manager"), ("imageupdateautomation", "flux-system")):
        command = ("patch", kind, name, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))
        engine.kubectl("-n", "flux-system", *command)
    answer = engine.command("health")
    assert answer.returncode == 1
    assert "auth failed (the registry cannot be read)" in row(answer, "imagerepository/cert-manager")
    assert "auth failed (Git cannot be read or written" in row(answer, "imageupdateautomation/flux-system")
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


def test_what_is_scaled_to_zero_deleted_or_relabelled_is_named_and_the_command_that_is_named_repairs_it(
    clean: Engine,
) -> None:
    flux_reports(clean)
    clean.kubectl("-n", "cloudflared", "scale", "deployment", "cloudflared", "--replicas=0")
    clean.kubectl("-n", "node-tunnels", "delete", "daemonset", "cloudflared-tunnel")
    clean.kubectl("-n", "cloudflared", "delete", "configmap/cloudflared-config", "service/cloudflared-metrics")
    clean.kubectl("-n", "apps", "delete", "service", "label-studio")
    clean.kubectl("label", "node", "calypso", "oceanid.cluster/gpu=none", "--overwrite")
    answer = clean.command("health")
    assert answer.returncode == 1
    assert row(answer, "deployment/cloudflared").endswith(f"wants no pod: scaled to zero ({DEPLOY})")
    assert row(answer, "daemonset/cloudflared-tunnel").endswith(f"DaemonSet does not exist ({DEPLOY})")
    assert row(answer, "configmap/cloudflared-config").endswith(f"ConfigMap does not exist ({DEPLOY})")
    assert f"oceanid.cluster/gpu=none instead of rtx4090 ({DEPLOY})" in row(answer, "node/calypso")
    assert "edge" not in answer.stdout
    before = clean.command("preflight")
    assert before.returncode == 0
    assert f"in the state, not in the cluster; {DEPLOY}" in row(before, "CloudflareTunnel")
    text = picture(clean, code=1)
    assert '"daemonset/cloudflared-tunnel<br/>DaemonSet does not exist"]:::failed' in text
    assert '"service/label-studio<br/>namespace apps<br/>Service does not exist"]:::failed' in text
    assert "pulumi up --refresh --run-program" in DEPLOY
    clean.up("--refresh", "--run-program")
    healthy = clean.command("health")
    assert healthy.returncode == 0, healthy.stdout
    assert warnings(clean.command("preflight")) == ["Access"]
    picture(clean)


def test_health_waits_for_what_gets_ready_and_no_longer(engine: Engine) -> None:
    flux_reports(engine)
    engine.kubectl("-n", "cloudflared", "rollout", "restart", "deployment", "cloudflared")
    answer = engine.command("health", "--wait", "120")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    flux_reports(engine, ready=False)
    assert engine.command("health", "--wait", "1").returncode == 1
    flux_reports(engine)


def test_health_waits_through_dropped_connections(engine: Engine, tmp_path: Path) -> None:
    flux_reports(engine)
    with cut_proxy(engine.sandbox.kubeconfig, tmp_path, cut=7) as (proxy, kubeconfig):
        answer = engine.command("health", "--wait", "120", KUBECONFIG=str(kubeconfig))
        assert answer.returncode == 0, answer.stdout + answer.stderr
        assert proxy.seen > proxy.cut


def test_health_that_never_gets_an_answer_says_so_when_its_time_is_over(engine: Engine, tmp_path: Path) -> None:
    with cut_proxy(engine.sandbox.kubeconfig, tmp_path, cut=sys.maxsize) as (proxy, kubeconfig):
        answer = engine.command("health", "--wait", "3", KUBECONFIG=str(kubeconfig))
        assert answer.returncode == 2
        assert answer.stderr.startswith("health: error: ")
        assert proxy.seen > 1


def test_a_configuration_that_cannot_work_is_not_waited_for(clean: Engine) -> None:
    clean.configure("kubeContext", "nowhere")
    answer = clean.command("health", "--wait", "600")
    assert answer.returncode == 2
    assert "has no context 'nowhere'" in answer.stderr


def test_a_cluster_that_cannot_be_asked_is_neither_healthy_nor_unhealthy(engine: Engine, tmp_path: Path) -> None:
    text = engine.sandbox.kubeconfig.read_text(encoding="utf-8")
    server = json.loads(text)["clusters"][0]["cluster"]["server"]
    elsewhere = tmp_path / "kubeconfig"
    elsewhere.write_text(text.replace(server, "https://127.0.0.1:1"), encoding="utf-8")
    answer = engine.command("health", KUBECONFIG=str(elsewhere))
    assert answer.returncode == 2
    assert answer.stderr.startswith("health: error: cannot reach the Kubernetes API server")
    answer = engine.command("preflight", KUBECONFIG=str(elsewhere))
    assert answer.returncode == 1
    assert "ssh -L 16443:localhost:6443 tethys -N" in answer.stdout
    assert "Traceback" not in answer.stdout + answer.stderr


def test_what_is_expected_is_what_the_running_program_made(engine: Engine) -> None:
    live = {(o["kind"], o["metadata"]["namespace"], o["metadata"]["name"])
            for o in engine.objects("deployments", "daemonsets")}  # fmt: skip
    assert live == {tuple(one.ref) for one in WORKLOADS}
    state = {(one["type"].rpartition(":")[2], one["id"]) for one in engine.state().values() if one.get("id")}
    for facts in CHAIN:
        known = {(ref.kind, "/".join(filter(None, ref[1:]))) for ref in facts.refs()}
        least = 1 if facts.releases else 2  # what else it has is inside of its release
        assert len(known & state) >= least, facts.name


def test_preflight_passes_on_our_cluster_and_says_who_manages_what_is_there(engine: Engine) -> None:
    answer = engine.command("preflight")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert warnings(answer) == ["Access"]  # no Access application is known
    assert "managed by Pulumi" in row(answer, "CloudflareTunnel")
    assert "claim apps/label-studio-data: Bound, 10Gi, class local-path" in row(answer, "storage class")
    assert f"Flux requires {versions.minimum_kubernetes()} or newer" in row(answer, "version")
    uid = engine.kubectl("get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}")
    assert f"pulumi config set clusterUid {uid}" in row(answer, "identity")
    assert engine.command("preflight", "--stack", "sandbox").returncode == 0


def test_preflight_passes_on_a_bare_cluster(bare: Engine) -> None:
    answer = bare.command("preflight")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stdout.count("nothing yet") == len(CHAIN)


def test_health_of_a_bare_cluster_names_the_crds_that_are_missing(bare: Engine) -> None:
    for arguments in ((), ("--all",)):
        answer = bare.command("health", *arguments)
        assert answer.returncode == 1, answer.stderr
        for resource in ("gitrepositories.source", "imagepolicies.image"):
            assert f"CRD {resource}.toolkit.fluxcd.io is not installed ({DEPLOY})" in answer.stdout


def test_preflight_names_what_is_in_the_way_and_its_owner(bare: Engine) -> None:
    for labels in ('{"kustomize.toolkit.fluxcd.io/name": "apps"}', "null"):
        manifest = f'{{"apiVersion": "v1", "kind": "Namespace", "metadata": {{"name": "apps", "labels": {labels}}}}}'
        bare.kubectl("apply", "--server-side", "-f", "-", stdin=manifest)
        answer = bare.command("preflight")
        assert answer.returncode == 1  # `up` would fail: it exists already
        owner = "Flux (Kustomization apps)" if labels != "null" else "kubectl"
        assert f"Namespace/apps: managed by {owner}" in row(answer, "LabelStudio")
        assert "pulumi config set adoptExisting true" in row(answer, "LabelStudio")
        bare.configure("adoptExisting", "true")
        answer = bare.command("preflight")
        assert answer.returncode == 0
        assert "this run adopts them" in row(answer, "LabelStudio")
        assert f"managed by {owner}" in row(answer, "LabelStudio")
        bare.reset_configuration()
    bare.kubectl("delete", "namespace", "apps")


def test_preflight_misses_a_node_and_a_storage_class(bare: Engine) -> None:
    bare.kubectl("delete", "node", "calypso")
    bare.kubectl("delete", "storageclass", "local-path")
    answer = bare.command("preflight")
    assert answer.returncode == 1
    assert "no node calypso in the cluster" in row(answer, "calypso")
    assert "none is the default" in row(answer, "storage class")
    bare.configure("labelStudioStorageClass", "fast")
    assert "fast does not exist" in row(bare.command("preflight"), "storage class")
    bare.configure("enableLabelStudio", "false")
    bare.configure("manageNodeLabels", "false")
    assert "no label oceanid.cluster/tunnel-enabled=true" in row(
        bare.command("preflight"), "daemonset/cloudflared-tunnel"
    )
    bare.configure("enableNodeTunnels", "false")
    answer = bare.command("preflight")
    assert answer.returncode == 0, answer.stdout
    bare.reset_configuration()
    bare.kubectl("apply", "-f", str(ROOT / "sandbox" / "cluster.yaml"))


def test_preflight_refuses_a_server_older_than_flux_needs(
    bare: Engine, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from oceanid_cluster.__main__ import main

    for name, value in bare.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(bare.folder)
    monkeypatch.setattr(versions, "minimum_kubernetes", lambda: "1.99")
    assert main(["preflight"]) == 1
    assert "Flux requires 1.99 or newer" in capfd.readouterr().out


def test_preflight_needs_the_stack_and_says_so(bare: Engine) -> None:
    answer = bare.command("preflight", "--stack", "nowhere")
    assert answer.returncode == 2
    assert answer.stderr.startswith("preflight: error: ")
    assert "nowhere" in answer.stderr
    assert "Traceback" not in answer.stderr


FOREIGN = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: GROUPED, labels: {app.kubernetes.io/part-of: flux}}
spec:
  group: GROUP
  names: {kind: Thing, plural: things}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
"""


def test_leftovers_does_not_name_the_flux_and_the_operator_of_somebody_else(bare: Engine) -> None:
    names: list[str] = []
    for group in ("source.toolkit.fluxcd.io", "pulumi.com"):
        names.append(f"things.{group}")
        manifest = FOREIGN.replace("GROUPED", names[-1]).replace("GROUP", group)
        bare.kubectl("apply", "-f", "-", stdin=manifest)
    answer = bare.command("leftovers")
    assert answer.returncode == 0
    assert answer.stdout == "Nothing of this program is left in the cluster.\n"
    bare.kubectl("delete", "crd", *names)


def test_after_a_failed_first_deploy_there_is_a_table_of_what_is_missing(bare: Engine) -> None:
    bare.configure("readyTimeoutMinutes", "1")
    bare.configure("pulumiOperatorChart", "./no-such-chart")
    assert bare.pulumi("up", "--yes", "--skip-preview").returncode != 0
    answer = bare.command("health")
    assert answer.returncode == 1, answer.stderr
    assert row(answer, "deployment/source-controller").endswith("ok 1/1")
    assert row(answer, "deployment/cloudflared").endswith(f"Deployment does not exist ({DEPLOY})")
    bare.reset_configuration()


def assert_leftovers_are_named(engine: Engine, several: Path) -> None:
    """What a destroy left is named, with commands that work in a shell that points elsewhere, too."""
    answer = engine.command("leftovers")
    assert "namespace apps, with volume claim label-studio-data" in answer.stdout, answer.stdout + answer.stderr
    assert "flux uninstall --namespace=flux-system" in answer.stdout
    assert "CRD stacks.pulumi.com" in answer.stdout
    assert re.search(r"kubectl delete customresourcedefinition .*stacks\.pulumi\.com", answer.stdout)
    engine.configure("kubeContext", "sandbox")
    answer = engine.command("leftovers", KUBECONFIG=str(several))
    assert "  flux --context sandbox uninstall --namespace=flux-system" in answer.stdout
    assert "  kubectl --context sandbox delete namespace " in answer.stdout
    engine.reset_configuration()
    engine.configure("kubeconfigPath", str(engine.sandbox.kubeconfig))
    answer = engine.command("leftovers", KUBECONFIG="")
    assert f"  kubectl --kubeconfig {engine.sandbox.kubeconfig} delete namespace " in answer.stdout
    engine.reset_configuration()
