"""The namespace ``apps``, which Label Studio owns and the adapter shares."""

import pulumi

from oceanid_cluster.components.base import ChildOptions, Component, namespace

NAMESPACE = "apps"
LABEL_STUDIO = ("oceanid:apps:LabelStudio", "label-studio")
ADAPTER = ("oceanid:ml:LsTritonAdapter", "ls-triton-adapter")


def create_apps_namespace(owner: Component) -> pulumi.Resource:
    """Make the namespace as a child of ``owner``; the same resource whichever of the two components makes it.

    It is never deleted. Level baseline, not restricted: the training Jobs that the adapter
    starts set no security context.
    """
    aliases = [
        pulumi.Alias(name="label-studio-ns", parent=component_urn(token, name))
        for token, name in (LABEL_STUDIO, ADAPTER)
        if token != owner.type_token
    ]
    manifest = namespace(NAMESPACE, owner.context.cluster, "apps", "baseline")
    return owner.register("label-studio-ns", manifest, ChildOptions(retain=True, aliases=aliases))


def component_urn(token: str, name: str) -> str:
    """The URN of a component of this stack, which may be turned off."""
    return f"urn:pulumi:{pulumi.get_stack()}::{pulumi.get_project()}::{token}::{name}"
