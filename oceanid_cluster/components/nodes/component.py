"""Step 0: the labels of the machines, by which pods find their place."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from oceanid_cluster.components.base import Component, Context
from oceanid_cluster.components.nodes.facts import TYPE_TOKEN
from oceanid_cluster.config.nodes import Node
from oceanid_cluster.manifests.objects import kubernetes_object


@dataclass(frozen=True)
class NodeArgs:
    """What the labels take. ``nodes`` are in the cluster: a patch would make a node that it does not find."""

    nodes: Sequence[Node]
    context: Context


class NodeLabels(Component):
    """Sets the ``oceanid.cluster/*`` labels of existing nodes by server-side patch, owning those keys only."""

    type_token = TYPE_TOKEN

    def __init__(self, name: str, args: NodeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Output: ``nodes``."""
        super().__init__(name, args.context, opts)
        for node in args.nodes:
            # Roles (node-role.kubernetes.io/*) belong to K3s and are left alone.
            self.create(node.name, kubernetes_object("v1", "Node", node.host, own_labels=node.kubernetes_labels))
        self.register_outputs({"nodes": [node.host for node in args.nodes]})
