"""The stack of the TypeScript program: the state that it exports, and its objects in a bare cluster.

Where the export has no more than kind and name (tests/bench/predecessor.py), the bodies come from the sandbox's own
charts, with the versions that the older ones served.
"""

import json
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from sandbox import cluster
from tests.bench.predecessor import ROOT_URN, Resource, exported, path
from tests.engine.engine import Engine

STACK = "prod"
PREFIX = f"urn:pulumi:{STACK}::oceanid-cluster::"
PROVIDER = f"{PREFIX}pulumi:providers:kubernetes::k3s-provider"
PROVIDER_ID = "a14ae3a3-f11b-4259-946f-6cbdfc63a34e"
_SECRET = "4dabf18193072939515e22adb298388d"  # pulumi: sdk/go/common/resource/sig.go, a secret in an export
_MARK = "1b47061264138c4ac30d75fd1eb44270"
_CHART = "helm.sh/v4:Chart$"
_CRD = "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition"
_READY_SECONDS = 120
RELEASE = "kubernetes:helm.sh/v3:Release"
# What production leaves off: the components, and the namespace that Flux made there.
NOT_IN_PRODUCTION = ("oceanid:networking:NodeTunnels", "oceanid:monitoring:ImageAutomation", "oceanid:apps:LabelStudio")
# The variables whose values the predecessor wrote into the Deployment of the adapter.
PLAIN_VARIABLES = {
    "CF_ACCESS_CLIENT_ID": "id.access", "CF_ACCESS_CLIENT_SECRET": "fake-access-secret",
    "SENTRY_DSN": "https://public@sentry.example.com/1",
}  # fmt: skip


def resources(*, production: bool) -> list[Resource]:
    """The Kubernetes objects and components of the stack: all of the export, or what production runs."""
    entries = exported()
    if not production:
        return entries
    kept = [entry for entry in entries if not path(entry).startswith(NOT_IN_PRODUCTION)]
    return [*map(_with_plain_variables, kept), *_only_in_production()]


def _with_plain_variables(entry: Resource) -> Resource:
    if entry["name"] != "ls-triton-adapter-deploy":
        return entry
    (container,) = entry["inputs"]["spec"]["template"]["spec"]["containers"]
    container["env"] += [{"name": name, "value": value} for name, value in PLAIN_VARIABLES.items()]
    return entry


def _only_in_production() -> list[Resource]:
    """Resources of components that this program does not have, the pull secret of the top level, and one of ours."""
    adapter = "oceanid:ml:LsTritonAdapter::ls-triton-adapter"
    shared, sink = (
        "oceanid:apps:LabelStudioSecrets::label-studio-secrets",
        "oceanid:apps:AnnotationsSink::annotations-sink",
    )
    auth = {".dockerconfigjson": "eyJhdXRocyI6IHt9fQ=="}
    deployment = {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "annotations-sink", "namespace": "apps"},
        "spec": {
            "selector": {"matchLabels": {"app": "annotations-sink"}},
            "template": {
                "metadata": {"labels": {"app": "annotations-sink"}},
                "spec": {"containers": [{"name": "sink", "image": "ghcr.io/goldfish-inc/oceanid/sink:main"}]},
            },
        },
    }  # fmt: skip
    components = [
        {"type": urn.partition("::")[0], "name": urn.rpartition("::")[2], "parent": ROOT_URN} for urn in (shared, sink)
    ]
    return [
        *components,
        _secret("ls-triton-adapter-hf-credentials", adapter, "hf-credentials", {"token": "ZmFrZS1oZg=="}),
        _secret("label-studio-secrets-db", shared, "label-studio-db-credentials", {"DATABASE_URL": "ZmFrZQ=="}),
        _secret("ghcr-creds", ROOT_URN, "ghcr-creds", auth, "kubernetes.io/dockerconfigjson"),
        {
            "type": "kubernetes:apps/v1:Deployment", "name": "annotations-sink-deploy", "parent": sink,
            "id": "apps/annotations-sink", "manager": "pulumi-kubernetes-5a5a5a5a", "inputs": deployment,
        },
    ]  # fmt: skip


def _secret(name: str, parent: str, object_name: str, data: dict[str, str], kind: str = "Opaque") -> Resource:
    inputs = {
        "apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": {"name": object_name, "namespace": "apps"},
        "data": data,
    }  # fmt: skip
    manager = f"pulumi-kubernetes-{len(name):08x}"
    return {
        "type": "kubernetes:core/v1:Secret", "name": name, "parent": parent, "id": f"apps/{object_name}",
        "manager": manager, "inputs": inputs,
    }  # fmt: skip


def state(entries: Iterable[Resource], kubeconfig: str, salt: str) -> dict[str, Any]:
    """The export of a stack with these resources.

    ``kubeconfig`` is what it keeps in clear of the provider, ``salt`` the ``encryptionsalt`` of the stack's file.
    """
    known = list(entries)
    inputs = {"kubeconfig": kubeconfig, "version": "4.25.0"}
    base: list[Resource] = [
        {"urn": PREFIX + ROOT_URN, "type": "pulumi:pulumi:Stack", "custom": False, "outputs": {}},
        {
            "urn": PROVIDER, "type": "pulumi:providers:kubernetes", "custom": True, "id": PROVIDER_ID,
            "inputs": inputs, "outputs": inputs, "parent": PREFIX + ROOT_URN,
        },
    ]  # fmt: skip
    urns = {PREFIX + path(entry) for entry in known}
    deployment = {
        "manifest": {}, "resources": [*base, *(_in_state(entry, urns) for entry in known)],
        "secrets_providers": {"type": "passphrase", "state": {"salt": salt}},
    }  # fmt: skip
    return {"version": 3, "deployment": deployment}


def _in_state(entry: Resource, urns: set[str]) -> Resource:
    """One resource as the engine exports it."""
    resource: Resource = {
        "urn": PREFIX + path(entry), "type": entry["type"], "custom": "id" in entry, "parent": PREFIX + entry["parent"],
        "dependencies": [PREFIX + one for one in entry.get("dependencies", []) if PREFIX + one in urns],
    }  # fmt: skip
    if "id" not in entry:
        return resource
    inputs = _sealed(entry)
    own = {"__inputs": inputs, "__initialApiVersion": inputs.get("apiVersion"), "__fieldManager": entry.get("manager")}
    if entry["type"] == RELEASE:
        # It must be a secret (pulumi-kubernetes: provider/pkg/provider/helm_release.go, parseCheckpointRelease).
        own = {
            "__inputs": _sealed_text(inputs),
            "status": {"name": entry["id"].partition("/")[2], "status": "deployed"},
        }
    return {**resource, "id": entry["id"], "provider": f"{PROVIDER}::{PROVIDER_ID}", "inputs": inputs,
            "outputs": {**inputs, **{name: value for name, value in own.items() if value}}}  # fmt: skip


def _sealed(entry: Resource) -> Resource:
    """The inputs, with the data of a Secret as a secret of the engine."""
    inputs: Resource = entry["inputs"]
    if entry["type"] != "kubernetes:core/v1:Secret":
        return inputs
    return {**inputs, "data": _sealed_text(inputs["data"])}


def _sealed_text(value: Any) -> Resource:
    return {_SECRET: _MARK, "plaintext": json.dumps(value)}


def fill_in(entries: Iterable[Resource], engine: Engine) -> list[Resource]:
    """The resources, those of the Flux chart with the bodies that the sandbox's chart gives them."""
    rendered = engine.helm("template", "gitops-flux", str(engine.sandbox.charts / "flux2"), "--namespace=flux-system")
    bodies = {(body["kind"], body["metadata"]["name"]): body for body in yaml.safe_load_all(rendered) if body}
    filled: list[Resource] = []
    for entry in entries:
        if _CHART in path(entry) and "id" in entry:
            kind, name = entry["type"].rpartition(":")[2], entry["id"].rpartition("/")[2]
            body = json.loads(json.dumps(bodies[kind, name]))
            body["metadata"].setdefault("labels", {})["app.kubernetes.io/version"] = "2.6.4"
            if "/" in entry["id"]:
                body["metadata"]["namespace"] = "flux-system"
            filled.append({**entry, "inputs": _as_older_chart(body) if entry["type"] == _CRD else body})
        else:
            filled.append(entry)
    return filled


def _as_older_chart(crd: Resource) -> Resource:
    """A CRD as Flux 2.6 had it: image v1beta2 alone, HelmRelease and the sources in older versions too."""
    versions: list[Resource] = crd["spec"]["versions"]
    group = crd["spec"]["group"]
    if group == "image.toolkit.fluxcd.io":
        crd["spec"]["versions"] = [{**one, "storage": True} for one in versions if one["name"] == "v1beta2"]
    older = {"helm.toolkit.fluxcd.io": "v2beta1", "source.toolkit.fluxcd.io": "v1beta2"}.get(group)
    if older:
        schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
        also = {"name": older, "served": True, "storage": False, "schema": schema, "subresources": {"status": {}}}
        crd["spec"]["versions"] = [*versions, also]
    return crd


def put_into(engine: Engine, entries: Iterable[Resource], folder: Path) -> None:
    """Make the objects in the cluster as the predecessor's provider made them: each with its own field manager."""
    known = [entry for entry in entries if "id" in entry]
    for wave in _waves([entry for entry in known if entry["type"] != RELEASE]):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda entry: _apply(engine, entry), wave))
        if any(entry["type"] == _CRD for entry in wave):
            assert cluster.wait_for(lambda: all(map(_established, engine.objects("crd"))), _READY_SECONDS)
    for entry in known:
        if entry["type"] == RELEASE:
            _install(engine, entry, folder)


def _waves(entries: list[Resource]) -> Iterator[list[Resource]]:
    """Namespaces and CRDs before what needs them, workloads last: they mount what the others are."""
    first = ("kubernetes:core/v1:Namespace", _CRD)
    last = ("Deployment", "DaemonSet")
    yield [entry for entry in entries if entry["type"] in first]
    yield [entry for entry in entries if entry["type"] not in first and not entry["type"].endswith(last)]
    yield [entry for entry in entries if entry["type"].endswith(last)]


def _apply(engine: Engine, entry: Resource) -> None:
    manager = entry.get("manager", "pulumi-kubernetes-3c3c3c3c")
    engine.kubectl(
        "apply", "--server-side", "--force-conflicts", f"--field-manager={manager}", "-f", "-",
        stdin=json.dumps(entry["inputs"]),
    )  # fmt: skip


def _install(engine: Engine, entry: Resource, folder: Path) -> None:
    """Install the release of the operator with Helm, from the sandbox's chart under the older version number."""
    inputs = entry["inputs"]
    chart = folder / "older" / inputs["name"]
    shutil.copytree(engine.sandbox.charts / inputs["name"], chart)
    description = yaml.safe_load((chart / "Chart.yaml").read_text(encoding="utf-8"))
    older = {**description, "version": inputs["version"], "appVersion": f"v{inputs['version']}"}
    (chart / "Chart.yaml").write_text(yaml.safe_dump(older), encoding="utf-8")
    values = folder / "values.json"
    values.write_text(json.dumps(inputs["values"]), encoding="utf-8")
    engine.helm("install", inputs["name"], str(chart), f"--namespace={inputs['namespace']}", f"--values={values}")


def wait_until_ready(engine: Engine) -> None:
    """Every Deployment and DaemonSet is rolled out: KWOK plays the nodes."""
    assert cluster.wait_for(lambda: all(map(_rolled_out, engine.objects("deployments", "daemonsets"))), _READY_SECONDS)


def _established(crd: Resource) -> bool:
    """Whether the API server serves a CRD; ``kubectl wait`` fails on one that has no conditions yet."""
    conditions = crd.get("status", {}).get("conditions") or []
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)


def _rolled_out(one: Resource) -> bool:
    status, wanted = one.get("status", {}), one["spec"].get("replicas")
    if wanted is None:
        return status.get("numberReady") == status.get("desiredNumberScheduled")
    return status.get("readyReplicas") == wanted
