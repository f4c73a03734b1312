"""What the program registers, under Pulumi's mocks: resources, names, edges, secrets, and the rules for every pod."""

import base64
import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from oceanid_cluster.components.flux.component import CRD_TYPE, SERVICE_TYPE
from oceanid_cluster.components.label_studio.component import volume_claim, warn_of_claim
from oceanid_cluster.components.label_studio.generated import label_studio_secrets
from oceanid_cluster.config.secret import Secret
from oceanid_cluster.manifests import cloudflared, labels
from oceanid_cluster.manifests.pods import pull_policy
from oceanid_cluster.manifests.rollout import keyed_hash
from tests.recorded import ROOT, Run, plain, record, run_program, secret_data
from tests.samples import ACCOUNT, EVERYTHING, NODE_TUNNEL, REQUIRED, TUNNEL, connector_token, settings

Program = Callable[[Mapping[str, str]], Run]
_runs: dict[str, Run] = {}

# Everything above the six keys that a run may leave out, by component flag: component name and token.
COMPONENTS = {
    "enableFluxBootstrap": ("gitops", "oceanid:gitops:FluxBootstrap"),
    "enablePulumiOperator": ("pko", "oceanid:pko:PulumiOperator"),
    "enableCloudflareTunnel": ("cloudflare", "oceanid:core:CloudflareTunnel"),
    "enableNodeTunnels": ("node-tunnels", "oceanid:networking:NodeTunnels"),
    "enableImageAutomation": ("version-monitor", "oceanid:monitoring:ImageAutomation"),
    "enableLabelStudio": ("label-studio", "oceanid:apps:LabelStudio"),
    "enableTritonAdapter": ("ls-triton-adapter", "oceanid:ml:LsTritonAdapter"),
}

# Logical name and id of what the live stack's state holds (spec, section 9), beside the chart's own objects.
HANDED_OVER = """
cloudflare-config ConfigMap cloudflared/cloudflared-config
cloudflare-credentials Secret cloudflared/cloudflared-credentials
cloudflare-deployment Deployment cloudflared/cloudflared
cloudflare-ns Namespace cloudflared
cloudflare-svc Service cloudflared/cloudflared-metrics
gitops-git-repo GitRepository flux-system/flux-system
gitops-github-token Secret flux-system/github-token
gitops-kustomization Kustomization flux-system/flux-system
gitops-ns Namespace flux-system
label-studio-db-secret Secret apps/labelstudio-db-credentials
label-studio-deploy Deployment apps/label-studio
label-studio-ns Namespace apps
label-studio-pvc PersistentVolumeClaim apps/label-studio-data
label-studio-s3-secret Secret apps/labelstudio-s3-credentials
label-studio-svc Service apps/label-studio
ls-triton-adapter-deploy Deployment apps/ls-triton-adapter
ls-triton-adapter-rb RoleBinding apps/ls-triton-adapter-job-writer
ls-triton-adapter-role Role apps/ls-triton-adapter-job-writer
ls-triton-adapter-sa ServiceAccount apps/ls-triton-adapter
ls-triton-adapter-svc Service apps/ls-triton-adapter
node-tunnels-config ConfigMap node-tunnels/tunnel-config
node-tunnels-credentials Secret node-tunnels/tunnel-credentials
node-tunnels-daemonset DaemonSet node-tunnels/cloudflared-tunnel
node-tunnels-metrics Service node-tunnels/cloudflared-metrics
node-tunnels-ns Namespace node-tunnels
pko-api-secret Secret pulumi-system/pulumi-api-secret
pko-ns Namespace pulumi-system
version-monitor-cert-manager-policy ImagePolicy flux-system/cert-manager
version-monitor-cert-manager-repo ImageRepository flux-system/cert-manager
version-monitor-cloudflared-policy ImagePolicy flux-system/cloudflared
version-monitor-cloudflared-repo ImageRepository flux-system/cloudflared
version-monitor-github-provider Provider flux-system/github-updates
version-monitor-update-automation ImageUpdateAutomation flux-system/flux-system
version-monitor-version-alert Alert flux-system/image-updates
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Runs the program on a configuration; the same configuration is run once."""

    def run(config: Mapping[str, str]) -> Run:
        key = json.dumps(config, sort_keys=True)
        if key not in _runs:
            _runs[key] = run_program(config, tmp_path, monkeypatch)
        return _runs[key]

    return run


def walk(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value inside a value, with its path."""
    yield path, value
    if isinstance(value, dict):
        for name, item in value.items():  # pyright: ignore[reportUnknownVariableType]
            yield from walk(item, f"{path}.{name}")
    elif isinstance(value, list):
        for at, item in enumerate(value):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            yield from walk(item, f"{path}[{at}]")


def workloads(run: Run) -> list[dict[str, Any]]:
    found = [m for m in run.manifests() if m["kind"] in ("Deployment", "DaemonSet", "StatefulSet", "Job")]
    assert {m["metadata"]["name"] for m in found} == {
        "cloudflared", "cloudflared-tunnel", "label-studio", "ls-triton-adapter",
    }  # fmt: skip
    return found


def test_every_component_is_installed_from_the_six_keys(program: Program) -> None:
    resources = program(REQUIRED).resources
    assert {name: resources[name].typ for name, _ in COMPONENTS.values()} == dict(COMPONENTS.values())
    assert not [name for name, resource in resources.items() if "cloudflare:" in resource.typ]


def test_names_of_the_live_stack_do_not_move(program: Program) -> None:
    run = program(EVERYTHING)
    for line in HANDED_OVER.split("\n")[1:-1]:
        name, kind, identity = line.split()
        manifest = plain(run.resources[name].inputs)
        metadata = manifest["metadata"]
        found = f"{metadata['namespace']}/{metadata['name']}" if metadata.get("namespace") else metadata["name"]
        assert (manifest["kind"], found) == (kind, identity), name
    assert run.resources["gitops-flux"].typ == "kubernetes:helm.sh/v4:Chart"
    assert plain(run.resources["pko-helm"].inputs)["name"] == "pulumi-kubernetes-operator"
    assert run.resources["k3s-provider"].typ == "pulumi:providers:kubernetes"


def test_selectors_of_the_live_stack_do_not_move(program: Program) -> None:
    selectors = {m["metadata"]["name"]: m["spec"]["selector"]["matchLabels"] for m in workloads(program(REQUIRED))}
    assert selectors == {
        "cloudflared": {"app.kubernetes.io/name": "cloudflared"},
        "cloudflared-tunnel": {"app.kubernetes.io/name": "cloudflared-tunnel"},
        "label-studio": {"app": "label-studio"},
        "ls-triton-adapter": {"app": "ls-triton-adapter"},
    }


def test_the_chain_is_explicit(program: Program) -> None:
    run = program(REQUIRED)
    assert "gitops-flux" in run.dependencies("pko")
    assert "pko-helm" in run.dependencies("cloudflare")
    assert {"cloudflare-deployment", "nodes-calypso"} <= run.dependencies("node-tunnels")
    assert "cloudflare-deployment" in run.dependencies("label-studio")
    assert "label-studio-deploy" in run.dependencies("ls-triton-adapter")
    assert "gitops-flux" in run.dependencies("version-monitor")
    assert "gitops-flux" in run.dependencies("gitops-git-repo")


def test_nothing_waits_for_the_root_kustomization(program: Program) -> None:
    annotations = plain(program(REQUIRED).resources["gitops-kustomization"].inputs)["metadata"].get("annotations", {})
    assert "pulumi.com/waitFor" not in annotations


@pytest.mark.parametrize("flag", [flag for flag in COMPONENTS if flag != "enableFluxBootstrap"])
def test_each_component_can_be_turned_off_alone(program: Program, flag: str) -> None:
    run = program({**REQUIRED, flag: "false"})
    present = {name for name, _ in COMPONENTS.values()} & run.resources.keys()
    assert present == {name for other, (name, _) in COMPONENTS.items() if other != flag}
    assert sorted(run.outputs["components"].values()) == [False, *[True] * 6]


def test_the_order_holds_around_a_component_that_is_off(program: Program) -> None:
    assert "gitops-flux" in program({**REQUIRED, "enablePulumiOperator": "false"}).dependencies("cloudflare")


@pytest.mark.parametrize("flag", ["enableLabelStudio", "enableTritonAdapter"])
def test_the_namespace_of_the_applications_is_one_resource_whoever_makes_it(program: Program, flag: str) -> None:
    run = program({**REQUIRED, flag: "false"})
    request = run.requests["label-studio-ns"]
    assert request.retainOnDelete
    assert {spec.spec.parentUrn.rpartition("::")[2] for spec in request.aliases} == (
        {"label-studio"} if flag == "enableLabelStudio" else {"ls-triton-adapter"}
    )


def test_what_cannot_be_made_again_or_only_flux_can_delete_is_retained(program: Program) -> None:
    run = program(EVERYTHING)
    kept = {name for name, request in run.requests.items() if request.retainOnDelete}
    images = {"cloudflared", "cert-manager", "label-studio"}
    assert kept == {
        "gitops-ns", "pko-ns", "cloudflare-ns", "node-tunnels-ns", "label-studio-ns", "label-studio-pvc",
        "label-studio-app-secret",
        # Their finalizers would hang a destroy on a Flux that is dead.
        "gitops-git-repo", "gitops-kustomization", "version-monitor-update-automation",
        *(f"version-monitor-{image}-{part}" for image in images for part in ("repo", "policy")),
        # Without rules at Cloudflare the tunnel would answer 503.
        "cloudflare-remote-config", "node-tunnels-remote-config",
    }  # fmt: skip
    assert _transformed(run, CRD_TYPE).opts.retain_on_delete is True
    assert not _transformed(run, SERVICE_TYPE).opts.retain_on_delete


RECONCILE, PRUNE = "kustomize.toolkit.fluxcd.io/reconcile", "kustomize.toolkit.fluxcd.io/prune"


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


@pytest.mark.parametrize("kind", [CRD_TYPE, SERVICE_TYPE, "kubernetes:apps/v1:Deployment", "kubernetes:core/v1:Secret"])
def test_git_can_neither_change_nor_prune_what_the_chart_makes(program: Program, kind: str) -> None:
    annotations = _annotations(program(EVERYTHING), kind)
    assert annotations["a"] == "b"
    assert annotations[RECONCILE] == "disabled"
    assert (PRUNE in annotations) is (kind == CRD_TYPE)


def test_the_crds_of_the_chart_carry_our_ownership_label(program: Program) -> None:
    run = program(EVERYTHING)
    properties: dict[str, Any] = dict(_transformed(run, CRD_TYPE).props)
    assert properties["metadata"]["labels"] == {"oceanid.cluster/managed-by": "pulumi"}
    assert "labels" not in str(_transformed(run, SERVICE_TYPE).props)


def test_the_chart_itself_passes_the_transform_unchanged(program: Program) -> None:
    (transform,) = program(EVERYTHING).transforms
    chart = {"chart": "flux2", "values": {"a": "b"}}
    arguments = pulumi.ResourceTransformArgs(False, "kubernetes:helm.sh/v4:Chart", "x", chart, pulumi.ResourceOptions())
    assert transform(arguments).props == chart


@pytest.mark.tools
def test_git_cannot_touch_what_the_operators_chart_makes(program: Program) -> None:
    renderer = ROOT / plain(program(REQUIRED).resources["pko-helm"].inputs)["postrender"]
    metadata = {"name": "x", "annotations": {"a": "b"}}
    rendered = yaml.safe_dump_all(
        {"apiVersion": "v1", "kind": kind, "metadata": dict(metadata)} for kind in ("Service", "ServiceAccount")
    )
    answer = subprocess.run([renderer], input=rendered, capture_output=True, text=True, check=True, cwd=ROOT)
    found = list(yaml.safe_load_all(answer.stdout))
    assert [one["kind"] for one in found] == ["Service", "ServiceAccount"]
    for one in found:
        assert one["metadata"]["annotations"] == {"a": "b", **labels.FLUX_LEAVES_ALONE}


def test_what_the_chart_makes_gets_our_timeout_and_waits_for_no_service(program: Program) -> None:
    service = _transformed(program(EVERYTHING), SERVICE_TYPE)
    assert _annotations(program(EVERYTHING), SERVICE_TYPE)["pulumi.com/skipAwait"] == "true"
    assert "pulumi.com/skipAwait" not in _annotations(program(EVERYTHING), CRD_TYPE)
    assert isinstance(service.opts.custom_timeouts, pulumi.CustomTimeouts)
    assert service.opts.custom_timeouts.create == "5m"


def _transformed(run: Run, kind: str) -> pulumi.ResourceTransformResult:
    (transform,) = run.transforms
    properties = {"metadata": {"name": "x", "annotations": {"a": "b"}}}
    return transform(pulumi.ResourceTransformArgs(True, kind, "x", properties, pulumi.ResourceOptions()))


def _annotations(run: Run, kind: str) -> dict[str, str]:
    properties: dict[str, Any] = dict(_transformed(run, kind).props)
    return properties["metadata"]["annotations"]


def test_image_controllers_are_installed_only_with_image_automation(program: Program) -> None:
    for wanted in (True, False):
        run = program({**REQUIRED, "enableImageAutomation": str(wanted).lower()})
        values = plain(run.resources["gitops-flux"].inputs)["values"]
        images = {"imageAutomationController", "imageReflectionController"}
        assert {name: values[name]["create"] for name in images} == dict.fromkeys(images, wanted)
        others = {name for name in values if name.endswith("Controller")} - images
        assert len(others) == 4
        assert all(values[name].get("create", True) for name in others)


def test_the_provider_replaces_nothing_and_its_kubeconfig_is_secret(program: Program) -> None:
    inputs = program(REQUIRED).resources["k3s-provider"].inputs
    assert plain(inputs["kubeconfig"]) != inputs["kubeconfig"]
    assert "canary-kubeconfig" in plain(inputs["kubeconfig"])
    assert inputs["clusterIdentifier"] == "oceanid-dev"
    assert inputs["enableConfigMapMutable"] == inputs["enableSecretMutable"] == "true"
    assert "upsertExistingObjects" not in inputs  # so that the variable of the provider's process counts
    assert program({**REQUIRED, "adoptExisting": "true"}).resources["k3s-provider"].inputs[
        "upsertExistingObjects"
    ] == "true"  # fmt: skip


def test_secrets_reach_resources_only_as_secrets(program: Program) -> None:
    canaries = ["canary", connector_token(), connector_token(NODE_TUNNEL)]
    encoded = [base64.b64encode(canary.encode()).decode().rstrip("=") for canary in canaries]
    run = program(EVERYTHING)
    seen = 0
    for name, resource in run.resources.items():
        data = plain(resource.inputs).get("data", {}) if resource.typ == "kubernetes:core/v1:Secret" else {}
        clear = [base64.b64decode(text).decode() for text in data.values()]
        seen += sum(canary in text for canary in canaries for text in clear)
        for path, value in walk(_without_secrets(resource.inputs)):
            if isinstance(value, str):
                assert not any(canary in value for canary in [*canaries, *encoded]), f"{name}{path}"
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


LIVE = {"secret-key": Secret("canary-live-key"), "admin-password": Secret("canary-live-password")}


@pytest.mark.parametrize(
    ("config", "live", "expected"),
    [
        ({}, None, ("generated-label-studio-secret-key", "generated-label-studio-admin-password", True)),
        ({}, LIVE, ("canary-live-key", "canary-live-password", True)),
        ({}, {"secret-key": LIVE["secret-key"]}, ("canary-live-key", "generated-label-studio-admin-password", True)),
        ({"labelStudioSecretKey": "mine"}, LIVE, ("mine", "canary-live-password", True)),
        ({"labelStudioAdminPassword": "mine"}, LIVE, ("canary-live-key", "mine", False)),
    ],
    ids=["nothing known", "in the cluster", "half in the cluster", "a configured key", "a configured password"],
)
def test_label_studios_secrets_are_the_configured_ones_or_the_first_known(
    config: dict[str, str], live: dict[str, Secret] | None, expected: tuple[str, str, bool]
) -> None:
    def main() -> None:
        made = label_studio_secrets(settings(config, stored_secret=frozenset(config)).label_studio, live)
        pulumi.export("values", pulumi.Output.unsecret(pulumi.Output.all(made.secret_key, made.admin_password)))
        pulumi.export("generated", made.generated_password is not None)

    run = record(main)
    assert (*run.outputs["values"], run.outputs["generated"]) == expected
    for name in ("label-studio-secret-key", "label-studio-admin-password"):
        kept = run.requests[f"{name}-kept"]
        assert list(kept.ignoreChanges) == ["input"]  # what is in the state stays
        # Always: `pulumi up --target` registers a resource twice whose dependant lost its edge since the last run
        # (pulumi/pkg, resource/deploy/step_generator.go: getDependencySteps).
        assert any(urn.endswith(f"::{name}") for urn in kept.dependencies)
        assert plain(run.resources[f"{name}-kept"].inputs["input"]) != run.resources[f"{name}-kept"].inputs["input"]


@pytest.mark.parametrize("enabled", ["true", "false"])
def test_the_generated_secrets_outlive_label_studios_flag(program: Program, enabled: str) -> None:
    run = program({**REQUIRED, "enableLabelStudio": enabled})
    for name in ("label-studio-secret-key", "label-studio-admin-password"):
        (alias,) = run.requests[name].aliases  # until now it was a child of the component
        assert alias.spec.parentUrn == "urn:pulumi:dev::oceanid-cluster::oceanid:apps:LabelStudio::label-studio"
        assert f"{name}-kept" in run.resources
        assert "oceanid:apps" not in run.requests[f"{name}-kept"].parent


def test_the_output_is_the_password_that_label_studio_got(program: Program) -> None:
    run = program(REQUIRED)
    assert secret_data(run, "label-studio-app-secret")["admin-password"] == run.outputs["labelStudioAdminPassword"]
    configured = program(EVERYTHING)
    assert secret_data(configured, "label-studio-app-secret") == {
        "secret-key": "canary-secret-key", "admin-password": "canary-admin-password",
    }  # fmt: skip
    assert configured.outputs["labelStudioAdminPassword"] is None


def _without_secrets(value: Any) -> Any:
    if plain(value) != value and isinstance(value, dict) and "value" in value and len(value) == 2:  # pyright: ignore[reportUnknownArgumentType]
        return None
    if isinstance(value, dict):
        return {name: _without_secrets(item) for name, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [_without_secrets(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value


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


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("ghcr.io/a/b:main", "Always"),
        ("ghcr.io/a/b:latest", "Always"),
        ("ghcr.io/a/b:feature-x", "Always"),
        ("ghcr.io/a/b:1", "Always"),
        ("ghcr.io/a/b:1.2", "Always"),
        ("ghcr.io/a/b", "Always"),
        ("registry:5000/b", "Always"),
        ("registry:5000/b:main", "Always"),
        ("ghcr.io/a/b:1.2.3", "IfNotPresent"),
        ("registry:5000/b:v1.2.3-rc.1", "IfNotPresent"),
        ("ghcr.io/a/b:2026.8.2", "IfNotPresent"),
        ("ghcr.io/a/b:sha-0123abc", "IfNotPresent"),
        ("ghcr.io/a/b:0123456789abcdef0123456789abcdef01234567", "IfNotPresent"),
        ("ghcr.io/a/b:main@sha256:" + "0" * 64, "IfNotPresent"),
        ("ghcr.io/a/b@sha256:" + "0" * 64, "IfNotPresent"),
    ],
)
def test_a_tag_that_moves_is_always_pulled(image: str, policy: str) -> None:
    assert pull_policy(image) == policy


def test_long_running_pods_stay_off_gpu_nodes(program: Program) -> None:
    run = program(REQUIRED)
    term = [
        {"key": "workload-type", "operator": "NotIn", "values": ["gpu-compute"]},
        {"key": "oceanid.cluster/gpu", "operator": "DoesNotExist"},
    ]
    rule = {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": term}]}
        }
    }
    for manifest in workloads(run):
        pod = manifest["spec"]["template"]["spec"]
        assert pod.get("affinity") == (None if manifest["metadata"]["name"] == "cloudflared-tunnel" else rule)
    flux = plain(run.resources["gitops-flux"].inputs)["values"]
    assert [values["affinity"] for name, values in flux.items() if name.endswith("Controller")] == [rule] * 6
    assert plain(run.resources["pko-helm"].inputs)["values"]["affinity"] == rule


def test_who_names_label_studios_nodes_may_name_the_one_with_the_gpu(program: Program) -> None:
    run = program({**REQUIRED, "labelStudioNodeSelector": '{"kubernetes.io/hostname": "calypso"}'})
    pod = plain(run.resources["label-studio-deploy"].inputs)["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"kubernetes.io/hostname": "calypso"}
    assert "affinity" not in pod


@pytest.mark.parametrize("minutes", [1, 5, 60])
def test_label_studio_may_start_as_long_as_the_program_waits_for_it(program: Program, minutes: int) -> None:
    run = program({**REQUIRED, "readyTimeoutMinutes": str(minutes)})
    (container,) = plain(run.resources["label-studio-deploy"].inputs)["spec"]["template"]["spec"]["containers"]
    probe = container["startupProbe"]
    assert probe["failureThreshold"] * probe["periodSeconds"] == minutes * 60


def peers(run: Run, name: str) -> list[dict[str, Any]]:
    """The peers of a policy that has no rule without peers, which would let everybody in."""
    rules = plain(run.resources[name].inputs)["spec"].get("ingress", [])
    assert all(rule["from"] for rule in rules)
    return [peer for rule in rules for peer in rule["from"]]


def in_namespace(name: str, **labels: str) -> dict[str, Any]:
    peer: dict[str, Any] = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}
    return {**peer, "podSelector": {"matchLabels": labels}} if labels else peer


def test_who_may_reach_label_studio_and_the_adapter_is_configured(program: Program) -> None:
    tunnel = in_namespace("cloudflared", **{"app.kubernetes.io/name": "cloudflared"})
    traefik = in_namespace("kube-system", **{"app.kubernetes.io/name": "traefik"})
    caller = {"podSelector": {"matchLabels": {"app": "label-studio"}}}
    assert peers(program(REQUIRED), "label-studio-network") == [tunnel]
    assert peers(program(REQUIRED), "ls-triton-adapter-network") == [caller]
    run = program(EVERYTHING)
    assert peers(run, "label-studio-network") == [tunnel, traefik]
    assert peers(run, "ls-triton-adapter-network") == [caller, in_namespace("notebooks")]
    without = {**REQUIRED, "enableCloudflareTunnel": "false"}
    assert peers(program(without), "label-studio-network") == []
    listed = {**without, "labelStudioIngressFrom": EVERYTHING["labelStudioIngressFrom"]}
    assert peers(program(listed), "label-studio-network") == [traefik]


def test_the_operators_workspaces_may_fetch_what_flux_read(program: Program) -> None:
    run = program(REQUIRED)
    policy = plain(run.resources["pko-flux-artifacts"].inputs)
    assert policy["metadata"]["namespace"] == "flux-system"
    assert policy["spec"]["podSelector"] == {"matchLabels": {"app": "source-controller"}}
    assert [rule["ports"] for rule in policy["spec"]["ingress"]] == [[{"protocol": "TCP", "port": "http"}]]
    workspace = {
        "app.kubernetes.io/managed-by": "pulumi-kubernetes-operator",
        "app.kubernetes.io/name": "pulumi",
        "app.kubernetes.io/component": "workspace",
    }
    assert peers(run, "pko-flux-artifacts") == [in_namespace("pulumi-system", **workspace)]
    alone = program({**REQUIRED, "enableFluxBootstrap": "false", "enableImageAutomation": "false"})
    assert "pko-flux-artifacts" not in alone.resources


@pytest.mark.parametrize(
    ("live", "storage", "storage_class"),
    [
        (None, "10Gi", None),
        ({"resources": {"requests": {"storage": "20Gi"}}, "storageClassName": "fast"}, "20Gi", "fast"),
        ({"resources": {}}, "10Gi", None),
    ],
)
def test_a_claim_that_is_there_is_adopted_with_its_own_size_and_class(
    live: dict[str, Any] | None, storage: str, storage_class: str | None
) -> None:
    spec = volume_claim(settings().label_studio, {}, live)["spec"]
    assert spec["resources"] == {"requests": {"storage": storage}}
    assert spec.get("storageClassName") == storage_class


def test_the_claim_keeps_the_class_and_the_size_of_its_first_day(program: Program) -> None:
    ignored = list(program(REQUIRED).requests["label-studio-pvc"].ignoreChanges)
    assert ignored == ["spec.storageClassName", "spec.resources.requests.storage"]


def test_a_wish_for_another_volume_is_answered_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", said.append)
    wished = settings({"labelStudioStorage": "20Gi", "labelStudioStorageClass": "fast"}).label_studio
    warn_of_claim(wished, {"storage": "20480Mi"}, "fast")
    warn_of_claim(wished, {}, None)  # not known yet
    assert said == []
    warn_of_claim(wished, {"storage": "10Gi"}, "local-path")
    assert [text.partition(",")[0] for text in said] == [
        "labelStudioStorage is 20Gi", "labelStudioStorageClass is fast",
    ]  # fmt: skip
    assert all("\n" not in text for text in said)


@pytest.mark.parametrize("config", [REQUIRED, EVERYTHING], ids=["six keys", "everything"])
def test_the_adapters_images_are_pulled_with_the_pull_secret_whoever_made_it(
    program: Program, config: dict[str, str]
) -> None:
    pod = plain(program(config).resources["ls-triton-adapter-deploy"].inputs)["spec"]["template"]["spec"]
    assert pod["imagePullSecrets"] == [{"name": "ghcr-creds"}]


def test_namespaces_carry_their_labels_and_level(program: Program) -> None:
    levels = {}
    for manifest in program(REQUIRED).manifests():
        if manifest["kind"] == "Namespace":
            labels = manifest["metadata"]["labels"]
            assert labels["app.kubernetes.io/part-of"] == "oceanid-dev"
            assert labels["oceanid.cluster/managed-by"] == "pulumi"
            assert labels["oceanid.cluster/component"]
            assert labels["pod-security.kubernetes.io/warn"] == "restricted"
            levels[manifest["metadata"]["name"]] = labels["pod-security.kubernetes.io/enforce"]
    assert levels == {
        "flux-system": "restricted",
        "pulumi-system": "restricted",
        "cloudflared": "restricted",
        "node-tunnels": "privileged",
        "apps": "baseline",
    }


def test_node_labels_own_our_keys_and_nothing_else(program: Program) -> None:
    run = program(REQUIRED)
    patches = {n: r for n, r in run.resources.items() if r.typ == "kubernetes:core/v1:NodePatch"}
    assert {plain(r.inputs)["metadata"]["name"] for r in patches.values()} == {"srv712429", "srv712695", "calypso"}
    assert not any(resource.typ == "kubernetes:core/v1:Node" for resource in run.resources.values())
    for resource in patches.values():
        metadata = plain(resource.inputs)["metadata"]
        assert set(metadata) == {"name", "labels"}
        assert all(label.startswith("oceanid.cluster/") for label in metadata["labels"])
    assert "nodes" not in program({**REQUIRED, "manageNodeLabels": "false"}).resources


def config_file(run: Run, name: str) -> dict[str, Any]:
    return yaml.safe_load(plain(run.resources[name].inputs)["data"]["config.yaml"])


def test_the_tunnels_rules_are_in_order_and_verified(program: Program) -> None:
    extra = {"extraIngress": '[{"hostname": "app.example.org", "service": "http://app"}]'}
    document = config_file(program({**REQUIRED, **extra}), "cloudflare-config")
    assert document["tunnel"] == TUNNEL
    assert "warp-routing" not in document
    ca = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
    verified = {"caPool": ca, "originServerName": "kubernetes.default.svc"}
    assert document["ingress"] == [
        {
            "hostname": "k3s.boathou.se",
            "service": "https://kubernetes.default.svc.cluster.local:443",
            "originRequest": verified,
        },
        {"hostname": "label.boathou.se", "service": "http://label-studio.apps.svc.cluster.local:8080"},
        {"hostname": "app.example.org", "service": "http://app"},
        {"service": "http_status:404"},
    ]
    pod = plain(program(REQUIRED).resources["cloudflare-deployment"].inputs)["spec"]["template"]["spec"]
    assert "/var/run/secrets/kubernetes.io/serviceaccount" in [
        m["mountPath"] for m in pod["containers"][0]["volumeMounts"]
    ]


def test_both_tunnels_use_the_configured_addresses_of_the_edge(program: Program) -> None:
    for given, written in ((REQUIRED, "auto"), ({**REQUIRED, "cloudflareEdgeIpVersion": "6"}, "6")):
        run = program(given)
        for component in ("cloudflare", "node-tunnels"):
            assert config_file(run, f"{component}-config")["edge-ip-version"] == written


def test_every_address_in_the_cluster_has_the_clusters_domain(program: Program) -> None:
    run = program({**REQUIRED, "clusterDomain": "k8s.example.org"})
    everything = json.dumps([plain(resource.inputs) for resource in run.resources.values()])
    assert "cluster.local" not in everything
    rules = config_file(run, "cloudflare-config")["ingress"]
    assert rules[0]["service"] == "https://kubernetes.default.svc.k8s.example.org:443"
    assert rules[0]["originRequest"]["originServerName"] == "kubernetes.default.svc"
    assert rules[1]["service"] == "http://label-studio.apps.svc.k8s.example.org:8080"
    assert config_file(run, "node-tunnels-config")["ingress"][0]["service"] == rules[0]["service"]
    assert plain(run.resources["gitops-flux"].inputs)["values"]["clusterDomain"] == "k8s.example.org"
    assert run.outputs["tritonAdapterUrl"] == "http://ls-triton-adapter.apps.svc.k8s.example.org:9090"
    pod = plain(run.resources["label-studio-deploy"].inputs)["spec"]["template"]["spec"]
    hosts = next(v["value"] for v in pod["containers"][0]["env"] if v["name"] == "ALLOWED_HOSTS")
    assert "label-studio.apps.svc.k8s.example.org" in hosts.split(",")


def test_only_a_repository_on_github_gets_a_github_provider(program: Program) -> None:
    assert "version-monitor-github-provider" in program(REQUIRED).resources
    elsewhere = program({**REQUIRED, "gitRepositoryUrl": "https://gitlab.com/o/r"}).resources
    assert not {"version-monitor-github-provider", "version-monitor-version-alert"} & elsewhere.keys()


def test_with_manage_tunnel_config_cloudflare_gets_the_same_rules(program: Program) -> None:
    run = program(EVERYTHING)
    names = ("hostname", "service", "path")
    for component, tunnel in (("cloudflare", TUNNEL), ("node-tunnels", NODE_TUNNEL)):
        remote = plain(run.resources[f"{component}-remote-config"].inputs)
        assert (remote["accountId"], remote["tunnelId"]) == (ACCOUNT, tunnel)
        local = config_file(run, f"{component}-config")["ingress"]
        picked = [{k: rule[k] for k in names if k in rule} for rule in local]
        assert [{k: rule[k] for k in names if k in rule} for rule in remote["config"]["ingresses"]] == picked
    remote = plain(run.resources["cloudflare-remote-config"].inputs)
    assert remote["config"]["ingresses"][0]["originRequest"]["caPool"].endswith("ca.crt")
    (own,) = (rule for rule in remote["config"]["ingresses"] if rule.get("hostname") == "app.example.org")
    assert own["originRequest"]["noTlsVerify"] is True
    records = [plain(r.inputs) for r in run.resources.values() if r.typ.startswith("cloudflare:index/dnsRecord")]
    assert {r["name"] for r in records} == {"*.nodes.boathou.se", "gpu.boathou.se", "*.pod.boathou.se"}
    assert {r["content"] for r in records} == {f"{NODE_TUNNEL}.cfargotunnel.com"}


def test_a_cloudflare_token_alone_changes_nothing(program: Program) -> None:
    run = program({**REQUIRED, "cloudflare_api_token": "canary-cloudflare-token"})
    assert run.resources.keys() == program(REQUIRED).resources.keys()
    dns = {**EVERYTHING, "manageTunnelConfig": "false"}
    assert not [name for name in program(dns).resources if name.endswith("remote-config")]
    assert [name for name in program(dns).resources if "-dns-" in name]
    rules = {**EVERYTHING, "manageNodeTunnelDns": "false"}
    assert not [name for name in program(rules).resources if "-dns-" in name]


def test_the_node_tunnels_metrics_and_pprof_are_not_on_the_lan(program: Program) -> None:
    run = program(REQUIRED)
    assert config_file(run, "node-tunnels-config")["metrics"] == "127.0.0.1:2200"
    pod = plain(run.resources["node-tunnels-daemonset"].inputs)["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert {container[probe]["httpGet"]["host"] for probe in ("readinessProbe", "livenessProbe")} == {"127.0.0.1"}
    assert config_file(run, "cloudflare-config")["metrics"] == "0.0.0.0:2000"  # in the pod's own network
    pod = plain(run.resources["cloudflare-deployment"].inputs)["spec"]["template"]["spec"]
    assert "host" not in pod["containers"][0]["readinessProbe"]["httpGet"]


def test_the_kubelet_is_published_only_on_request(program: Program) -> None:
    hosts = [rule.get("hostname") for rule in config_file(program(REQUIRED), "node-tunnels-config")["ingress"]]
    assert hosts == ["*.nodes.boathou.se", "gpu.boathou.se", None]
    assert "*.pod.boathou.se" in str(config_file(program(EVERYTHING), "node-tunnels-config"))


def test_cloudflared_outlives_its_drain_and_an_outage_at_the_edge(program: Program) -> None:
    pod = plain(program(REQUIRED).resources["cloudflare-deployment"].inputs)["spec"]["template"]["spec"]
    document = config_file(program(REQUIRED), "cloudflare-config")
    assert pod["terminationGracePeriodSeconds"] > int(document["grace-period"].removesuffix("s"))
    (container,) = pod["containers"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/ready"
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthcheck"
    assert container["args"][-2:] == ["--token-file", "/etc/cloudflared/token/token"]
    assert connector_token() not in str(container)


def test_label_studio_gets_its_database_and_never_sqlite(program: Program) -> None:
    run = program(REQUIRED)
    data = secret_data(run, "label-studio-db-secret")
    assert data == {
        "POSTGRE_USER": "labeler",
        "POSTGRE_PASSWORD": "canary@pass",
        "POSTGRE_NAME": "labels",
        "POSTGRE_HOST": "db.example.org",
        "POSTGRE_PORT": "6432",
    }
    deployment = plain(run.resources["label-studio-deploy"].inputs)["spec"]
    (container,) = deployment["template"]["spec"]["containers"]
    variables = {variable["name"]: variable for variable in container["env"]}
    assert variables["DJANGO_DB"]["value"] == "default"
    assert variables["PGSSLMODE"]["value"] == "require"
    assert variables["ML_BLOCK_LOCAL_IP"]["value"] == "false"
    for name in data:
        assert variables[name]["valueFrom"]["secretKeyRef"] == {"name": "labelstudio-db-credentials", "key": name}
    assert deployment["strategy"] == {"type": "Recreate"}
    hosts = variables["ALLOWED_HOSTS"]["value"].split(",")
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["path"] == "/health"
        assert container[probe]["httpGet"]["httpHeaders"][0]["value"] in hosts
    egress = plain(run.resources["label-studio-network"].inputs)["spec"]["egress"]
    assert [port["port"] for port in egress[1]["ports"]] == [443, 6432]
    assert "label-studio-s3-secret" not in run.resources


def test_what_a_database_url_says_beside_its_parts_reaches_libpq(program: Program) -> None:
    url = "postgres://u:p@h.example.org/db?sslmode=verify-full&channel_binding=require&options=-c%20canary%3D1"
    run = program({**REQUIRED, "postgres_url": url})
    data = secret_data(run, "label-studio-db-secret")
    assert (data["PGCHANNELBINDING"], data["PGOPTIONS"]) == ("require", "-c canary=1")
    (container,) = plain(run.resources["label-studio-deploy"].inputs)["spec"]["template"]["spec"]["containers"]
    variables = {variable["name"]: variable for variable in container["env"]}
    assert variables["PGSSLMODE"]["value"] == "verify-full"
    assert variables["PGSSLROOTCERT"]["value"] == "system"
    assert variables["SSL_CERT_FILE"]["value"] == "/etc/ssl/certs/ca-certificates.crt"
    for name in ("PGCHANNELBINDING", "PGOPTIONS"):
        assert variables[name]["valueFrom"]["secretKeyRef"] == {"name": "labelstudio-db-credentials", "key": name}


def test_a_changed_secret_rolls_its_own_pods_and_no_others(program: Program) -> None:
    def rollouts(config: Mapping[str, str]) -> dict[str, str]:
        return {
            m["metadata"]["name"]: m["spec"]["template"]["metadata"]["annotations"]["oceanid.cluster/rollout"]
            for m in workloads(program(config))
        }

    before = rollouts(EVERYTHING)
    for key, value, rolled in (
        ("cloudflare_tunnel_token", connector_token(secret=base64.b64encode(b"n" * 32).decode()), "cloudflared"),
        ("cloudflare_node_tunnel_token", connector_token(NODE_TUNNEL, secret=base64.b64encode(b"n" * 32).decode()),
         "cloudflared-tunnel"),
        ("postgres_url", REQUIRED["postgres_url"].replace("canary", "other"), "label-studio"),
        ("labelStudioAdminPassword", "other", "label-studio"),
        ("labelStudioSecretKey", "other", "label-studio"),
        ("aws.labelStudio.secretAccessKey", "other", "label-studio"),
        ("hfAccessToken", "other", "ls-triton-adapter"),
        ("cfAccessClientSecret", "other", "ls-triton-adapter"),
        ("github_token", "other", None),
    ):  # fmt: skip
        after = rollouts({**EVERYTHING, key: value})
        assert {name for name in before if before[name] != after[name]} == ({rolled} if rolled else set()), key


def test_the_rollout_annotation_cannot_be_guessed_without_its_key() -> None:
    assert keyed_hash("key", [{"a": "b"}]) != keyed_hash("other key", [{"a": "b"}])
    assert keyed_hash("key", [{"a": "b", "c": "d"}]) == keyed_hash("key", [{"c": "d", "a": "b"}])


def test_outputs_are_those_of_the_contract(program: Program) -> None:
    outputs = program(REQUIRED).outputs
    assert list(outputs)[:6] == [
        "kubeconfigPath", "fluxNamespace", "pkoNamespace", "cloudflareNamespace", "labelStudioHostname",
        "migrationStatus",
    ]  # fmt: skip
    assert Path(outputs["kubeconfigPath"]).is_absolute()
    assert outputs["labelStudioHostname"] == "label.boathou.se"
    off = program({**REQUIRED, "enableLabelStudio": "false", "enableCloudflareTunnel": "false"}).outputs
    assert off["labelStudioHostname"] is off["cloudflareNamespace"] is off["labelStudioAdminPassword"] is None


@pytest.mark.parametrize(("phase", "completed"), [("preparation", 0), ("cutover", 2), ("cleanup", 3)])
def test_the_migration_status_reports_and_never_acts(program: Program, phase: str, completed: int) -> None:
    run = program({**REQUIRED, "migration_phase": phase, "enableNodeTunnels": "false"})
    status = run.outputs["migrationStatus"]
    assert status["phase"] == phase
    assert len(status["completedComponents"]) == completed
    assert "NodeTunnels" not in status["activeComponents"]
    assert len(status["activeComponents"]) == 6
    assert status["nextSteps"]
    assert run.resources.keys() == program({**REQUIRED, "enableNodeTunnels": "false"}).resources.keys()


def test_the_configuration_file_is_what_cloudflared_reads() -> None:
    document = yaml.safe_load(cloudflared.config_file("id", [], 2000, "http2"))
    assert (document["metrics"], document["protocol"], document["no-autoupdate"]) == ("0.0.0.0:2000", "http2", True)
