"""Nothing lost: components off and on, adoption, a pod that never gets ready, the predecessor's stack, destroy."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from sandbox.layout import ROOT
from tests.engine.conftest import Answer, Engine


def test_a_component_turned_off_keeps_its_namespace_and_is_taken_back(clean: Engine) -> None:
    kept = {o["metadata"]["uid"] for o in clean.objects("namespaces") if o["metadata"]["name"] == "node-tunnels"}
    clean.configure("enableNodeTunnels", "false")
    planned = clean.planned()
    assert set(planned.values()) == {"delete"}
    assert all(name.startswith("node-tunnels") for name in planned)
    clean.up()
    assert not [o for o in clean.objects("daemonsets") if o["metadata"]["namespace"] == "node-tunnels"]
    clean.configure("enableNodeTunnels", None)
    refused = clean.pulumi("up", "--yes", "--skip-preview")
    assert refused.returncode != 0
    assert "node-tunnels" in refused.stdout
    assert "exist" in refused.stdout
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


def test_an_object_that_exists_is_named_and_can_be_imported(clean: Engine) -> None:
    clean.pulumi("state", "delete", clean.state()["ls-triton-adapter-svc"]["urn"], "--yes")
    refused = clean.pulumi("up", "--yes", "--skip-preview")
    assert refused.returncode != 0
    assert "apps/ls-triton-adapter" in refused.stdout or '"ls-triton-adapter"' in refused.stdout
    uid = clean.kubectl("-n", "apps", "get", "service", "ls-triton-adapter", "-o", "jsonpath={.metadata.uid}")
    clean.configure("adoptExisting", "true")
    clean.up()
    assert uid == clean.kubectl("-n", "apps", "get", "service", "ls-triton-adapter", "-o", "jsonpath={.metadata.uid}")


def test_a_pod_that_never_gets_ready_is_named_with_its_reason_and_the_rest_stays(clean: Engine) -> None:
    clean.configure("readyTimeoutMinutes", "1")
    clean.configure("labelStudioNodeSelector", '{"kubernetes.io/hostname": "nowhere"}')
    clean.configure("gitRepositoryIntervalSeconds", "75")
    answer = clean.pulumi("up", "--yes", "--skip-preview")
    text = answer.stdout + answer.stderr
    assert answer.returncode != 0
    assert "label-studio" in text
    assert "node" in text
    assert "Traceback" not in text
    assert clean.state()["gitops-git-repo"]["inputs"]["spec"]["interval"] == "75s"


def takeover(text: str) -> Answer:
    """The command of docs/takeover.md on a state export."""
    command = [sys.executable, "-m", "oceanid_cluster.takeover", "oceanid-sandbox"]
    return subprocess.run(command, cwd=ROOT, input=text, text=True, capture_output=True, check=False)


def predecessor(export: dict[str, Any]) -> dict[str, Any]:
    """Our own state as the TypeScript program would have written it, with a resource that is out of scope."""
    text = json.dumps(export).replace(
        "kubernetes:image.toolkit.fluxcd.io/v1:", "kubernetes:image.toolkit.fluxcd.io/v1beta2:"
    )
    state: dict[str, Any] = json.loads(text)
    resources: list[dict[str, Any]] = state["deployment"]["resources"]
    for resource in resources:
        if resource["type"] == "kubernetes:core/v1:Secret":
            resource["inputs"].pop("type", None)
        if resource["type"] == "pulumi:providers:kubernetes":
            for side in ("inputs", "outputs"):
                resource[side].pop("clusterIdentifier", None)
    stack = next(resource for resource in resources if resource["type"] == "pulumi:pulumi:Stack")
    prefix = stack["urn"].partition("pulumi:pulumi:Stack::")[0]
    component = {"type": "oceanid:apps:AnnotationsSink", "custom": False, "parent": stack["urn"]}
    resources.append({"urn": f"{prefix}oceanid:apps:AnnotationsSink::annotations-sink", **component})
    return state


def test_the_predecessors_stack_is_taken_over_without_a_deletion_or_a_replacement(
    clean: Engine, tmp_path: Path
) -> None:
    before = clean.pulumi("stack", "export").stdout
    old = predecessor(json.loads(before))
    prepared = takeover(json.dumps(old))
    assert prepared.returncode == 0
    assert "leaves the state, not the cluster" in prepared.stderr
    assert "annotations-sink" in prepared.stderr
    uids = {
        o["metadata"]["uid"] for o in clean.objects("secrets", "deployments", "namespaces", "persistentvolumeclaims")
    }
    file = tmp_path / "state.json"
    file.write_text(prepared.stdout, encoding="utf-8")
    assert clean.pulumi("stack", "import", "--file", str(file)).returncode == 0
    planned = clean.planned()
    assert set(planned.values()) <= {"update", "create"}
    assert {name for name, op in planned.items() if op == "create"} <= {
        "rollout-key", "nodes", "nodes-tethys", "nodes-styx", "nodes-calypso",
    }  # fmt: skip
    clean.up()
    assert clean.planned() == {}
    assert uids == {
        o["metadata"]["uid"] for o in clean.objects("secrets", "deployments", "namespaces", "persistentvolumeclaims")
    }  # fmt: skip


def test_what_is_no_state_is_refused_by_the_takeover() -> None:
    for text in ("", "[]", "{}", '{"deployment": {"resources": [], "pending_operations": [{}]}}'):
        answer = takeover(text)
        assert answer.returncode == 1
        assert answer.stderr.startswith("takeover: error: ")
        assert "Traceback" not in answer.stderr


def test_destroy_keeps_what_cannot_be_made_again_and_up_works_after_it(clean: Engine) -> None:
    answer = clean.pulumi("destroy", "--yes", "--skip-preview")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    namespaces = {o["metadata"]["name"]: o["status"]["phase"] for o in clean.objects("namespaces")}
    ours = {"flux-system", "pulumi-system", "cloudflared", "node-tunnels", "apps"}
    assert {name: namespaces.get(name) for name in ours} == dict.fromkeys(ours, "Active")
    assert "persistentvolumeclaim/label-studio-data" in clean.kubectl("-n", "apps", "get", "pvc", "-o", "name")
    assert "gitrepositories.source.toolkit.fluxcd.io" in clean.kubectl("get", "crd", "-o", "name")
    assert [o["metadata"]["name"] for o in clean.objects("deployments", "daemonsets")] == []
    assert [label for label in json.loads(clean.kubectl("get", "node", "calypso", "-o", "json"))["metadata"]["labels"]
            if label.startswith("oceanid.cluster/")] == []  # fmt: skip
    clean.configure("adoptExisting", "true")
    clean.up()
    assert len([o for o in clean.objects("pods") if o["status"]["phase"] == "Running"]) == 12
