"""The values of Label Studio that are generated once: they outlive the component, its flag and a lost state."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_random as random

from oceanid_cluster.components.base import component_urn
from oceanid_cluster.components.label_studio.settings import ADMIN_PASSWORD, FACTS, SECRET_KEY, LabelStudioSettings
from oceanid_cluster.config.secret import Secret


@dataclass(frozen=True)
class GeneratedSecrets:
    """Label Studio's ``SECRET_KEY`` and first password.

    ``generated_password`` is the same password, and None when it comes from the configuration.
    """

    secret_key: pulumi.Output[str]
    admin_password: pulumi.Output[str]
    generated_password: pulumi.Output[str] | None


def label_studio_secrets(settings: LabelStudioSettings, live: Mapping[str, Secret] | None) -> GeneratedSecrets:
    """The two values: from the configuration, else as first known, for good.

    ``live`` is the data of Label Studio's Secret in the cluster by key, None when there is none. It is used when the
    state holds no value yet: after a lost state, a destroy, or under a new name.
    """
    found = live or {}
    secret_key = _first_known(f"label-studio-{SECRET_KEY}", 64, found.get(SECRET_KEY) or settings.secret_key)
    password = _first_known(f"label-studio-{ADMIN_PASSWORD}", 24, found.get(ADMIN_PASSWORD) or settings.admin_password)
    return GeneratedSecrets(
        secret_key=settings.secret_key.output() if settings.secret_key else secret_key,
        admin_password=settings.admin_password.output() if settings.admin_password else password,
        generated_password=None if settings.admin_password else password,
    )


def _first_known(name: str, length: int, known: Secret | None) -> pulumi.Output[str]:
    """A value that never changes: ``known`` if there is one when it is first asked for, else ``length`` random letters.

    Registered outside of the component, so that turning that off deletes nothing. A Stash gives back what it was first
    given (pulumi/pkg, resource/deploy/builtins.go); ``ignore_changes`` keeps later inputs out of every preview.
    """
    former_parent = pulumi.Alias(parent=component_urn(FACTS))
    options = pulumi.ResourceOptions(aliases=[former_parent])
    generated = random.RandomPassword(name, length=length, special=False, opts=options)
    stash = pulumi.Stash(
        f"{name}-kept",
        input=known.output() if known else pulumi.Output.secret(generated.result),
        # Of the generated value also where another is known: an edge that comes and goes breaks `pulumi up --target`.
        opts=pulumi.ResourceOptions(ignore_changes=["input"], depends_on=[generated]),
    )
    return pulumi.Output.secret(stash.output)
