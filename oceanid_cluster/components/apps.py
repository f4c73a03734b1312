"""The namespace ``apps``, which Label Studio owns and the adapter shares."""

import pulumi
import pulumi_kubernetes as k8s

from oceanid_cluster.components.base import Child, Component, namespace
from oceanid_cluster.labels import FLUX_NEVER_PRUNES

NAMESPACE = "apps"
LABEL_STUDIO = ("oceanid:apps:LabelStudio", "label-studio")
ADAPTER = ("oceanid:ml:LsTritonAdapter", "ls-triton-adapter")


def make_apps_namespace(owner: Component) -> k8s.core.v1.Namespace:
    """Make the namespace as a child of ``owner``; the same resource whichever of the two components makes it.

    It is never deleted, and Flux never prunes it. Level baseline, not restricted: the training Jobs that the adapter
    starts set no security context.
    """
    stack = f"urn:pulumi:{pulumi.get_stack()}::{pulumi.get_project()}::"
    aliases = [
        pulumi.Alias(name="label-studio-ns", parent=f"{stack}{token}::{name}")
        for token, name in (LABEL_STUDIO, ADAPTER)
        if token != owner.token
    ]
    manifest = namespace(NAMESPACE, owner.context.cluster, "apps", "baseline", FLUX_NEVER_PRUNES)
    fields = {key: value for key, value in manifest.items() if key == "metadata"}
    return k8s.core.v1.Namespace("label-studio-ns", opts=owner.options(Child(retain=True, aliases=aliases)), **fields)
