"""Step 0: the labels of the machines, by which pods find their place."""

from collections.abc import Sequence

import pulumi
import pulumi_kubernetes as k8s

from oceanid_cluster.components.base import Child, Component, Context
from oceanid_cluster.config import Node
from oceanid_cluster.pods import Manifest


class NodeLabels(Component):
    """Sets the ``oceanid.cluster/*`` labels of existing nodes by server-side patch, owning those keys only."""

    token = "oceanid:core:NodeLabels"

    def __init__(
        self, name: str, nodes: Sequence[Node], context: Context, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """``nodes`` is the node table. A node that is not in the cluster fails, by name."""
        super().__init__(name, context, opts)
        for node in nodes:
            # A patch alone would make the node that it does not find.
            existing = k8s.core.v1.Node.get(f"{name}-{node.name}-exists", node.host, opts=self.options())
            self.make(node.name, node_patch(node), Child(after=[existing]))
        self.register_outputs({"nodes": [node.host for node in nodes]})


def node_patch(node: Node) -> Manifest:
    """The patch of one node. Roles (``node-role.kubernetes.io/*``) belong to K3s and are left alone."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": node.host,
            "labels": {f"oceanid.cluster/{label}": value for label, value in node.labels.items()},
        },
    }
