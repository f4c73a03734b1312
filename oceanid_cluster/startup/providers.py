"""The providers: the cluster's, and Cloudflare's when there is a token for it."""

import os

import pulumi
import pulumi_kubernetes as k8s

from oceanid_cluster.components.settings import Settings
from oceanid_cluster.startup.kubeconfig import Kubeconfig


def kubernetes_provider(settings: Settings, kubeconfig: Kubeconfig) -> k8s.Provider:
    """The provider of the cluster, ``k3s-provider``.

    The fixed identifier is what keeps a new endpoint or certificate from replacing every resource; mutable ConfigMaps
    and Secrets are updated, never deleted; our fields are taken back from whoever changed them.
    """
    # The provider reads this variable itself; the SDK would copy it into the state, and the next run differ from it.
    os.environ.pop("PULUMI_K8S_UPSERT_EXISTING_OBJECTS", None)
    return k8s.Provider(
        "k3s-provider",
        kubeconfig=kubeconfig.contents.output(),
        cluster_identifier=settings.cluster.name,
        enable_config_map_mutable=True,
        enable_secret_mutable=True,
        enable_patch_force=True,
        upsert_existing_objects=settings.cluster.adopt_existing or None,  # unset, so that the variable is read
        suppress_helm_hook_warnings=True,
    )


def cloudflare_provider(settings: Settings) -> pulumi.ProviderResource | None:
    """Cloudflare's provider, ``cloudflare-provider``; None unless something is to be written there."""
    needed = settings.tunnel.manage_config or settings.node_tunnels.manage_dns
    if settings.tunnel.api_token is None or not needed:
        return None
    import pulumi_cloudflare  # its import is the slowest part of a run

    return pulumi_cloudflare.Provider("cloudflare-provider", api_token=settings.tunnel.api_token.output())
