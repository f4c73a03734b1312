"""Nothing lost: components off and on, adoption, a pod that never gets ready, destroy."""

import base64
import json
import re
from pathlib import Path
from typing import Any

from oceanid_cluster.components.settings import CHAIN
from tests.engine.engine import PODS, Answer, Engine, flux_reports
from tests.engine.test_graph import ARROWS, chain, picture
from tests.engine.test_health_and_preflight import assert_leftovers_are_named, elsewhere, row

OFF = ("enableNodeTunnels", "enableImageAutomation", "enableLabelStudio", "manageNodeLabels")


def deploy(engine: Engine) -> Answer:
    """The ``up`` of the workflow."""
    return engine.command("workflow", "up", "--stack", "sandbox")


def label_studio_values(engine: Engine) -> dict[str, str]:
    """Label Studio's Secret, and the password that the stack answers with."""
    live = json.loads(engine.kubectl("-n", "apps", "get", "secret", "labelstudio-app-credentials", "-o", "json"))
    answer = engine.pulumi("stack", "output", "labelStudioAdminPassword", "--show-secrets")
    return {**live["data"], "output": base64.b64encode(answer.stdout.strip().encode()).decode()}


def kept_uids(engine: Engine) -> dict[str, str]:
    """The namespaces and volume claims."""
    found = engine.objects("namespaces", "persistentvolumeclaims")
    return {f"{one['kind']}/{one['metadata']['name']}": one["metadata"]["uid"] for one in found}


def labels_of_nodes(engine: Engine) -> dict[str, set[str]]:
    return {node["metadata"]["name"]: set(node["metadata"]["labels"]) for node in engine.objects("nodes")}


FLUX_OBJECTS = {
    f"{kind}.{group}.toolkit.fluxcd.io"
    for group, kinds in {
        "source": ("gitrepositories",),
        "kustomize": ("kustomizations",),
        "image": ("imagerepositories", "imagepolicies", "imageupdateautomations"),
        "notification": ("receivers",),
    }.items()
    for kind in kinds
}


def flux_objects(engine: Engine) -> dict[str, dict[str, Any]]:
    """The metadata of our Flux objects, by kind and name."""
    return {f"{o['kind']}/{o['metadata']['name']}": o["metadata"] for o in engine.objects(*sorted(FLUX_OBJECTS))}


def finalized_by_flux(engine: Engine) -> dict[str, str]:
    """Put Flux's finalizer on every object of ours that its controllers put it on; returns the objects' uids.

    Source, kustomize, image-reflector, image-automation and notification controllers do so first of all (their
    Reconcile functions), and nobody but they takes it off. Here none of them runs.
    """
    patch = '{"metadata": {"finalizers": ["finalizers.fluxcd.io"]}}'
    kinds = ",".join(sorted(FLUX_OBJECTS))
    for name in engine.kubectl("-n", "flux-system", "get", kinds, "-o", "name").split():
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
    uids, values, flux, labels = (
        kept_uids(clean), label_studio_values(clean), finalized_by_flux(clean), labels_of_nodes(clean),
    )  # fmt: skip
    assert values["admin-password"] == values["output"]
    assert len(image_controllers(clean)) == 2
    for flag in OFF:
        clean.configure(flag, "false")
    gone = {name for name, operation in clean.up().changes.items() if operation == "delete"}
    assert {"node-tunnels-daemonset", "label-studio-deploy", "version-monitor-update-automation"} <= gone
    assert_off(clean, uids, flux, labels)
    # The state has the generated values, too: without this Secret they come from there.
    clean.kubectl("-n", "apps", "delete", "secret", "labelstudio-app-credentials")
    for flag in OFF:
        clean.configure(flag, None)
    refused = deploy(clean)
    assert refused.returncode == 2
    assert re.search(
        r'"(node-tunnels|label-studio-data|flux-system|cloudflared|cert-manager)" already exists', refused.stdout
    )
    assert "adoptExisting" in refused.stderr
    clean.adopt()
    assert kept_uids(clean) == uids
    assert label_studio_values(clean) == values
    assert labels_of_nodes(clean) == labels
    assert_untouched(clean, flux)
    assert len(image_controllers(clean)) == 2
    assert clean.up().changes == {}


def assert_off(engine: Engine, uids: dict[str, str], flux: dict[str, str], labels: dict[str, set[str]]) -> None:
    """The workloads are gone, what cannot be made again is there, and the commands miss nothing."""
    assert kept_uids(engine) == uids
    assert [one for one in engine.objects("daemonsets") if one["metadata"]["namespace"] == "node-tunnels"] == []
    assert image_controllers(engine) == set()
    assert_untouched(engine, flux)  # inert: nobody acts on them
    for kind in ("providers", "alerts"):  # these would go on working
        assert engine.kubectl("-n", "flux-system", "get", f"{kind}.notification.toolkit.fluxcd.io", "-o", "name") == ""
    kept = engine.kubectl("-n", "apps", "get", "secret,pvc", "-o", "name").split()
    assert {"secret/labelstudio-app-credentials", "persistentvolumeclaim/label-studio-data"} <= set(kept)
    own = {
        name: {label for label in found if not label.startswith("oceanid.cluster/")} for name, found in labels.items()
    }
    assert labels_of_nodes(engine) == own
    flux_reports(engine)
    answer = engine.command("health", "--stack", "sandbox")
    assert answer.returncode == 0, answer.stdout
    assert "NodeTunnels" not in answer.stdout
    assert "does not exist" in engine.command("health", "--all").stdout
    text = picture(engine, "--stack", "sandbox")
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
    assert answer.returncode == 2
    assert re.search(r"label-studio-\w+-\w+\b.*didn't match Pod's node affinity/selector", text), text
    assert "Traceback" not in text
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
    answer = clean.pulumi("destroy", "--yes", "--skip-preview", "--run-program")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert_destroyed(clean, uids, answer.stdout)
    assert_leftovers_are_named(clean, elsewhere(clean, tmp_path))
    clean.configure("adoptExisting", "true")
    preflight = clean.command("preflight")
    assert preflight.returncode == 0, preflight.stdout
    assert "this run adopts them (adoptExisting)" in row(preflight, "FluxBootstrap")
    clean.up()
    assert_untouched(clean, uids)
    assert label_studio_values(clean) == values
    assert len([o for o in clean.pods() if o["status"]["phase"] == "Running"]) == PODS
    # The key goes after the test, and with it the Receiver: here nobody else would finish that.
    patch = ("patch", "receiver", "flux-system", "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
    clean.kubectl("-n", "flux-system", *patch)


def assert_destroyed(engine: Engine, uids: dict[str, str], said: str) -> None:
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
    for name in ours - {"flux-system"}:
        assert f" {name}" in leftovers.partition("kubectl delete namespace")[2].partition("\n")[0]
    assert [name for name in definitions if name not in leftovers] == []
    preflight = engine.command("preflight")
    assert preflight.returncode == 1
    assert "in the cluster, not in the state. Adopt them, for one run" in row(preflight, "FluxBootstrap")
