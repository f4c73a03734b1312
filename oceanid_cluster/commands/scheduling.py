"""What keeps a pod off a node: the labels that the node lacks, its taints, or that it is not ready.

As the scheduler decides it (k8s.io/component-helpers: scheduling/corev1/helpers.go and nodeaffinity), apart from what
changes by the minute: resources, ports, volumes, other pods.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from oceanid_cluster.commands.objects import Object, condition_of, entries, labels_of, part, terminating, words

# What the daemon controller adds (pkg/controller/daemon/util/daemonset_util.go, AddOrUpdateDaemonPodTolerations).
_OF_DAEMONS: Sequence[Object] = [
    *({"key": f"node.kubernetes.io/{name}", "operator": "Exists", "effect": "NoExecute"}
      for name in ("not-ready", "unreachable")),
    *({"key": f"node.kubernetes.io/{name}", "operator": "Exists", "effect": "NoSchedule"}
      for name in ("disk-pressure", "memory-pressure", "pid-pressure", "unschedulable", "network-unavailable")),
]  # fmt: skip
# Taints that say no more than the node's condition Ready.
_NOT_READY = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


def missing_labels(pod: Object, node: Object) -> list[str]:
    """The labels that a pod's specification asks for and the node does not have; empty when they fit."""
    own = labels_of(node)
    selector: list[Object] = [
        {"key": key, "operator": "In", "values": [value]} for key, value in part(pod, "nodeSelector").items()
    ]
    missing = [_said(one, own) for one in selector if not _fits(one, own)]
    required = part(pod, "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
    terms = [entries(term, "matchExpressions") for term in entries(required, "nodeSelectorTerms")]
    if terms and not any(term and all(_fits(one, own) for one in term) for term in terms):
        missing += [_said(one, own) for term in terms for one in term if not _fits(one, own)]
    return missing


def barriers(pod: Object, node: Object, *, daemon: bool = False) -> list[str]:
    """What keeps a pod off a node with the right labels: it is not ready, or has a taint that is not tolerated.

    ``daemon``: the pod is of a DaemonSet, whose controller tolerates more.
    """
    found: list[str] = []
    if why := not_ready(node):
        found.append(f"not Ready: {why}")
    tolerations = [*entries(pod, "tolerations"), *(_OF_DAEMONS if daemon else ())]
    for taint in entries(node, "spec", "taints"):
        blocks = taint.get("effect") in ("NoSchedule", "NoExecute")
        if blocks and taint.get("key") not in _NOT_READY and not any(_tolerates(one, taint) for one in tolerations):
            value = f"={taint['value']}" if taint.get("value") else ""
            found.append(f"taint {taint.get('key')}{value}:{taint.get('effect')}")
    return found


def not_ready(node: Object) -> str:
    """Why a node is not Ready, as it says itself, or is about to go; empty when it is."""
    if since := terminating(node):
        return f"it {since}"
    ready = condition_of(node, "Ready")
    if ready.get("status") == "True":
        return ""
    return words(ready.get("message") or ready.get("reason") or "the kubelet has not reported")


def _fits(expression: Object, own: Mapping[str, str]) -> bool:
    """Whether labels fulfil one expression; Gt and Lt, which nobody uses for labels of text, always are."""
    value, values = own.get(str(expression.get("key"))), list[Any](expression.get("values") or ())
    match expression.get("operator"):
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case _:
            return True


def _said(expression: Object, own: Mapping[str, str]) -> str:
    key = str(expression.get("key"))
    if expression.get("operator") in ("NotIn", "DoesNotExist"):
        return f"label {key}={own.get(key)}"
    values = " or ".join(map(str, expression.get("values") or ()))
    has = f" (it has {own[key]})" if key in own else ""
    return f"no label {key}{f'={values}' if values else ''}{has}"


def _tolerates(toleration: Object, taint: Object) -> bool:
    """Whether a taint is tolerated (k8s.io/api: core/v1/toleration.go, ToleratesTaint)."""
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    if toleration.get("key") and toleration["key"] != taint.get("key"):
        return False
    if toleration.get("operator") == "Exists":
        return True
    return bool(toleration.get("key")) and (toleration.get("value") or "") == (taint.get("value") or "")
