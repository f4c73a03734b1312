"""cloudflared: its configuration file and its container, the same in a Deployment and on a node."""

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import yaml

from oceanid_cluster.config.ingress import IngressRule
from oceanid_cluster.config.origin_request import CLUSTER_CA_PATH
from oceanid_cluster.config.parsers import Resources
from oceanid_cluster.manifests.pods import Manifest, container_security, http_probe, pull_policy

USER = 65532  # nonroot in the distroless image
CONFIG_KEY = "config.yaml"
TOKEN_KEY = "token"
_CONFIG_FOLDER = "/etc/cloudflared/config"
_TOKEN_FOLDER = "/etc/cloudflared/token"

# cloudflared drains for 30 s after SIGTERM; Kubernetes must not kill it meanwhile.
_DRAIN_SECONDS = 30
TERMINATION_SECONDS = _DRAIN_SECONDS + 15


def config_file(
    tunnel_id: str,
    rules: Sequence[IngressRule],
    metrics_port: int,
    protocol: str,
    metrics_address: str = "0.0.0.0",  # noqa: S104
    edge_ip_version: str = "auto",
) -> str:
    """Cloudflared's configuration file (YAML) for a list of rules that ends with the catch-all.

    ``metrics_address`` is where metrics, probes and pprof answer: on the host network the loopback address.
    """
    document: dict[str, Any] = {
        "tunnel": tunnel_id,
        "metrics": f"{metrics_address}:{metrics_port}",
        "protocol": protocol,
        "edge-ip-version": edge_ip_version,  # text, also 4 and 6: cloudflared takes no number
        "no-autoupdate": True,
        "loglevel": "info",
        "grace-period": f"{_DRAIN_SECONDS}s",
        "ingress": [rule.document() for rule in rules],
    }
    return yaml.safe_dump(document, sort_keys=False)


def container(image: str, metrics_port: int, resources: Resources, probe_address: str = "") -> Manifest:
    """The container. Its token comes from a mounted file: arguments and variables are readable by too many.

    ``probe_address`` is where the kubelet finds the probes; the pod's own address when it is empty.
    """
    return {
        "name": "cloudflared",
        "image": image,
        "imagePullPolicy": pull_policy(image),
        "args": [
            "tunnel", "--config", f"{_CONFIG_FOLDER}/{CONFIG_KEY}",
            "run", "--token-file", f"{_TOKEN_FOLDER}/{TOKEN_KEY}",
        ],
        "ports": [{"name": "metrics", "containerPort": metrics_port, "protocol": "TCP"}],
        "readinessProbe": http_probe("/ready", "metrics", period=10, address=probe_address),
        # Not /ready: an outage at Cloudflare's edge must not restart every pod.
        "livenessProbe": http_probe("/healthcheck", "metrics", period=20, address=probe_address),
        "resources": resources,
        "securityContext": container_security(),
        "volumeMounts": [
            {"name": "config", "mountPath": _CONFIG_FOLDER, "readOnly": True},
            {"name": "token", "mountPath": _TOKEN_FOLDER, "readOnly": True},
            {"name": "cluster-ca", "mountPath": str(PurePosixPath(CLUSTER_CA_PATH).parent), "readOnly": True},
        ],
    }  # fmt: skip


def volumes(config_map: str, token_secret: str) -> list[Manifest]:
    """The container's volumes. The cluster's CA comes without the API token that a service account would bring."""
    return [
        {"name": "config", "configMap": {"name": config_map}},
        {"name": "token", "secret": {"secretName": token_secret, "defaultMode": 0o440}},
        {"name": "cluster-ca", "configMap": {"name": "kube-root-ca.crt"}},
    ]
