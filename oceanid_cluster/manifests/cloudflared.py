"""cloudflared: its configuration file and its container, the same in a Deployment and on a node."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import yaml

from oceanid_cluster.config.cloudflare import CloudflareSettings
from oceanid_cluster.config.ingress import IngressRule
from oceanid_cluster.config.origin_request import CLUSTER_CA_PATH
from oceanid_cluster.config.parsers import Resources
from oceanid_cluster.manifests import pods
from oceanid_cluster.manifests.pods import Manifest, Placement

_USER = 65532  # nonroot in the distroless image
CONFIG_KEY = "config.yaml"
TOKEN_KEY = "token"
_CONFIG_FOLDER = "/etc/cloudflared/config"
_TOKEN_FOLDER = "/etc/cloudflared/token"

# cloudflared drains for 30 s after SIGTERM; Kubernetes must not kill it meanwhile.
_DRAIN_SECONDS = 30


@dataclass(frozen=True)
class Names:
    """What the objects of one tunnel are called, and where its metrics, probes and pprof answer.

    ``metrics_part`` is the last part of the logical name of the Service ``metrics``. On the host network ``address`` is
    a loopback address; empty, it is the pod's own.
    """

    namespace: str
    name: str
    secret: str
    config_map: str
    metrics_part: str
    address: str = ""
    metrics: str = "cloudflared-metrics"

    @property
    def selector(self) -> dict[str, str]:
        """The labels of its pods."""
        return {"app.kubernetes.io/name": self.name}


def config_file(
    tunnel_id: str, rules: Sequence[IngressRule], names: Names, metrics_port: int, cloudflare: CloudflareSettings
) -> str:
    """Cloudflared's configuration file (YAML) for a list of rules that ends with the catch-all."""
    document: dict[str, Any] = {
        "tunnel": tunnel_id,
        "metrics": f"{names.address or '0.0.0.0'}:{metrics_port}",  # noqa: S104
        "protocol": cloudflare.protocol,
        "edge-ip-version": cloudflare.edge_ip_version,  # text, also 4 and 6: cloudflared takes no number
        "no-autoupdate": True,
        "loglevel": "info",
        "grace-period": f"{_DRAIN_SECONDS}s",
        "ingress": [rule.document() for rule in rules],
    }
    return yaml.safe_dump(document, sort_keys=False)


def pod(names: Names, image: str, metrics_port: int, resources: Resources, placement: Placement) -> Manifest:
    """The specification of the pods, unprivileged."""
    container = pods.container(
        "cloudflared",
        image,
        pods.port("metrics", metrics_port),
        resources,
        # The token comes from a mounted file: arguments and variables are readable by too many.
        args=[
            "tunnel", "--config", f"{_CONFIG_FOLDER}/{CONFIG_KEY}",
            "run", "--token-file", f"{_TOKEN_FOLDER}/{TOKEN_KEY}",
        ],
        readinessProbe=pods.http_probe("/ready", "metrics", period=10, address=names.address),
        # Not /ready: an outage at Cloudflare's edge must not restart every pod.
        livenessProbe=pods.http_probe("/healthcheck", "metrics", period=20, address=names.address),
        volumeMounts=[
            {"name": "config", "mountPath": _CONFIG_FOLDER, "readOnly": True},
            {"name": "token", "mountPath": _TOKEN_FOLDER, "readOnly": True},
            {"name": "cluster-ca", "mountPath": str(PurePosixPath(CLUSTER_CA_PATH).parent), "readOnly": True},
        ],
    )  # fmt: skip
    # The cluster's CA comes without the API token that a service account would bring.
    volumes = [
        {"name": "config", "configMap": {"name": names.config_map}},
        {"name": "token", "secret": {"secretName": names.secret, "defaultMode": 0o440}},
        {"name": "cluster-ca", "configMap": {"name": "kube-root-ca.crt"}},
    ]
    return pods.pod(_USER, placement, container, terminationGracePeriodSeconds=_DRAIN_SECONDS + 15, volumes=volumes)
