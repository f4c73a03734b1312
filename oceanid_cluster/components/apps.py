"""The namespace ``apps``, which Label Studio owns and the adapter shares."""

import pulumi

from oceanid_cluster.components.adapter.settings import FACTS as ADAPTER
from oceanid_cluster.components.base import ChildOptions, Component, component_urn, namespace
from oceanid_cluster.components.label_studio.settings import FACTS as LABEL_STUDIO
from oceanid_cluster.components.label_studio.settings import NAMESPACE


def create_apps_namespace(owner: Component) -> pulumi.Resource:
    """Make the namespace as a child of ``owner``; the same resource whichever of the two components makes it.

    It is never deleted. Level baseline, not restricted: the training Jobs that the adapter
    starts set no security context.
    """
    others = [facts for facts in (LABEL_STUDIO, ADAPTER) if facts.type_token != owner.type_token]
    aliases = [pulumi.Alias(name="label-studio-ns", parent=component_urn(facts)) for facts in others]
    manifest = namespace(NAMESPACE, owner.context.cluster, "apps", "baseline")
    return owner.register("label-studio-ns", manifest, ChildOptions(retain=True, aliases=aliases))
