"""What every pod of ours has in common: who it runs as, what it may do, where it runs, what it reads."""

from typing import Any

Manifest = dict[str, Any]

# Long-running services stay off the machine whose GPU they would compete with.
NOT_ON_GPU_NODES: Manifest = {
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


def pod_security(uid: int, gid: int | None = None) -> Manifest:
    """Pod security context of an unprivileged user (numeric ids); its volumes belong to the group."""
    return {
        "runAsNonRoot": True,
        "runAsUser": uid,
        "runAsGroup": gid if gid is not None else uid,
        "fsGroup": gid if gid is not None else uid,
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


def http_probe(path: str, port: str, *, period: int, failures: int = 3, timeout: int = 1, host: str = "") -> Manifest:
    """An HTTP probe; ``period`` and ``timeout`` in seconds, ``host`` the Host header that the server insists on."""
    get: Manifest = {"path": path, "port": port}
    if host:
        get["httpHeaders"] = [{"name": "Host", "value": host}]
    return {"httpGet": get, "periodSeconds": period, "timeoutSeconds": timeout, "failureThreshold": failures}


def secret_env(name: str, secret: str, key: str) -> Manifest:
    """An environment variable whose value stays in a Secret."""
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def plain_env(values: dict[str, str]) -> list[Manifest]:
    """Environment variables with values anyone may see."""
    # An empty value is left out, as the provider leaves it out: a difference would show for ever.
    return [{"name": name, **({"value": value} if value else {})} for name, value in values.items()]
