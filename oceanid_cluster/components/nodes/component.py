"""Step 0: the labels of the machines, by which pods find their place."""

from collections.abc import Sequence

import pulumi

from oceanid_cluster.components.base import Component, Context
from oceanid_cluster.config.nodes import Node
from oceanid_cluster.manifests.pods import Manifest


class NodeLabels(Component):
    """Sets the ``oceanid.cluster/*`` labels of existing nodes by server-side patch, owning those keys only."""

    type_token = "oceanid:core:NodeLabels"

    def __init__(
        self, name: str, nodes: Sequence[Node], context: Context, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """``nodes`` are in the cluster, which was looked at before: a patch would make a node that it does not find."""
        super().__init__(name, context, opts)
        for node in nodes:
            self.create(node.name, node_patch(node))
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
