"""Step 5: Flux image automation, which proposes newer images by pushing a branch."""

from dataclasses import dataclass

import pulumi

from oceanid_cluster.components.base import Component, Context
from oceanid_cluster.components.flux.component import alert, flux_object, provider
from oceanid_cluster.components.flux.settings import NAME as REPOSITORY
from oceanid_cluster.components.flux.settings import SECRETS, FluxSettings
from oceanid_cluster.components.image_automation.settings import (
    ALERT,
    FACTS,
    POLICIES,
    PROVIDER,
    UPDATES,
    ImageAutomationSettings,
)
from oceanid_cluster.config.git_url import github_page
from oceanid_cluster.manifests.pods import Manifest

_COMMIT_MESSAGE = """\
chore(images): update images

{{ range .Changed.Changes -}}
- {{ .OldValue }} -> {{ .NewValue }}
{{ end -}}
"""


@dataclass(frozen=True)
class ImageAutomationArgs:
    """What image automation takes. It lives in Flux's namespace and pushes with Flux's credentials."""

    settings: ImageAutomationSettings
    flux: FluxSettings
    context: Context


class ImageAutomation(Component):
    """Follows image tags and pushes updates of marked lines to a branch of the repository."""

    type_token = FACTS.type_token

    def __init__(self, name: str, args: ImageAutomationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Output: ``branch``."""
        settings, flux = args.settings, args.flux
        super().__init__(name, args.context, opts)
        # Retained: their controllers put finalizers on them and go in the same run. Nobody acts on them any more then.
        retained = pulumi.ResourceOptions(retain_on_delete=True)
        for image, (repository, policy) in POLICIES.items():
            self.create(f"{image}-repo", image_repository(image, repository), retained)
            self.create(f"{image}-policy", image_policy(image, policy), retained)
        self.create("update-automation", update_automation(settings, flux.branch), retained)
        # Provider and Alert have no finalizers since v1beta3.
        page = github_page(flux.url)  # another host has no commit statuses that this provider could set
        if page and (flux.github_token or flux.uses_app):
            # The Secret has a token, or a GitHub App's keys, and the server's CA if that is its own.
            login = SECRETS["github-token" if flux.github_token else "github-app"]
            authority = {"certSecretRef": {"name": login}} if flux.ca_certificate else {}
            self.create("github-provider", provider(PROVIDER, "github", login, address=page, **authority))
            # The one kind whose events carry the commit that GitHub's statuses hang on.
            self.create("version-alert", alert(ALERT, PROVIDER, ["Kustomization"]))
        self.register_outputs({"branch": settings.push_branch})


def image_repository(name: str, image: str) -> Manifest:
    """Scans the tags of ``image`` every hour."""
    return flux_object("image", "ImageRepository", name, {"image": image, "interval": "1h", "provider": "generic"})


def image_policy(name: str, policy: Manifest) -> Manifest:
    """Picks the newest release among the tags; tags of one architecture, or of a test, are left out."""
    spec = {
        "imageRepositoryRef": {"name": name},
        "filterTags": {"pattern": r"^v?\d+\.\d+\.\d+$"},
        "policy": policy,
    }
    return flux_object("image", "ImagePolicy", name, spec)


def update_automation(settings: ImageAutomationSettings, branch: str) -> Manifest:
    """Commits newer tags of marked lines under the path, and pushes them to a branch of their own."""
    spec = {
        "interval": "1h",
        "sourceRef": {"kind": "GitRepository", "name": REPOSITORY},
        "git": {
            "checkout": {"ref": {"branch": branch}},
            "commit": {
                "author": {"name": settings.author_name, "email": settings.author_email},
                "messageTemplate": _COMMIT_MESSAGE,
            },
            "push": {"branch": settings.push_branch},
        },
        "update": {"path": settings.path, "strategy": "Setters"},
    }
    return flux_object("image", "ImageUpdateAutomation", UPDATES, spec)
