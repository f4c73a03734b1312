"""Flux image automation: its configuration, and what the commands know of it."""

from dataclasses import dataclass
from typing import Any

from oceanid_cluster.components.facts import ComponentSettings, CustomResource, Expected, Facts
from oceanid_cluster.components.flux.settings import FACTS as FLUX
from oceanid_cluster.components.flux.settings import NAMESPACE, RUNBOOK, hints
from oceanid_cluster.config import parsers
from oceanid_cluster.config.schema import key

# Image, and which of its tags to follow. cloudflared's tags are calendar versions, which SemVer can order.
POLICIES: dict[str, tuple[str, dict[str, Any]]] = {
    "cloudflared": ("docker.io/cloudflare/cloudflared", {"semver": {"range": ">=2026.0.0"}}),
    "cert-manager": ("quay.io/jetstack/cert-manager-controller", {"semver": {"range": ">=1.0.0 <2.0.0"}}),
    "label-studio": ("docker.io/heartexlabs/label-studio", {"semver": {"range": ">=1.23.0 <2.0.0"}}),
}
UPDATES, PROVIDER, ALERT = "flux-system", "github-updates", "image-updates"
_CONTROLLERS = ("image-reflector", "image-automation")
_SCAN = hints("image-reflector", "image repository", "the registry cannot be read")
_POLICY = hints("image-reflector", "image policy", "no tag fits, or its ImageRepository is not ready")
_UPDATE = hints("image-automation", "image update", f"Git cannot be read or written: {RUNBOOK}")
FACTS = Facts(
    name="ImageAutomation",
    title="image automation",
    logical_name="version-monitor",
    type_token="oceanid:monitoring:ImageAutomation",
    namespace=NAMESPACE,
    expected=(
        *(Expected("Deployment", NAMESPACE, f"{name}-controller") for name in _CONTROLLERS),
        *(Expected("ImageRepository", NAMESPACE, name, _SCAN) for name in POLICIES),
        *(Expected("ImagePolicy", NAMESPACE, name, _POLICY) for name in POLICIES),
        Expected("ImageUpdateAutomation", NAMESPACE, UPDATES, _UPDATE),
        Expected("Provider", NAMESPACE, PROVIDER, optional=True),
        Expected("Alert", NAMESPACE, ALERT, optional=True),
    ),
    custom_resources=(
        CustomResource("ImageRepository", "imagerepositories.image.toolkit.fluxcd.io"),
        CustomResource("ImagePolicy", "imagepolicies.image.toolkit.fluxcd.io"),
        CustomResource("ImageUpdateAutomation", "imageupdateautomations.image.toolkit.fluxcd.io"),
    ),
    needs=(FLUX,),
)


@dataclass(frozen=True)
class ImageAutomationSettings(ComponentSettings):
    """Flux image automation."""

    facts = FACTS

    enabled: bool = key(
        "enableImageAutomation", parsers.boolean, "install Flux image automation (needs Flux)", default="true"
    )
    author_name: str = key(
        "imageUpdateAuthorName", parsers.text, "author of the commits that update images", default="Flux Bot"
    )
    author_email: str = key(
        "imageUpdateAuthorEmail", parsers.email, "e-mail address of that author", default="flux@boathou.se"
    )
    push_branch: str = key(
        "imageUpdateBranch", parsers.git_branch, "branch for image updates", default="flux-image-updates"
    )
    path: str = key(
        "imageUpdatePath", parsers.repository_path, "folder in which images are updated", default="./clusters/tethys"
    )
