"""What the program registers, under Pulumi's mocks: resources, names, edges, secrets, and the rules for every pod."""

import base64
import json
import re

import pytest

from oceanid_cluster.commands.existing import managed_by_us
from oceanid_cluster.commands.registrations import inputs_of, masked
from oceanid_cluster.components.facts import Facts
from oceanid_cluster.components.flux.component import CRD_TYPE, SERVICE_TYPE
from oceanid_cluster.components.settings import CHAIN, COMPONENTS
from oceanid_cluster.config.schema import keys_of
from oceanid_cluster.manifests.pods import pull_policy
from tests.program import (
    ORDER,
    PRUNE,
    RECONCILE,
    Program,
    config_file,
    pod_of,
    transformed,
    waits_for,
    workloads,
)
from tests.recorded import ROOT, dependencies, manifests, plain
from tests.samples import EVERYTHING, NODE_TUNNEL, REQUIRED, connector_token

# What the state of the live stack holds (spec, section 9), beside the objects of Flux's chart.
PREDECESSOR = json.loads((ROOT / "tests" / "data" / "predecessor.json").read_text(encoding="utf-8"))
HANDED_OVER = [one for one in PREDECESSOR if ":" not in one["name"]]


def test_every_component_is_installed_from_the_six_keys(program: Program) -> None:
    resources = program(REQUIRED).resources
    assert {facts.logical_name: resources[facts.logical_name].typ for facts in CHAIN} == {
        facts.logical_name: facts.type_token for facts in CHAIN
    }
    assert not [name for name, resource in resources.items() if "cloudflare:" in resource.typ]


@pytest.mark.parametrize("facts", CHAIN[1:], ids=lambda facts: facts.name)
def test_every_component_waits_for_an_earlier_one(program: Program, facts: Facts) -> None:
    run = program(REQUIRED)
    before = CHAIN[: CHAIN.index(facts)]
    own, *others = (
        {name for name, one in run.requests.items() if one.parent.endswith(f"::{facts.logical_name}")}
        for facts in (facts, *before)
    )
    assert any(waits_for(run, name) & other for name in own for other in others)


def test_objects_without_pods_wait_only_for_their_namespace_and_all_else_for_the_earlier_components(
    program: Program,
) -> None:
    """A rollout takes minutes: meanwhile the next component's Secrets are made, and not one of its pods."""
    run = program(REQUIRED)
    earlier = {run.requests[name].parent: before for name, before in ORDER.items()}
    early: set[str] = set()
    for name, request in run.requests.items():
        if request.parent in earlier and not earlier[request.parent] <= waits_for(run, name):
            early.add(request.type.rpartition(":")[2])
            near = (request.parent, run.requests["pko"].parent)  # the component, or the stack: a generated value
            own = {one for one, other in run.requests.items() if other.parent in near}
            assert dependencies(run, name) <= own | {"label-studio-ns"}, name
    assert early == {
        "Namespace", "Secret", "ConfigMap", "PersistentVolumeClaim", "ServiceAccount", "Role", "RoleBinding",
        "Service", "NetworkPolicy", "PodDisruptionBudget", "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    }  # fmt: skip


def test_nothing_waits_for_the_root_kustomization(program: Program) -> None:
    annotations = plain(program(REQUIRED).resources["gitops-kustomization"].inputs)["metadata"].get("annotations", {})
    assert "pulumi.com/waitFor" not in annotations


@pytest.mark.parametrize("off", [name for name in COMPONENTS if name != "flux"])
def test_each_component_can_be_turned_off_alone(program: Program, off: str) -> None:
    section = COMPONENTS[off]
    run = program({**REQUIRED, keys_of(section)["enabled"].name: "false"})
    present = {facts.logical_name for facts in CHAIN} & run.resources.keys()
    assert present == {facts.logical_name for facts in CHAIN if facts != section.facts}
    assert run.outputs["components"] == {facts.name: facts != section.facts for facts in CHAIN}


def test_names_types_and_selectors_of_the_live_stack_do_not_move(program: Program) -> None:
    run = program(EVERYTHING)
    for one in HANDED_OVER:
        found = run.resources[one["name"]]
        assert without_version(found.typ) == without_version(one["type"])
        inputs = plain(found.inputs)
        if "id" in one:
            metadata = inputs.get("metadata", inputs)  # a Helm release has its name beside its values
            assert f"{metadata.get('namespace', '')}/{metadata['name']}".removeprefix("/") == one["id"]
        if one["type"].startswith("kubernetes:apps/"):
            assert inputs["spec"]["selector"] == one["inputs"]["spec"]["selector"]
    assert run.resources["k3s-provider"].typ == "pulumi:providers:kubernetes"


def without_version(kind: str) -> str:
    """A type whose API version may move."""
    return re.sub(r"/v\d\w*:", ":", kind)


def test_the_order_holds_around_a_component_that_is_off(program: Program) -> None:
    run = program({**REQUIRED, "enablePulumiOperator": "false"})
    assert "gitops-flux" in waits_for(run, "cloudflare-deployment")


def test_what_cannot_be_made_again_or_only_flux_can_delete_is_retained(program: Program) -> None:
    run = program(EVERYTHING)
    kept = {name for name, request in run.requests.items() if request.retainOnDelete}
    images = {"cloudflared", "cert-manager", "label-studio"}
    namespaces = {name for name, one in run.resources.items() if one.typ == "kubernetes:core/v1:Namespace"}
    assert len(namespaces) == len({facts.namespace for facts in CHAIN})
    assert kept == {
        *namespaces, "label-studio-pvc", "label-studio-app-secret",
        # Their finalizers would hang a destroy on a Flux that is dead.
        "gitops-git-repo", "gitops-kustomization", "version-monitor-update-automation",
        *(f"version-monitor-{image}-{part}" for image in images for part in ("repo", "policy")),
        # Without rules at Cloudflare the tunnel would answer 503.
        "cloudflare-remote-config", "node-tunnels-remote-config",
    }  # fmt: skip
    assert transformed(run, CRD_TYPE).opts.retain_on_delete is True
    assert not transformed(run, SERVICE_TYPE).opts.retain_on_delete


@pytest.mark.parametrize("config", [REQUIRED, EVERYTHING], ids=["six keys", "everything"])
def test_git_can_neither_change_nor_prune_what_pulumi_owns(program: Program, config: dict[str, str]) -> None:
    run = program(config)
    seen = 0
    for name, resource in run.resources.items():
        if not resource.typ.startswith("kubernetes:") or "kind" not in resource.inputs:
            continue
        manifest = plain(resource.inputs)
        annotations = manifest["metadata"].get("annotations", {})
        if manifest["kind"] == "Node":
            assert not annotations  # the nodes are not ours
            continue
        seen += 1
        assert annotations.get(RECONCILE) == "disabled", name
        assert annotations.get(PRUNE) == ("disabled" if run.requests[name].retainOnDelete else None), name
        template = manifest.get("spec", {}).get("template", {})
        assert RECONCILE not in str(template), f"{name} would roll its pods for nothing"
    assert seen >= 40


def test_preflight_knows_by_its_labels_what_is_ours(program: Program) -> None:
    """Flux's own kinds and the nodes carry none of them."""
    ours = [m for m in manifests(program(EVERYTHING)) if m["kind"] != "Node" and ".fluxcd.io/" not in m["apiVersion"]]
    assert [(m["kind"], m["metadata"]["name"]) for m in ours if not managed_by_us(m)] == []
    assert len(ours) >= 40


def test_secrets_reach_resources_only_as_secrets(program: Program) -> None:
    canaries = ["canary", connector_token(), connector_token(NODE_TUNNEL)]
    encoded = [base64.b64encode(canary.encode()).decode().rstrip("=") for canary in canaries]
    run = program(EVERYTHING)
    seen = 0
    for name, resource in run.resources.items():
        data = plain(resource.inputs).get("data", {}) if resource.typ == "kubernetes:core/v1:Secret" else {}
        clear = [base64.b64decode(text).decode() for text in data.values()]
        seen += sum(canary in text for canary in canaries for text in clear)
        shown = json.dumps(masked(inputs_of(resource)), ensure_ascii=False)
        assert not any(canary in shown for canary in [*canaries, *encoded]), name
    assert seen >= 14  # the canaries are there, marked as secrets
    generated = program(REQUIRED).requests["label-studio-admin-password"]
    assert "result" in generated.additionalSecretOutputs


def test_secrets_are_data_which_no_api_server_turns_into_something_else(program: Program) -> None:
    for config in (REQUIRED, EVERYTHING):
        secrets = [r.inputs for r in program(config).resources.values() if r.typ == "kubernetes:core/v1:Secret"]
        assert secrets
        for inputs in secrets:
            assert "stringData" not in inputs
            assert all(base64.b64decode(text, validate=True) for text in plain(inputs)["data"].values())
            assert plain(inputs["data"]) != inputs["data"], "the data is not marked as secret"


def test_no_diff_of_a_workload_is_hidden_by_a_secret(program: Program) -> None:
    for config in (REQUIRED, EVERYTHING):
        for name in (
            "cloudflare-deployment",
            "node-tunnels-daemonset",
            "label-studio-deploy",
            "ls-triton-adapter-deploy",
        ):
            inputs = program(config).resources[name].inputs
            assert plain(inputs) == inputs, name


@pytest.mark.parametrize("config", [REQUIRED, EVERYTHING], ids=["six keys", "everything"])
def test_every_pod_follows_the_rules(program: Program, config: dict[str, str]) -> None:
    for manifest in workloads(program(config)):
        name, pod = manifest["metadata"]["name"], manifest["spec"]["template"]["spec"]
        labels = manifest["spec"]["template"]["metadata"]["labels"]
        assert {"app.kubernetes.io/name", "app.kubernetes.io/part-of", "app.kubernetes.io/managed-by"} <= labels.keys()
        assert manifest["spec"]["selector"]["matchLabels"].items() <= labels.items()
        assert pod["automountServiceAccountToken"] is (name == "ls-triton-adapter")
        assert pod["enableServiceLinks"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod.get("hostNetwork", False) is (name == "cloudflared-tunnel")
        for container in pod["containers"]:
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["readOnlyRootFilesystem"] is True
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert container["imagePullPolicy"] == pull_policy(container["image"])
            assert ":" in container["image"]
            assert not container["image"].endswith(":latest")
            assert container["readinessProbe"]["httpGet"]
            assert container["livenessProbe"]["httpGet"]
            for side in ("requests", "limits"):
                assert set(container["resources"][side]) == {"cpu", "memory"}
            for variable in container.get("env", []):
                suspicious = any(word in variable["name"] for word in ("PASSWORD", "TOKEN", "DSN", "CLIENT", "LABELS"))
                assert not suspicious or "valueFrom" in variable or "value" not in variable, variable


ONE_MACHINE = json.dumps([
    {"name": "one", "host": "srv1", "address": "192.0.2.1", "labels": {"gpu": "rtx4090", "tunnel-enabled": "true"}}
])  # fmt: skip


@pytest.mark.parametrize("nodes", ["", ONE_MACHINE], ids=["three machines", "one, with a GPU"])
def test_services_stay_off_machines_with_a_gpu_where_there_is_another_one(program: Program, nodes: str) -> None:
    run = program({**REQUIRED, **({"nodes": nodes} if nodes else {})})
    term = [
        {"key": "workload-type", "operator": "NotIn", "values": ["gpu-compute"]},
        {"key": "oceanid.cluster/gpu", "operator": "DoesNotExist"},
    ]
    required = {"nodeSelectorTerms": [{"matchExpressions": term}]}
    rule = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    expected = None if nodes else rule
    for manifest in workloads(run):
        pod = manifest["spec"]["template"]["spec"]
        is_node_tunnel = manifest["metadata"]["name"] == "cloudflared-tunnel"
        assert pod.get("affinity") == (None if is_node_tunnel else expected)
    flux = plain(run.resources["gitops-flux"].inputs)["values"]
    assert [values.get("affinity") for name, values in flux.items() if name.endswith("Controller")] == [expected] * 6
    assert plain(run.resources["pko-helm"].inputs)["values"].get("affinity") == expected


def test_no_service_and_no_claim_is_waited_for_and_a_recreated_pod_is(program: Program) -> None:
    found = {
        (one["kind"], one["metadata"]["name"]): one["metadata"].get("annotations", {})
        for one in manifests(program(REQUIRED))
    }
    skipped = {kind for (kind, _), given in found.items() if given.get("pulumi.com/skipAwait") == "true"}
    assert skipped == {"Service", "PersistentVolumeClaim"}
    assert all("pulumi.com/skipAwait" in given for (kind, _), given in found.items() if kind in skipped)
    assert "updatedReplicas" in found["Deployment", "label-studio"]["pulumi.com/waitFor"]


def test_namespaces_carry_their_labels_and_level(program: Program) -> None:
    levels = {}
    for manifest in manifests(program(REQUIRED)):
        if manifest["kind"] == "Namespace":
            labels = manifest["metadata"]["labels"]
            assert labels["app.kubernetes.io/part-of"] == "oceanid-dev"
            assert labels["oceanid.cluster/managed-by"] == "pulumi"
            assert labels["oceanid.cluster/component"]
            assert labels["pod-security.kubernetes.io/warn"] == "restricted"
            levels[manifest["metadata"]["name"]] = labels["pod-security.kubernetes.io/enforce"]
    weaker = {"node-tunnels": "privileged", "apps": "baseline"}
    assert levels == {facts.namespace: weaker.get(facts.namespace, "restricted") for facts in CHAIN}


def test_every_address_in_the_cluster_has_the_clusters_domain(program: Program) -> None:
    run = program({**REQUIRED, "clusterDomain": "K8s.Example.org."})
    everything = json.dumps([plain(resource.inputs) for resource in run.resources.values()])
    assert "cluster.local" not in everything
    rules = config_file(run, "cloudflare-config")["ingress"]
    assert rules[0]["service"] == "https://kubernetes.default.svc.k8s.example.org:443"
    assert rules[0]["originRequest"]["originServerName"] == "kubernetes.default.svc"
    assert rules[1]["service"] == "http://label-studio.apps.svc.k8s.example.org:8080"
    assert config_file(run, "node-tunnels-config")["ingress"][0]["service"] == rules[0]["service"]
    assert plain(run.resources["gitops-flux"].inputs)["values"]["clusterDomain"] == "k8s.example.org"
    assert run.outputs["tritonAdapterUrl"] == "http://ls-triton-adapter.apps.svc.k8s.example.org:9090"
    pod = pod_of(run, "label-studio-deploy")
    hosts = next(v["value"] for v in pod["containers"][0]["env"] if v["name"] == "ALLOWED_HOSTS")
    assert "label-studio.apps.svc.k8s.example.org" in hosts.split(",")
