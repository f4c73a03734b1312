"""Reads the configuration of a stack and checks all of it, so that every problem is told in one go."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from oceanid_cluster.components.checks import advice, check_together
from oceanid_cluster.components.node_tunnels.settings import NodeTunnelSettings
from oceanid_cluster.components.settings import COMPONENTS, Settings, all_keys
from oceanid_cluster.config.cloudflare import CloudflareSettings
from oceanid_cluster.config.cluster import ClusterSettings, read_cluster_settings, which_cluster
from oceanid_cluster.config.errors import StartUpError
from oceanid_cluster.config.schema import PROJECT, ConfigErrors, Key, Reader, keys_of

S = TypeVar("S")
# The folder in which the CLI runs, wherever one calls it: its own variable for the option --cwd.
FOLDER_VARIABLE = "PULUMI_OPTION_CWD"


def project_folder(environ: Mapping[str, str]) -> Path:
    """The folder in which the CLI looks for the project and its stack files."""
    return Path(environ.get(FOLDER_VARIABLE) or ".").absolute()


def load(given: Mapping[str, str], stored_secret: frozenset[str], stack: str, folder: Path = Path()) -> Settings:
    """Read and check the whole configuration of ``stack``.

    ``given`` maps keys of this project, without the namespace, to their text; ``stored_secret`` names those that are
    encrypted in the stack's file, which is in ``folder``. Raises StartUpError with every problem, each with the command
    that fixes it.
    """
    problems = ConfigErrors()
    settings = _read(given, stored_secret, stack, problems)
    check_together(settings, problems)
    settings = replace(settings, warnings=(*settings.warnings, *advice(settings)))
    if problems:
        raise StartUpError(problems.message(stack, folder, settings.warnings))
    return settings


def missing_secrets(given: Mapping[str, str], stack: str) -> list[Key]:
    """The secret keys without which a configuration is refused."""
    problems = ConfigErrors()
    check_together(_read(given, frozenset(), stack, problems), problems)
    return [row for row in all_keys() if row.secret and row.name in problems.missing_keys()]


def read_without_secrets(given: Mapping[str, str], stack: str) -> Settings | None:
    """The configuration as far as it is not secret, for commands that only look.

    What is missing or wrong is None in it. None when a key that says which cluster it is has a wrong value: without it,
    it could be another one.
    """
    problems = ConfigErrors()
    settings = _read(given, frozenset(), stack, problems)
    rows = keys_of(ClusterSettings).values()
    names = {name for name in which_cluster() if given.get(name, "").strip()}
    wrong = problems.about(*(row.name for row in rows if not names.isdisjoint(row.spellings)))
    return None if wrong else settings


def _read(given: Mapping[str, str], stored_secret: frozenset[str], stack: str, problems: ConfigErrors) -> Settings:
    reader = Reader(given, stored_secret, problems, {"stack": stack})
    reader.know_secrets(all_keys())
    # One that cannot be read turns nothing off: the component's other keys are checked in the same go.
    on = {name: reader.read(keys_of(section)["enabled"]) is not False for name, section in COMPONENTS.items()}
    any_tunnel = on["tunnel"] or on["node_tunnels"]
    # Three keys are the default of others, or part of it. A wrong one is reported once, and must not break those.
    reader.fill["cluster_domain"] = reader.read(keys_of(ClusterSettings)["domain"]) or "invalid"
    reader.fill["base"] = reader.read(keys_of(NodeTunnelSettings)["base"]) or "invalid.invalid"
    image = reader.read(keys_of(CloudflareSettings)["image"], used=any_tunnel)
    reader.fill["cloudflared_image"] = image or "invalid:invalid"
    sections: dict[str, Any] = {
        name: _section(reader, section, used=on[name], enabled=on[name]) for name, section in COMPONENTS.items()
    }
    return Settings(
        cluster=read_cluster_settings(reader),
        cloudflare=_section(reader, CloudflareSettings, used=any_tunnel),
        **sections,
        warnings=(
            *dict.fromkeys(reader.ignored),
            *reader.unknown(all_keys()),
            *(f"'{row.name}' is stored in clear; run: {row.fix}" for row in all_keys() if reader.in_clear(row)),
        ),
    )


def _section(reader: Reader, section: type[S], *, used: bool, **known: bool) -> S:
    """A section; its keys count only while it is ``used``. ``known`` are fields that are read already."""
    rows = keys_of(section)
    flag = rows["enabled"].name if "enabled" in rows else None
    found: dict[str, Any] = {
        name: reader.read(row, used=used, flag=flag) for name, row in rows.items() if name not in known
    }
    return section(**known, **found)


def load_from_engine() -> Settings:
    """``load`` for the configuration that the engine handed to this process; logs the warnings."""
    import pulumi  # commands that only look are quicker without it

    prefix = f"{PROJECT}:"
    given = {
        name.removeprefix(prefix): str(value)
        for name, value in pulumi.runtime.config.get_config_env().items()
        if name.startswith(prefix)
    }
    secret_names = pulumi.runtime.config.get_config_secret_keys_env()
    stored_secret = frozenset(name.removeprefix(prefix) for name in secret_names)
    folder = pulumi.runtime.get_root_directory() or project_folder(os.environ)  # older language hosts tell none
    settings = load(given, stored_secret, pulumi.get_stack(), Path(folder))
    for warning in settings.warnings:
        pulumi.log.warn(warning)
    return settings
