"""What every pod of ours has in common: who it runs as, what it may do, where it runs, what it reads."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Manifest = dict[str, Any]

# Long-running services stay off the machine whose GPU they would compete with. Two labels in one term: both must hold.
# Nothing of ours sets the first, which the predecessor went by; the second is ours.
_NOT_ON_GPU_NODES: Manifest = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [
                {
                    "matchExpressions": [
                        {"key": "workload-type", "operator": "NotIn", "values": ["gpu-compute"]},
                        {"key": "oceanid.cluster/gpu", "operator": "DoesNotExist"},
                    ]
                }
            ]
        }
    }
}


@dataclass(frozen=True)
class Placement:
    """Which nodes may run the pods of a component: labels that a node must have, taints that are tolerated.

    ``off_gpu_nodes``: no node with a GPU may.
    """

    node_selector: Mapping[str, str] = field(default_factory=dict[str, str])
    tolerations: tuple[Manifest, ...] = ()
    off_gpu_nodes: bool = False

    def manifest(self) -> Manifest:
        """Its part of a pod's specification; the charts of Flux and the operator have values of the same names."""
        parts: Manifest = {
            "nodeSelector": dict(self.node_selector),
            "affinity": _NOT_ON_GPU_NODES if self.off_gpu_nodes else {},
            "tolerations": list(self.tolerations),
        }
        return {name: part for name, part in parts.items() if part}


# A release with all of its numbers, or a commit.
_FIXED_TAG = re.compile(r"v?\d+\.\d+\.\d+([-+._][0-9A-Za-z.+_-]+)?|(sha-)?[0-9a-f]{7,64}")


def pull_policy(image: str) -> str:
    """``Always`` for a tag that moves (``main``, ``latest``, ``1.2``): under it a node would keep its first image.

    ``IfNotPresent``, Kubernetes' own default, for a digest, a full version or a commit.
    """
    tag = image.rpartition("/")[2].partition(":")[2]
    return "IfNotPresent" if "@" in image or _FIXED_TAG.fullmatch(tag) else "Always"


def pod_security(uid: int) -> Manifest:
    """Pod security context of an unprivileged user and the group of the same number, which its volumes belong to."""
    return {
        "runAsNonRoot": True,
        "runAsUser": uid,
        "runAsGroup": uid,
        "fsGroup": uid,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> Manifest:
    """Container security context as the Pod Security level "restricted" asks, with a read-only root file system."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def pod(uid: int, placement: Placement, container: Manifest, **more: Any) -> Manifest:
    """The specification of a pod of one container, as every pod of ours begins; ``more`` adds to it, or differs."""
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,  # they would set LABEL_STUDIO_PORT, which Label Studio reads
        "securityContext": pod_security(uid),
        **placement.manifest(),
        "containers": [container],
        **more,
    }


def container(name: str, image: str, port: Manifest, resources: Mapping[str, Any], **more: Any) -> Manifest:
    """A container of one port, as every container of ours begins."""
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": pull_policy(image),
        "ports": [port],
        "resources": resources,
        "securityContext": container_security(),
        **more,
    }


def port(name: str, number: int) -> Manifest:
    """A TCP port of a container, which probes and Services call by its name."""
    return {"name": name, "containerPort": number, "protocol": "TCP"}


def http_probe(
    path: str, port: str, *, period: int, failures: int = 3, timeout: int = 1, host: str = "", address: str = ""
) -> Manifest:
    """An HTTP probe; ``period`` and ``timeout`` in seconds, ``host`` the Host header that the server insists on.

    ``address`` is where the kubelet connects; the pod's own address when it is empty.
    """
    get: Manifest = {"path": path, "port": port}
    if address:
        get["host"] = address
    if host:
        get["httpHeaders"] = [{"name": "Host", "value": host}]
    return {"httpGet": get, "periodSeconds": period, "timeoutSeconds": timeout, "failureThreshold": failures}


def secret_env(name: str, secret: str, key: str) -> Manifest:
    """An environment variable whose value stays in a Secret."""
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def plain_env(values: dict[str, str]) -> list[Manifest]:
    """Environment variables with values anyone may see."""
    # An empty value is left out, as the provider leaves it out: a difference would show in every run.
    return [{"name": name, **({"value": value} if value else {})} for name, value in values.items()]
