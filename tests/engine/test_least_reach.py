"""What the operator's account and the tunnel's pods may do, by what the API server says of it."""

import json
from typing import Any

import pytest

from tests.engine.engine import Engine, row

OPERATOR = "system:serviceaccount:pulumi-system:pulumi-kubernetes-operator"
OURS, ELSEWHERE = "pulumi-system", "default"
REFUSAL = "the Pulumi operator writes in namespace pulumi-system only"
CONTAINER = {
    "name": "c", "image": "registry.example.org/c:1",
    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
}  # fmt: skip
POD: dict[str, Any] = {
    "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [CONTAINER],
}
TEMPLATE = {"metadata": {"labels": {"app": "one"}}, "spec": POD}
WRITTEN: dict[str, dict[str, Any]] = {
    "pods": {"apiVersion": "v1", "kind": "Pod", "spec": POD},
    "services": {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80}]}},
    "secrets": {"apiVersion": "v1", "kind": "Secret"},
    "statefulsets.apps": {
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "spec": {"serviceName": "one", "selector": {"matchLabels": {"app": "one"}}, "template": TEMPLATE},
    },
    "workspaces.auto.pulumi.com": {"apiVersion": "auto.pulumi.com/v1alpha1", "kind": "Workspace", "spec": {}},
    "stacks.pulumi.com": {"apiVersion": "pulumi.com/v1", "kind": "Stack", "spec": {"stack": "a/b/c"}},
}  # fmt: skip


def as_operator(engine: Engine, *arguments: str, stdin: str = "") -> str:
    """What the API server answers to the operator's account."""
    return engine.tool("kubectl", f"--as={OPERATOR}", *arguments, stdin=stdin).stdout


def refused(engine: Engine, *arguments: str, stdin: str = "") -> bool:
    """Whether our policy refuses that to the operator's account."""
    return REFUSAL in engine.tool("kubectl", f"--as={OPERATOR}", *arguments, code=1, stdin=stdin).stderr


def one(resource: str, namespace: str) -> str:
    return json.dumps({**WRITTEN[resource], "metadata": {"name": "one", "namespace": namespace}})


@pytest.mark.parametrize("resource", WRITTEN)
def test_the_operator_creates_in_its_own_namespace_only_whatever_its_role_allows(engine: Engine, resource: str) -> None:
    for namespace in (OURS, ELSEWHERE):
        assert as_operator(engine, "auth", "can-i", "create", resource, "-n", namespace) == "yes\n"
    create = ("create", "--dry-run=server", "-f", "-")
    as_operator(engine, *create, stdin=one(resource, OURS))
    assert refused(engine, *create, stdin=one(resource, ELSEWHERE))
    engine.kubectl(*create, stdin=one(resource, ELSEWHERE))  # it is nobody else's rule


def test_the_operator_changes_and_deletes_nothing_of_others(engine: Engine) -> None:
    """Another image in a pod would run with that pod's account."""
    (pod, *_) = [pod["metadata"]["name"] for pod in engine.pods() if pod["metadata"]["namespace"] == "cloudflared"]
    patch = json.dumps({"spec": {"containers": [{"name": "cloudflared", "image": "registry.example.org/evil:1"}]}})
    for arguments in (("patch", "pod", pod, "-p", patch), ("delete", "pod", pod), ("delete", "service", "--all")):
        assert refused(engine, "-n", "cloudflared", *arguments, "--dry-run=server"), arguments


def test_the_operator_still_does_what_it_has_to(engine: Engine) -> None:
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "one", "namespace": OURS}}
    event = {
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": "one", "namespace": ELSEWHERE},
        "involvedObject": {"kind": "Stack", "namespace": ELSEWHERE, "name": "one"}, "reason": "Test", "message": "m",
    }  # fmt: skip
    for manifest in (lease, event):
        as_operator(engine, "create", "-f", "-", "--dry-run=server", stdin=json.dumps(manifest))
    as_operator(engine, "-n", OURS, "create", "token", "pulumi-kubernetes-operator")


def test_a_stack_elsewhere_can_be_let_go_and_preflight_names_it(engine: Engine) -> None:
    engine.kubectl("create", "-f", "-", stdin=one("stacks.pulumi.com", ELSEWHERE))
    try:
        finalizer = '{"metadata": {"finalizers": ["finalizer.stack.pulumi.com"]}}'
        for patch in (finalizer, '{"metadata": {"finalizers": null}}'):
            as_operator(engine, "-n", ELSEWHERE, "patch", "stack", "one", "--type=merge", "-p", patch)
        preflight = engine.command("preflight")
        assert f"warning cannot run: {ELSEWHERE}/one; move them to {OURS}" in row(preflight, "Stacks")
    finally:
        engine.kubectl("-n", ELSEWHERE, "delete", "stack", "one")


def test_the_api_server_takes_the_tunnels_policy_as_it_is_meant(engine: Engine) -> None:
    """A selector that is not one would let nothing through, or everything."""

    def pods(namespace: str, selector: dict[str, dict[str, str]]) -> list[str]:
        """The pods that the API server finds, without the endings of their names."""
        labels = ",".join(f"{name}={value}" for name, value in selector["matchLabels"].items())
        found = engine.kubectl("-n", namespace, "get", "pods", "-l", labels, "-o", "name").split()
        return [name.partition("/")[2].rsplit("-", 2)[0] for name in found]

    policy = json.loads(engine.kubectl("-n", "cloudflared", "get", "networkpolicy", "cloudflared", "-o", "json"))
    selected = pods("cloudflared", policy["spec"]["podSelector"])
    assert len(selected) == len([pod for pod in engine.pods() if pod["metadata"]["namespace"] == "cloudflared"])
    peers = [peer for rule in policy["spec"]["egress"] for peer in rule.get("to", []) if "podSelector" in peer]
    name = "kubernetes.io/metadata.name"
    reached = [pods(peer["namespaceSelector"]["matchLabels"][name], peer["podSelector"]) for peer in peers]
    assert {pod for found in reached for pod in found} == {"label-studio"}
