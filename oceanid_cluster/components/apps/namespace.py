"""The namespace as a resource, which the first application that is on makes."""

import pulumi

from oceanid_cluster.components.apps.addresses import NAMESPACE
from oceanid_cluster.components.base import Component, component_urn
from oceanid_cluster.components.settings import CHAIN
from oceanid_cluster.manifests.objects import namespace


def create_apps_namespace(owner: Component) -> pulumi.Resource:
    """Make the namespace as a child of ``owner``; the same resource whichever of its components makes it.

    It is never deleted. Level baseline, not restricted: the training Jobs that the adapter
    starts set no security context.
    """
    others = [facts for facts in CHAIN if facts.namespace == NAMESPACE and facts.type_token != owner.type_token]
    aliases = [pulumi.Alias(name="label-studio-ns", parent=component_urn(facts)) for facts in others]
    manifest = namespace(NAMESPACE, owner.context.cluster.name, "apps", "baseline")
    return owner.register("label-studio-ns", manifest, pulumi.ResourceOptions(retain_on_delete=True, aliases=aliases))
