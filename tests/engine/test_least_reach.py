"""What the operator's account and the tunnel's pods may do, by what the API server says of it."""

import json
import subprocess
from typing import Any

import pytest

from tests.engine.engine import Answer, Engine
from tests.engine.test_health_and_preflight import row

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


def as_operator(engine: Engine, *arguments: str, stdin: str | None = None) -> Answer:
    return subprocess.run(
        [engine.sandbox.bin / "kubectl", f"--as={OPERATOR}", *arguments], env=engine.environment("kubectl"),
        capture_output=True, text=True, input=stdin, check=False,
    )  # fmt: skip


def one(resource: str, namespace: str) -> str:
    return json.dumps({**WRITTEN[resource], "metadata": {"name": "one", "namespace": namespace}})


@pytest.mark.parametrize("resource", WRITTEN)
def test_the_operator_creates_in_its_own_namespace_only_whatever_its_role_allows(engine: Engine, resource: str) -> None:
    for namespace in (OURS, ELSEWHERE):
        assert as_operator(engine, "auth", "can-i", "create", resource, "-n", namespace).stdout == "yes\n"
    create = ("create", "--dry-run=server", "-f", "-")
    allowed = as_operator(engine, *create, stdin=one(resource, OURS))
    assert allowed.returncode == 0, allowed.stderr
    refused = as_operator(engine, *create, stdin=one(resource, ELSEWHERE))
    assert refused.returncode == 1
    assert REFUSAL in refused.stderr
    engine.kubectl(*create, stdin=one(resource, ELSEWHERE))  # it is nobody else's rule


def test_the_operator_changes_and_deletes_nothing_of_others(engine: Engine) -> None:
    """Another image in a pod would run with that pod's account."""
    (pod, *_) = [pod["metadata"]["name"] for pod in engine.pods() if pod["metadata"]["namespace"] == "cloudflared"]
    patch = json.dumps({"spec": {"containers": [{"name": "cloudflared", "image": "registry.example.org/evil:1"}]}})
    for arguments in (("patch", "pod", pod, "-p", patch), ("delete", "pod", pod), ("delete", "service", "--all")):
        refused = as_operator(engine, "-n", "cloudflared", *arguments, "--dry-run=server")
        assert refused.returncode == 1, arguments
        assert REFUSAL in refused.stderr


def test_the_operator_still_does_what_it_has_to(engine: Engine) -> None:
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "one", "namespace": OURS}}
    event = {
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": "one", "namespace": ELSEWHERE},
        "involvedObject": {"kind": "Stack", "namespace": ELSEWHERE, "name": "one"}, "reason": "Test", "message": "m",
    }  # fmt: skip
    for manifest in (lease, event):
        answer = as_operator(engine, "create", "-f", "-", "--dry-run=server", stdin=json.dumps(manifest))
        assert answer.returncode == 0, answer.stderr
    token = as_operator(engine, "-n", OURS, "create", "token", "pulumi-kubernetes-operator")
    assert token.returncode == 0, token.stderr


def test_a_stack_elsewhere_can_be_let_go_and_preflight_names_it(engine: Engine) -> None:
    engine.kubectl("create", "-f", "-", stdin=one("stacks.pulumi.com", ELSEWHERE))
    try:
        finalizer = '{"metadata": {"finalizers": ["finalizer.stack.pulumi.com"]}}'
        for patch in (finalizer, '{"metadata": {"finalizers": null}}'):
            answer = as_operator(engine, "-n", ELSEWHERE, "patch", "stack", "one", "--type=merge", "-p", patch)
            assert answer.returncode == 0, answer.stderr
        preflight = engine.command("preflight")
        assert preflight.returncode == 0, preflight.stdout + preflight.stderr
        assert f"warning cannot run: {ELSEWHERE}/one; move them to {OURS}" in row(preflight, "Stacks")
    finally:
        engine.kubectl("-n", ELSEWHERE, "delete", "stack", "one")


def test_the_api_server_takes_the_tunnels_policy_as_it_is_meant(engine: Engine) -> None:
    """A selector that is not one would let nothing through, or everything."""
    policy = json.loads(engine.kubectl("-n", "cloudflared", "get", "networkpolicy", "cloudflared", "-o", "json"))
    selected = engine.kubectl(
        "-n", "cloudflared", "get", "pods", "-o", "name",
        "-l", ",".join(f"{name}={value}" for name, value in policy["spec"]["podSelector"]["matchLabels"].items()),
    ).split()  # fmt: skip
    assert len(selected) == len([pod for pod in engine.pods() if pod["metadata"]["namespace"] == "cloudflared"])
    peers = [peer for rule in policy["spec"]["egress"] for peer in rule.get("to", [])]
    reached = {
        pod
        for peer in peers
        if "podSelector" in peer
        for pod in engine.kubectl(
            "-n", peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], "get", "pods", "-o", "name",
            "-l", ",".join(f"{name}={value}" for name, value in peer["podSelector"]["matchLabels"].items()),
        ).split()
    }  # fmt: skip
    assert {pod.partition("/")[2].rpartition("-")[0].rpartition("-")[0] for pod in reached} == {"label-studio"}
