"""The two commands that operators ask first: may a deploy start, and is the cluster healthy?"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from oceanid_cluster import versions
from oceanid_cluster.components.facts import DEPLOY
from oceanid_cluster.components.flux.settings import ALERTS
from oceanid_cluster.components.settings import CHAIN, EXPECTED
from oceanid_cluster.config.cluster import NODES
from sandbox.layout import ROOT
from tests.engine.engine import WORKLOADS, Engine, flux_reports, row
from tests.engine.prepared import started
from tests.engine.proxy import cut_proxy


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A cluster on which the program never ran, to break at will."""
    with started("bare", tmp_path_factory.mktemp("bare-cluster")) as engine:
        yield engine


def test_a_healthy_cluster_is_called_healthy(engine: Engine) -> None:
    flux_reports(engine)
    answer = engine.command("health")
    # The webhook's and the alerts' objects are made with keys that this stack has not.
    always = [one for one in EXPECTED if one.kind != "Receiver" and one.name != ALERTS]
    rows = 1 + len(NODES) + len(always)
    assert len(answer.stdout.splitlines()) == rows + 2
    assert answer.stdout.endswith(f"\n{rows} rows: {rows} ok\n")
    assert f" {engine.kubeconfig()['clusters'][0]['cluster']['server']}" in row(answer, "API server")
    assert row(answer, "node/calypso") == "NodeLabels node/calypso ok Ready, 4 labels"
    assert row(answer, "provider/github-updates") == "ImageAutomation -n flux-system provider/github-updates ok exists"
    assert (
        row(answer, "daemonset/cloudflared-tunnel") == "NodeTunnels -n node-tunnels daemonset/cloudflared-tunnel ok 1/1"
    )
    document = json.loads(engine.command("health", "--json", "--all").stdout)
    assert document["passed"] is True
    assert {entry["state"] for entry in document["rows"]} == {"ok"}


def test_health_waits_for_what_gets_ready_through_dropped_connections_and_no_longer(
    engine: Engine, tmp_path: Path
) -> None:
    flux_reports(engine)
    engine.kubectl("-n", "cloudflared", "rollout", "restart", "deployment", "cloudflared")
    with cut_proxy(engine, tmp_path, 7) as (seen, kubeconfig):
        engine.command("health", "--wait", "120", KUBECONFIG=str(kubeconfig))
    assert next(seen) > 8
    flux_reports(engine, ready=False)
    engine.command("health", "--wait", "1", code=1)
    flux_reports(engine)


def test_a_cluster_that_cannot_be_asked_is_neither_healthy_nor_unhealthy(engine: Engine, tmp_path: Path) -> None:
    kubeconfig = str(engine.unreachable(tmp_path))
    for command in ("health", "health --wait 3", "graph", "leftovers", "preflight"):
        answer = engine.command(*command.split(), code=1 if command == "preflight" else 2, KUBECONFIG=kubeconfig)
        said = answer.stdout if command == "preflight" else answer.stderr
        assert "cannot reach the Kubernetes API server" in said, command
        assert "ssh -L 16443:localhost:6443 tethys -N" in said, command
        assert "Traceback" not in answer.stdout + answer.stderr
        assert command == "preflight" or answer.stdout == ""


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
    assert answer.stdout.count(" warning ") == 1
    assert "warning" in row(answer, "Access")  # no Access application is known
    assert "managed by Pulumi" in row(answer, "CloudflareTunnel")
    assert "claim apps/label-studio-data: Bound, 10Gi, class local-path" in row(answer, "storage class")
    assert f"Flux requires {versions.minimum_kubernetes()} or newer" in row(answer, "version")
    uid = engine.kubectl("get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}")
    assert f"pulumi config set clusterUid {uid}" in row(answer, "identity")
    engine.command("preflight", "--stack", "sandbox")


def test_of_a_bare_cluster_preflight_passes_and_health_names_the_crds_that_are_missing(bare: Engine) -> None:
    assert bare.command("preflight").stdout.count("nothing yet") == len(CHAIN)
    for arguments in ((), ("--all",)):
        answer = bare.command("health", *arguments, code=1)
        for resource in ("gitrepositories.source", "imagepolicies.image"):
            assert f"CRD {resource}.toolkit.fluxcd.io is not installed ({DEPLOY})" in answer.stdout


def test_preflight_names_what_is_in_the_way_and_its_owner(bare: Engine) -> None:
    for labels, owner in (
        ('{"kustomize.toolkit.fluxcd.io/name": "apps"}', "Flux (Kustomization apps)"),
        ("{}", "kubectl"),
    ):
        manifest = f'{{"apiVersion": "v1", "kind": "Namespace", "metadata": {{"name": "apps", "labels": {labels}}}}}'
        bare.kubectl("apply", "--server-side", "-f", "-", stdin=manifest)
        answer = bare.command("preflight", code=1)  # `up` would fail: it exists already
        assert f"Namespace/apps: managed by {owner}" in row(answer, "LabelStudio")
        assert "pulumi config set adoptExisting true" in row(answer, "LabelStudio")
        bare.configure("adoptExisting", "true")
        answer = bare.command("preflight")
        assert "this run adopts them" in row(answer, "LabelStudio")
        assert f"managed by {owner}" in row(answer, "LabelStudio")
        bare.reset_configuration()
    bare.kubectl("delete", "namespace", "apps")


def test_preflight_misses_a_node_and_a_storage_class(bare: Engine) -> None:
    bare.kubectl("delete", "node", "calypso")
    bare.kubectl("delete", "storageclass", "local-path")
    answer = bare.command("preflight", code=1)
    assert "no node calypso in the cluster" in row(answer, "calypso")
    assert "none is the default" in row(answer, "storage class")
    bare.configure("labelStudioStorageClass", "fast")
    assert "fast does not exist" in row(bare.command("preflight", code=1), "storage class")
    bare.configure("enableLabelStudio", "false")
    bare.configure("manageNodeLabels", "false")
    answer = bare.command("preflight", code=1)
    assert "no label oceanid.cluster/tunnel-enabled=true" in row(answer, "daemonset/cloudflared-tunnel")
    bare.configure("enableNodeTunnels", "false")
    bare.command("preflight")
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
    answer = bare.command("preflight", "--stack", "nowhere", code=2)
    assert answer.stderr.startswith("preflight: error: ")
    assert "nowhere" in answer.stderr
    assert "Traceback" not in answer.stderr
