"""Which cluster: its name, its nodes, how it is reached, and what holds for every component."""

from dataclasses import dataclass, replace
from typing import Any

from oceanid_cluster.config import parsers
from oceanid_cluster.config.nodes import Node, parse_nodes
from oceanid_cluster.config.schema import ConfigErrors, Reader, key, keys_of

PHASES = ("preparation", "parallel-validation", "cutover", "cleanup")

# The machines of Oceanid; their addresses are keys of their own, and the key `nodes` replaces the whole table.
# Edit a label here and run `pulumi up`: that label changes, and nothing else.
NODES = (
    Node("tethys", "srv712429", None, {"node": "tethys", "provider": "hostinger", "control-plane": "primary"}),
    Node("styx", "srv712695", None, {"node": "styx", "provider": "hostinger", "control-plane": "secondary"}),
    Node(
        "calypso", "calypso", None, {"node": "calypso", "provider": "local", "gpu": "rtx4090", "tunnel-enabled": "true"}
    ),
)


@dataclass(frozen=True)
class ClusterSettings:
    """The cluster, access to it, and what applies to every component."""

    kubeconfig_path: str | None = key(
        "kubeconfigPath", parsers.text, "path of the kubeconfig, instead of the variable KUBECONFIG", value="path"
    )
    kube_context: str | None = key("kubeContext", parsers.text, "context of the kubeconfig, instead of the current one")
    allowed_api_hosts: tuple[str, ...] = key(
        "allowedApiHosts", parsers.host_list, "additional hosts of the API server", default="[]"
    )
    adopt_existing: bool = key(
        "adoptExisting",
        parsers.boolean,
        "adopt existing objects (the provider's `upsertExistingObjects`)",
        default="false",
    )
    name: str = key(
        "clusterName", parsers.label_value,
        "label and identity of the cluster; immutable: a change replaces every resource",
        default="oceanid-{stack}",
    )  # fmt: skip
    tethys_ip: str = key(
        "tethysIp", parsers.ip_address, "IP address of tethys, the first control plane", required=True, value="ip"
    )
    styx_ip: str = key(
        "styxIp", parsers.ip_address, "IP address of styx, the second control plane", required=True, value="ip"
    )
    calypso_ip: str = key(
        "calypsoIp", parsers.ip_address, "IP address of calypso, the GPU worker",
        default="192.168.2.80",
    )  # fmt: skip
    domain: str = key(
        "clusterDomain", parsers.domain, "domain of the cluster (`--cluster-domain` of K3s)", default="cluster.local"
    )
    nodes: tuple[Node, ...] = key(
        "nodes", parse_nodes,
        "machines of another cluster, instead of the three addresses above: [{name, host, address, labels?}]",
        shown_default="tethys, styx, calypso",
    )  # fmt: skip
    uid: str | None = key("clusterUid", parsers.uid, "required UID of the namespace kube-system")
    manage_node_labels: bool = key(
        "manageNodeLabels", parsers.boolean, "set the oceanid.cluster/* labels of the nodes", default="true"
    )
    ready_timeout_minutes: int = key(
        "readyTimeoutMinutes", parsers.integer(1, 60), "minutes to wait until a workload is ready", default="5"
    )
    migration_phase: str = key(
        "migration_phase", parsers.choice(*PHASES), f"phase shown by migrationStatus: {', '.join(PHASES)}",
        default="preparation",
    )  # fmt: skip


_WHICH_CLUSTER = (
    "kubeconfig_path", "kube_context", "allowed_api_hosts", "tethys_ip", "styx_ip", "calypso_ip", "nodes", "uid",
    "manage_node_labels",
)  # fmt: skip


def which_cluster() -> frozenset[str]:
    """The keys, in every spelling, that say which cluster it is and how it is reached."""
    rows = keys_of(ClusterSettings)
    return frozenset(name for field in _WHICH_CLUSTER for name in rows[field].spellings)


def read_cluster_settings(reader: Reader) -> ClusterSettings:
    """The cluster's section: the key ``nodes``, or the table of Oceanid, which needs its addresses."""
    rows = keys_of(ClusterSettings)
    nodes: tuple[Node, ...] | None = reader.read(rows["nodes"])
    addresses = ("tethys_ip", "styx_ip", "calypso_ip")
    if nodes or reader.given(rows["nodes"]):
        rows |= {name: replace(rows[name], required=False) for name in addresses}
    found: dict[str, Any] = {name: reader.read(row) for name, row in rows.items()}
    if not nodes:
        found["nodes"] = tuple(replace(node, address=found[name]) for node, name in zip(NODES, addresses, strict=True))
    return ClusterSettings(**found)


def check_addresses(cluster: ClusterSettings, problems: ConfigErrors) -> None:
    """Note machines of the default table with the same address; those of the key ``nodes`` are different already."""
    addresses = {f"{node.name}Ip": node.address for node in cluster.nodes}
    for name, address in addresses.items():
        twin = next((other for other in addresses if other < name and addresses[other] == address), None)
        if address and twin:
            problems.add(twin, f"and '{name}' are the same address", f"pulumi config set {name} <ip>")
