"""Nothing lost: components off and on, adoption, a pod that never gets ready, destroy."""

import base64
import json
import re
from typing import Any

from sandbox.engine import ADOPT
from tests.engine.engine import PODS, Answer, Engine


def deploy(engine: Engine) -> Answer:
    """The ``up`` of the workflow."""
    return engine.command("workflow", "up", "--stack", "sandbox")


def test_a_component_turned_off_keeps_its_namespace_and_is_adopted_again(clean: Engine) -> None:
    kept = {o["metadata"]["uid"] for o in clean.objects("namespaces") if o["metadata"]["name"] == "node-tunnels"}
    clean.configure("enableNodeTunnels", "false")
    planned = clean.planned()
    assert set(planned.values()) == {"delete"}
    assert all(name.startswith("node-tunnels") for name in planned)
    clean.up()
    assert not [o for o in clean.objects("daemonsets") if o["metadata"]["namespace"] == "node-tunnels"]
    clean.configure("enableNodeTunnels", None)
    refused = deploy(clean)
    assert refused.returncode == 1
    assert 'namespaces "node-tunnels" already exists' in refused.stdout
    assert "adoptExisting" in refused.stderr
    clean.configure("adoptExisting", "true")
    clean.up()
    clean.configure("adoptExisting", None)
    clean.up()
    assert clean.planned() == {}
    assert kept == {
        o["metadata"]["uid"] for o in clean.objects("namespaces") if o["metadata"]["name"] == "node-tunnels"
    }


def test_the_namespace_of_the_applications_survives_a_change_of_its_owner(clean: Engine) -> None:
    def volume() -> str:
        return clean.kubectl("-n", "apps", "get", "pvc", "label-studio-data", "-o", "jsonpath={.metadata.uid}")

    before = volume()
    clean.configure("enableLabelStudio", "false")
    assert "label-studio-ns" not in {name for name, op in clean.planned().items() if op in ("delete", "create")}
    clean.up()
    clean.configure("enableLabelStudio", None)
    clean.configure("adoptExisting", "true")
    clean.up()
    assert volume() == before


def test_an_object_that_exists_is_named_and_adopted_without_being_touched(clean: Engine) -> None:
    def uid() -> str:
        return clean.kubectl("-n", "apps", "get", "service", "ls-triton-adapter", "-o", "jsonpath={.metadata.uid}")

    before = uid()
    clean.pulumi("state", "delete", clean.state()["ls-triton-adapter-svc"]["urn"], "--yes")
    refused = deploy(clean)
    assert refused.returncode == 1
    assert 'services "ls-triton-adapter" already exists' in refused.stdout
    assert "adoptExisting" in refused.stderr
    clean.configure("adoptExisting", "true")
    clean.up()
    assert uid() == before


def test_a_pod_that_never_gets_ready_is_named_with_its_reason_and_the_rest_stays(clean: Engine) -> None:
    clean.configure("readyTimeoutMinutes", "1")
    clean.configure("labelStudioNodeSelector", '{"kubernetes.io/hostname": "nowhere"}')
    clean.configure("gitRepositoryIntervalSeconds", "75")
    answer = deploy(clean)
    text = answer.stdout + answer.stderr
    assert answer.returncode == 1
    assert re.search(r"label-studio-\w+-\w+\b.*didn't match Pod's node affinity/selector", text), text
    assert "Traceback" not in text
    state = clean.state()
    assert state["label-studio-deploy"]["initErrors"]
    assert state["gitops-git-repo"]["inputs"]["spec"]["interval"] == "75s"
    assert clean.planned() == {"label-studio-deploy": "update"}


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
    for kind in FLUX_OBJECTS:
        for name in engine.kubectl("-n", "flux-system", "get", kind, "-o", "name").split():
            engine.kubectl("-n", "flux-system", "patch", name, "--type=merge", "-p", patch)
    return {name: metadata["uid"] for name, metadata in flux_objects(engine).items()}


def assert_untouched(engine: Engine, uids: dict[str, str]) -> None:
    """The Flux objects are the same ones, and none of them waits for somebody to finish its deletion."""
    found = flux_objects(engine)
    assert {name: metadata["uid"] for name, metadata in found.items()} == uids
    assert not [name for name, metadata in found.items() if "deletionTimestamp" in metadata]


def label_studio_values(engine: Engine) -> dict[str, str]:
    """Label Studio's Secret, and the password that the stack answers with."""
    live = json.loads(engine.kubectl("-n", "apps", "get", "secret", "labelstudio-app-credentials", "-o", "json"))
    answer = engine.pulumi("stack", "output", "labelStudioAdminPassword", "--show-secrets")
    return {**live["data"], "output": base64.b64encode(answer.stdout.strip().encode()).decode()}


def adopt(engine: Engine) -> None:
    """Adopt what already exists, by the provider's own variable, which leaves nothing in the state."""
    answer = engine.pulumi("up", "--yes", "--skip-preview", variables=ADOPT)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_label_studio_turned_off_and_on_again_keeps_its_generated_secrets(clean: Engine) -> None:
    before = label_studio_values(clean)
    assert before["admin-password"] == before["output"]
    clean.configure("enableLabelStudio", "false")
    clean.up()
    assert clean.planned() == {}
    kept = clean.kubectl("-n", "apps", "get", "secret,pvc", "-o", "name").split()
    assert {"secret/labelstudio-app-credentials", "persistentvolumeclaim/label-studio-data"} <= set(kept)
    # The state has them too: without this Secret they come from there.
    clean.kubectl("-n", "apps", "delete", "secret", "labelstudio-app-credentials")
    clean.configure("enableLabelStudio", None)
    adopt(clean)
    assert label_studio_values(clean) == before
    assert clean.planned() == {}


def test_an_edited_secret_of_label_studio_is_repaired_with_the_value_in_the_state(clean: Engine) -> None:
    before = label_studio_values(clean)
    edit = json.dumps({"data": {"secret-key": base64.b64encode(b"edited").decode()}})
    clean.kubectl("-n", "apps", "patch", "secret", "labelstudio-app-credentials", "--type=merge", "-p", edit)
    clean.up("--refresh")
    assert label_studio_values(clean) == before


def test_image_automation_turned_off_takes_its_controllers_with_it_and_leaves_nothing_stuck(clean: Engine) -> None:
    def controllers() -> set[str]:
        found = clean.kubectl("-n", "flux-system", "get", "deployments", "-o", "name").split()
        return {name for name in found if "image" in name}

    assert len(controllers()) == 2
    uids = finalized_by_flux(clean)
    clean.configure("enableImageAutomation", "false")
    clean.up()
    assert controllers() == set()
    assert_untouched(clean, uids)  # inert: nobody acts on them
    for kind in ("providers", "alerts"):  # these would go on working
        assert clean.kubectl("-n", "flux-system", "get", f"{kind}.notification.toolkit.fluxcd.io", "-o", "name") == ""
    assert clean.planned() == {}
    clean.configure("enableImageAutomation", None)
    adopt(clean)
    assert_untouched(clean, uids)
    assert len(controllers()) == 2
    assert clean.planned() == {}


def test_destroy_ends_where_flux_is_dead_keeps_what_cannot_be_made_again_and_up_works_after_it(clean: Engine) -> None:
    clean.configure("flux.webhook_hostname", "flux.boathou.se")
    clean.configure("flux.webhook_token", "canary-of-the-webhook-of-32-characters", secret=True)
    clean.up()
    uids = finalized_by_flux(clean)
    assert "Receiver/flux-system" in uids
    values = label_studio_values(clean)
    answer = clean.pulumi("destroy", "--yes", "--skip-preview")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert_untouched(clean, uids)
    namespaces = {o["metadata"]["name"]: o["status"]["phase"] for o in clean.objects("namespaces")}
    ours = {"flux-system", "pulumi-system", "cloudflared", "node-tunnels", "apps"}
    assert {name: namespaces.get(name) for name in ours} == dict.fromkeys(ours, "Active")
    kept = clean.kubectl("-n", "apps", "get", "pvc,secret", "-o", "name").split()
    assert kept == ["persistentvolumeclaim/label-studio-data", "secret/labelstudio-app-credentials"]
    definitions = clean.kubectl("get", "crd", "-o", "jsonpath={.items[*].metadata.name}").split()
    assert "gitrepositories.source.toolkit.fluxcd.io" in definitions
    assert [o["metadata"]["name"] for o in clean.objects("deployments", "daemonsets")] == []
    assert answer.stdout.count("[retain]") >= len(ours) + len(uids) - 1  # the Receiver is left with its namespace
    said = clean.command("leftovers").stdout
    assert "namespace apps, with volume claim label-studio-data" in said
    assert "flux uninstall --namespace=flux-system" in said
    for name in ours - {"flux-system"}:
        assert f" {name}" in said.partition("kubectl delete namespace")[2].partition("\n")[0]
    assert [name for name in definitions if name not in said] == []
    adopt(clean)
    assert_untouched(clean, uids)
    assert clean.planned() == {}
    assert label_studio_values(clean) == values
    assert len([o for o in clean.pods() if o["status"]["phase"] == "Running"]) == PODS
    # The key goes after the test, and with it the Receiver: here nobody else would finish that.
    patch = ("patch", "receiver", "flux-system", "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
    clean.kubectl("-n", "flux-system", *patch)
