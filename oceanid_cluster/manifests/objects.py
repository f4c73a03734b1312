"""Kubernetes objects of the kinds that several components have: how each begins, and what is the same in all."""

from collections.abc import Mapping
from typing import Any

from oceanid_cluster.manifests import labels
from oceanid_cluster.manifests.pods import Manifest

Labels = Mapping[str, str]


def kubernetes_object(
    api_version: str,
    kind: str,
    name: str,
    *,
    ns: str = "",
    own_labels: Labels | None = None,
    annotations: Labels | None = None,
    **content: Any,
) -> Manifest:
    """An object; ``content`` is what it has beside its metadata.

    Namespace and labels are its component's unless it has its own (``Component.create``).
    """
    metadata = {"name": name, "namespace": ns, "labels": own_labels, "annotations": annotations}
    given = {field: value if isinstance(value, str) else dict(value) for field, value in metadata.items() if value}
    return {"apiVersion": api_version, "kind": kind, "metadata": given, **content}


def namespace(name: str, cluster: str, component: str, level: labels.PodSecurityLevel) -> Manifest:
    """A namespace, labelled with who made it and its Pod Security level (Kubernetes, "Pod Security Admission")."""
    own = {
        labels.PART_OF: cluster,
        labels.MANAGED_BY: "pulumi",
        "oceanid.cluster/component": component,
        "pod-security.kubernetes.io/enforce": level,
        "pod-security.kubernetes.io/warn": "restricted",
    }
    return kubernetes_object("v1", "Namespace", name, own_labels=own)


def service(name: str, selector: Labels, port_name: str, port: int) -> Manifest:
    """A ClusterIP Service of one TCP port, which is not waited for: its workload is."""
    ports = [{"name": port_name, "port": port, "targetPort": port_name, "protocol": "TCP"}]
    spec = {"selector": dict(selector), "ports": ports}
    return kubernetes_object("v1", "Service", name, annotations=labels.SKIP_AWAIT, spec=spec)


def pod_template(rollout: Any, pod: Manifest) -> Manifest:
    """The template of a workload's pods, which are replaced when ``rollout``, a text or its Output, changes."""
    return {"metadata": {"annotations": {labels.ROLLOUT: rollout}}, "spec": pod}
