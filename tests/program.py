"""What the program registers under Pulumi's mocks, for tests of its components."""

from collections.abc import Callable, Mapping
from typing import Any

import pulumi
import yaml

from tests.recorded import Run, dependencies, manifests, plain

Program = Callable[[Mapping[str, str]], Run]

# What of each component comes after what of the earlier ones.
ORDER = {
    "pko-helm": {"gitops-flux"},
    "pko-flux-artifacts": {"gitops-flux"},  # in Flux's namespace
    "cloudflare-deployment": {"pko-helm"},
    "node-tunnels-daemonset": {"cloudflare-deployment", "nodes-calypso"},
    "label-studio-deploy": {"cloudflare-deployment"},
    "ls-triton-adapter-deploy": {"label-studio-deploy"},
    "version-monitor-update-automation": {"gitops-flux"},
}


def waits_for(run: Run, name: str) -> set[str]:
    """Everything that is there before a resource is, by logical name."""
    found: set[str] = set()
    new = dependencies(run, name)
    while new:
        found |= new
        new = {one for other in new if other in run.requests for one in dependencies(run, other)} - found
    return found


def pod_of(run: Run, name: str) -> dict[str, Any]:
    """The specification of a workload's pods."""
    return plain(run.resources[name].inputs)["spec"]["template"]["spec"]


def environment(run: Run, name: str) -> dict[str, dict[str, Any]]:
    """The variables of a workload's only container, by name."""
    (container,) = pod_of(run, name)["containers"]
    return {variable["name"]: variable for variable in container["env"]}


def workloads(run: Run) -> list[dict[str, Any]]:
    found = [m for m in manifests(run) if m["kind"] in ("Deployment", "DaemonSet", "StatefulSet", "Job")]
    assert len(found) >= 4
    return found


def transformed(run: Run, kind: str) -> pulumi.ResourceTransformResult:
    (transform,) = run.transforms
    properties = {"metadata": {"name": "x", "annotations": {"a": "b"}}}
    return transform(pulumi.ResourceTransformArgs(True, kind, "x", properties, pulumi.ResourceOptions()))


def annotations(run: Run, kind: str) -> dict[str, str]:
    properties: dict[str, Any] = dict(transformed(run, kind).props)
    return properties["metadata"]["annotations"]


def peers(run: Run, name: str) -> list[dict[str, Any]]:
    """The peers of a policy that has no rule without peers, which would let everybody in."""
    rules = plain(run.resources[name].inputs)["spec"].get("ingress", [])
    assert all(rule["from"] for rule in rules)
    return [peer for rule in rules for peer in rule["from"]]


def in_namespace(name: str, **labels: str) -> dict[str, Any]:
    peer: dict[str, Any] = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}
    return {**peer, "podSelector": {"matchLabels": labels}} if labels else peer


def config_file(run: Run, name: str) -> dict[str, Any]:
    return yaml.safe_load(plain(run.resources[name].inputs)["data"]["config.yaml"])


RECONCILE, PRUNE = "kustomize.toolkit.fluxcd.io/reconcile", "kustomize.toolkit.fluxcd.io/prune"
