"""Nothing lost: components off and on, adoption, a pod that never gets ready, destroy."""

import base64
import json
import re
from pathlib import Path
from typing import Any

from oceanid_cluster.components.settings import CHAIN
from tests.engine.engine import FLUX_KINDS, PODS, Answer, Engine, elsewhere, flux_reports, row
from tests.engine.test_graph import ARROWS, chain

OFF = ("enableNodeTunnels", "enableImageAutomation", "enableLabelStudio", "manageNodeLabels")


def deploy(engine: Engine) -> Answer:
    """The ``up`` of the workflow, which fails."""
    return engine.command("workflow", "up", "--stack", "sandbox", code=2)


def label_studio_values(engine: Engine) -> dict[str, str]:
    """Label Studio's Secret, and the password that the stack answers with."""
    live = json.loads(engine.kubectl("-n", "apps", "get", "secret", "labelstudio-app-credentials", "-o", "json"))
    answer = engine.pulumi("stack", "output", "labelStudioAdminPassword", "--show-secrets")
    return {**live["data"], "output": base64.b64encode(answer.stdout.strip().encode()).decode()}


def kept_uids(engine: Engine) -> dict[str, str]:
    """The namespaces and volume claims."""
    found = engine.objects("namespaces", "persistentvolumeclaims")
    return {f"{one['kind']}/{one['metadata']['name']}": one["metadata"]["uid"] for one in found}


def flux_objects(engine: Engine) -> dict[str, dict[str, Any]]:
    """The metadata of our Flux objects, by kind and name."""
    return {f"{o['kind']}/{o['metadata']['name']}": o["metadata"] for o in engine.objects(*FLUX_KINDS)}


def finalized_by_flux(engine: Engine) -> dict[str, str]:
    """Put Flux's finalizer on every object of ours that its controllers put it on; returns the objects' uids.

    Source, kustomize, image-reflector, image-automation and notification controllers do so first of all (their
    Reconcile functions), and nobody but they takes it off. Here none of them runs.
    """
    patch = '{"metadata": {"finalizers": ["finalizers.fluxcd.io"]}}'
    for name in engine.kubectl("-n", "flux-system", "get", ",".join(FLUX_KINDS), "-o", "name").split():
        engine.kubectl("-n", "flux-system", "patch", name, "--type=merge", "-p", patch)
    return {name: metadata["uid"] for name, metadata in flux_objects(engine).items()}


def assert_untouched(engine: Engine, uids: dict[str, str]) -> None:
    """The Flux objects are the same ones, and none of them waits for somebody to finish its deletion."""
    found = flux_objects(engine)
    assert {name: metadata["uid"] for name, metadata in found.items()} == uids
    assert not [name for name, metadata in found.items() if "deletionTimestamp" in metadata]


def image_controllers(engine: Engine) -> set[str]:
    found = engine.kubectl("-n", "flux-system", "get", "deployments", "-o", "name").split()
    return {name for name in found if "image" in name}


def test_components_turned_off_keep_what_cannot_be_made_again_and_are_adopted_when_they_come_back(
    clean: Engine,
) -> None:
    flux_reports(clean)
    uids, values, flux = kept_uids(clean), label_studio_values(clean), finalized_by_flux(clean)
    labels = clean.node_labels()
    assert values["admin-password"] == values["output"]
    assert len(image_controllers(clean)) == 2
    for flag in OFF:
        clean.configure(flag, "false")
    gone = {name for name, operation in clean.up().changes.items() if operation == "delete"}
    assert {"node-tunnels-daemonset", "label-studio-deploy", "version-monitor-update-automation"} <= gone
    assert_off(clean, uids, flux)
    # The state has the generated values, too: without this Secret they come from there.
    clean.kubectl("-n", "apps", "delete", "secret", "labelstudio-app-credentials")
    for flag in OFF:
        clean.configure(flag, None)
    refused = deploy(clean)
    assert re.search(
        r'"(node-tunnels|label-studio-data|flux-system|cloudflared|cert-manager)" already exists', refused.stdout
    )
    assert "adoptExisting" in refused.stderr
    clean.adopt()
    assert kept_uids(clean) == uids
    assert label_studio_values(clean) == values
    assert clean.node_labels() == labels
    assert_untouched(clean, flux)
    assert len(image_controllers(clean)) == 2
    assert clean.up().changes == {}


def assert_off(engine: Engine, uids: dict[str, str], flux: dict[str, str]) -> None:
    """The workloads are gone, what cannot be made again is there, and the commands miss nothing."""
    assert kept_uids(engine) == uids
    assert [one for one in engine.objects("daemonsets") if one["metadata"]["namespace"] == "node-tunnels"] == []
    assert image_controllers(engine) == set()
    assert_untouched(engine, flux)  # inert: nobody acts on them
    for kind in ("providers", "alerts"):  # these would go on working
        assert engine.kubectl("-n", "flux-system", "get", f"{kind}.notification.toolkit.fluxcd.io", "-o", "name") == ""
    kept = engine.kubectl("-n", "apps", "get", "secret,pvc", "-o", "name").split()
    assert {"secret/labelstudio-app-credentials", "persistentvolumeclaim/label-studio-data"} <= set(kept)
    assert not any(engine.node_labels().values())
    flux_reports(engine)
    answer = engine.command("health", "--stack", "sandbox")
    assert "NodeTunnels" not in answer.stdout
    assert "does not exist" in engine.command("health", "--all", code=1).stdout
    text = engine.command("graph", "--stack", "sandbox").stdout
    assert 'NodeTunnels (node-tunnels)"]:::off' in text
    assert chain(text) == {
        arrow for arrow in ARROWS if not {"NodeTunnels", "ImageAutomation", "LabelStudio"} & {*arrow}
    } | {("CloudflareTunnel", "TritonAdapter")}


def test_a_pod_that_never_gets_ready_is_named_with_its_reason_and_the_rest_stays(clean: Engine) -> None:
    clean.configure("readyTimeoutMinutes", "1")
    clean.configure("labelStudioNodeSelector", '{"kubernetes.io/hostname": "nowhere"}')
    clean.configure("gitRepositoryIntervalSeconds", "75")
    answer = deploy(clean)
    text = answer.stdout + answer.stderr
    assert re.search(r"label-studio-\w+-\w+\b.*didn't match Pod's node affinity/selector", text), text
    assert "Traceback" not in text
    health = clean.command("health", code=1)
    assert re.search(r"label-studio-\w+-\w+: .*didn't match", row(health, "deployment/label-studio"))
    state = clean.state()
    assert state["label-studio-deploy"]["initErrors"]
    assert state["gitops-git-repo"]["inputs"]["spec"]["interval"] == "75s"


def test_destroy_ends_where_flux_is_dead_keeps_what_cannot_be_made_again_and_up_works_after_it(
    clean: Engine, tmp_path: Path
) -> None:
    clean.configure("flux.webhook_hostname", "flux.boathou.se")
    clean.configure("flux.webhook_token", "canary-of-the-webhook-of-32-characters", secret=True)
    clean.up()
    uids = finalized_by_flux(clean)
    assert "Receiver/flux-system" in uids
    values = label_studio_values(clean)
    answer = clean.pulumi("destroy", "--run-program")
    assert_destroyed(clean, uids, answer.stdout, elsewhere(clean, tmp_path))
    clean.configure("adoptExisting", "true")
    preflight = clean.command("preflight")
    assert "this run adopts them (adoptExisting)" in row(preflight, "FluxBootstrap")
    clean.up()
    assert_untouched(clean, uids)
    assert label_studio_values(clean) == values
    assert len([o for o in clean.pods() if o["status"]["phase"] == "Running"]) == PODS
    # The key goes after the test, and with it the Receiver: here nobody else would finish that.
    patch = ("patch", "receiver", "flux-system", "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
    clean.kubectl("-n", "flux-system", *patch)


def assert_destroyed(engine: Engine, uids: dict[str, str], said: str, several: Path) -> None:
    """What cannot be made again is there, nothing waits for anybody, and the commands say what is left."""
    assert_untouched(engine, uids)
    namespaces = {o["metadata"]["name"]: o["status"]["phase"] for o in engine.objects("namespaces")}
    ours = {facts.namespace for facts in CHAIN}
    assert {name: namespaces.get(name) for name in ours} == dict.fromkeys(ours, "Active")
    kept = engine.kubectl("-n", "apps", "get", "pvc,secret", "-o", "name").split()
    assert kept == ["persistentvolumeclaim/label-studio-data", "secret/labelstudio-app-credentials"]
    definitions = engine.kubectl("get", "crd", "-o", "jsonpath={.items[*].metadata.name}").split()
    assert "gitrepositories.source.toolkit.fluxcd.io" in definitions
    assert [o["metadata"]["name"] for o in engine.objects("deployments", "daemonsets")] == []
    assert said.count("[retain]") >= len(ours) + len(uids) - 1  # the Receiver is left with its namespace
    leftovers = engine.command("leftovers").stdout
    assert "namespace apps, with volume claim label-studio-data" in leftovers
    assert "flux uninstall --namespace=flux-system" in leftovers
    for name in ours - {"flux-system"}:
        assert f" {name}" in leftovers.partition("kubectl delete namespace")[2].partition("\n")[0]
    assert [name for name in definitions if name not in leftovers] == []
    assert re.search(r"kubectl delete customresourcedefinition .*stacks\.pulumi\.com", leftovers)
    # The commands work in a shell that points elsewhere, too.
    for key, value in (("kubeconfigPath", str(several)), ("kubeContext", "sandbox")):
        engine.configure(key, value)
    leftovers = engine.command("leftovers", KUBECONFIG="").stdout
    assert f"  flux --kubeconfig {several} --context sandbox uninstall --namespace=flux-system" in leftovers
    assert f"  kubectl --kubeconfig {several} --context sandbox delete namespace " in leftovers
    for key in ("kubeconfigPath", "kubeContext"):
        engine.configure(key, None)
    preflight = engine.command("preflight", code=1)
    assert "in the cluster, not in the state. Adopt them, for one run" in row(preflight, "FluxBootstrap")
