"""What a changed key or a rotated secret changes: one table for the program under mocks and for the real engine."""

import base64
import json
from dataclasses import dataclass, field

from oceanid_cluster.components.settings import CHAIN
from oceanid_cluster.config.cluster import NODES
from tests.samples import NODE_TUNNEL, TUNNEL, connector_token

PEERS = '[{"namespace": "kube-system", "labels": {"app.kubernetes.io/name": "traefik"}}]'
RULE = '[{"hostname": "app.example.org", "service": "http://app.apps.svc:80"}]'
# The pods of a workload, by its logical name.
WORKLOADS = {
    "cloudflare-deployment": "cloudflared",
    "node-tunnels-daemonset": "cloudflared-tunnel",
    "label-studio-deploy": "label-studio",
    "ls-triton-adapter-deploy": "ls-triton-adapter",
}
RELEASES = [f"{facts.logical_name}-helm" for facts in CHAIN if facts.releases]


def _nodes_with(label: str, value: str) -> str:
    """The default table of nodes, with another value of a label of calypso."""
    return json.dumps([
        {
            "name": node.name, "host": node.host, "address": f"192.0.2.{number}",
            "labels": {**node.labels, **({label: value} if node.name == "calypso" else {})},
        }
        for number, node in enumerate(NODES, start=10)
    ])  # fmt: skip


@dataclass(frozen=True)
class Change:
    """A value of a key, and the resources that it updates, by logical name."""

    value: str
    updates: frozenset[str]


def _change(value: str, *updates: str) -> Change:
    return Change(value, frozenset(updates))


CHANGES = {
    "nodes": _change(_nodes_with("gpu", "rtx6000"), "nodes-calypso"),
    "cloudflareTunnelReplicas": _change("3", "cloudflare-deployment"),
    "cloudflared_image": _change(
        "docker.io/cloudflare/cloudflared:2026.8.3", "cloudflare-deployment", "node-tunnels-daemonset"
    ),
    "metricsPort": _change(
        "2100", "cloudflare-config", "cloudflare-deployment", "cloudflare-network", "cloudflare-svc"
    ),
    "labelStudioImage": _change("docker.io/heartexlabs/label-studio:1.23.3", "label-studio-deploy"),
    "adapterImageTag": _change("1.2.3", "ls-triton-adapter-deploy"),
    "gitRepositoryIntervalSeconds": _change("90", "gitops-git-repo"),
    "extraIngress": _change(RULE, "cloudflare-config", "cloudflare-deployment", "cloudflare-network"),
    "exposeKubelet": _change("true", "node-tunnels-config", "node-tunnels-daemonset"),
    "labelStudioIngressFrom": _change(PEERS, "label-studio-network"),
    "adapterIngressFrom": _change(PEERS, "ls-triton-adapter-network"),
    "readyTimeoutMinutes": _change("6", "label-studio-deploy", *RELEASES),
    "cloudflare_api_token": _change("canary-alone-it-changes-nothing"),
}


@dataclass(frozen=True)
class Rotation:
    """Another value of a secret: the Secret that has it, the workload that reads it, and what must be set before."""

    value: str
    secret: str
    name: str
    workload: str = ""
    before: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def updates(self) -> frozenset[str]:
        """The resources that it updates, by logical name."""
        return frozenset(filter(None, (self.secret, self.workload)))


_OTHER = base64.b64encode(b"another-fake-tunnel-secret-here!").decode()
ROTATIONS = {
    "github_token": Rotation("canary-rotated", "gitops-github-token", "github-token"),
    "pulumi_access_token": Rotation(
        "canary-rotated", "pko-api-secret", "pulumi-api-secret", before={"pulumi_access_token": "canary-first"}
    ),
    "cloudflare_tunnel_token": Rotation(
        connector_token(TUNNEL, secret=_OTHER), "cloudflare-credentials", "cloudflared-credentials",
        "cloudflare-deployment",
    ),
    "cloudflare_node_tunnel_token": Rotation(
        connector_token(NODE_TUNNEL, secret=_OTHER), "node-tunnels-credentials", "tunnel-credentials",
        "node-tunnels-daemonset",
    ),
    "postgres_url": Rotation(
        "postgres://u:canary-rotated@db/labels?sslmode=require", "label-studio-db-secret", "labelstudio-db-credentials",
        "label-studio-deploy", before={"postgres_url": "postgres://u:canary-first@db/labels?sslmode=require"},
    ),
    "labelStudioAdminPassword": Rotation(
        "canary-rotated", "label-studio-app-secret", "labelstudio-app-credentials", "label-studio-deploy",
        before={"labelStudioAdminPassword": "canary-first"},
    ),
    "labelStudioSecretKey": Rotation(
        "canary-rotated", "label-studio-app-secret", "labelstudio-app-credentials", "label-studio-deploy",
        before={"labelStudioSecretKey": "canary-first"},
    ),
    "aws.labelStudio.secretAccessKey": Rotation(
        "canary-rotated", "label-studio-s3-secret", "labelstudio-s3-credentials", "label-studio-deploy",
        before={"aws.labelStudio.accessKeyId": "canary-id", "aws.labelStudio.secretAccessKey": "canary-first"},
    ),
    "cfAccessClientSecret": Rotation(
        "canary-rotated", "ls-triton-adapter-cf-access", "ls-triton-adapter-cf-access", "ls-triton-adapter-deploy",
        before={"cfAccessClientId": "canary-id", "cfAccessClientSecret": "canary-first"},
    ),
    "hfAccessToken": Rotation(
        "canary-rotated", "ls-triton-adapter-hf-credentials", "hf-credentials", "ls-triton-adapter-deploy",
        before={"hfAccessToken": "canary-first"},
    ),
}  # fmt: skip
