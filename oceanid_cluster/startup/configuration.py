"""Reads the configuration of a stack and checks all of it, so that every problem is told in one go."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from oceanid_cluster.components.checks import advice, check_together
from oceanid_cluster.components.facts import ComponentSettings
from oceanid_cluster.components.node_tunnels.settings import NodeTunnelSettings
from oceanid_cluster.components.settings import COMPONENTS, Settings, all_keys
from oceanid_cluster.components.tunnel.settings import TunnelSettings
from oceanid_cluster.config.cluster import ClusterSettings, read_cluster_settings, which_cluster
from oceanid_cluster.config.errors import StartUpError
from oceanid_cluster.config.schema import PROJECT, ConfigErrors, Key, Reader, keys_of

S = TypeVar("S", bound=ComponentSettings)


def load(given: Mapping[str, str], stored_secret: frozenset[str], stack: str) -> Settings:
    """Read and check the whole configuration of ``stack``.

    ``given`` maps keys of this project, without the namespace, to their text; ``stored_secret`` names those that are
    encrypted in the stack file. Raises StartUpError with every problem, each with the command that fixes it.
    """
    problems = ConfigErrors()
    settings = _read(given, stored_secret, stack, problems)
    check_together(settings, problems)
    settings = replace(settings, warnings=(*settings.warnings, *advice(settings)))
    if problems:
        raise StartUpError(problems.message(stack, settings.warnings))
    return settings


def missing_secrets(given: Mapping[str, str], stack: str) -> list[Key]:
    """The secret keys without which a configuration is refused."""
    problems = ConfigErrors()
    check_together(_read(given, frozenset(), stack, problems), problems)
    return [row for row in all_keys() if row.secret and row.name in problems.missing()]


def read_without_secrets(given: Mapping[str, str], stack: str) -> Settings:
    """The configuration as far as it is not secret, for commands that only look; None where it is missing or wrong.

    Raises StartUpError when a key that says which cluster it is has a wrong value: without it, it could be another one.
    """
    problems = ConfigErrors()
    settings = _read(given, frozenset(), stack, problems)
    rows = keys_of(ClusterSettings).values()
    names = {name for name in which_cluster() if given.get(name, "").strip()}
    if wrong := problems.only(row.name for row in rows if not names.isdisjoint(row.spellings)):
        raise StartUpError(wrong.message(stack, ()))
    return settings


def _read(given: Mapping[str, str], stored_secret: frozenset[str], stack: str, problems: ConfigErrors) -> Settings:
    reader = Reader(given, stored_secret, problems, {"stack": stack})
    reader.know_secrets(all_keys())
    rows = [keys_of(section)["enabled"] for section in COMPONENTS.values()]
    flags = {row.name: bool(reader.read(row)) for row in rows}
    # Three keys are the default of others, or part of it. A wrong one is reported once, and must not break those.
    reader.fill["cluster_domain"] = reader.read(keys_of(ClusterSettings)["domain"]) or "invalid"
    reader.fill["base"] = reader.read(keys_of(NodeTunnelSettings)["base"]) or "invalid.invalid"
    image = keys_of(TunnelSettings)["image"]
    reader.fill["cloudflared_image"] = (
        reader.read(image, used=_is_used(TunnelSettings, image, flags)) or "invalid:invalid"
    )
    return Settings(
        cluster=read_cluster_settings(reader),
        **{name: _section(reader, section, flags) for name, section in COMPONENTS.items()},  # pyright: ignore[reportArgumentType]
        warnings=(
            *dict.fromkeys(reader.ignored),
            *reader.unknown(all_keys()),
            *(f"'{row.name}' is stored in clear; run: {row.fix}" for row in all_keys() if reader.in_clear(row)),
        ),
    )


def _section(reader: Reader, section: type[S], flags: Mapping[str, bool]) -> S:
    rows = keys_of(section)
    flag = rows.pop("enabled")
    found: dict[str, Any] = {"enabled": flags[flag.name]}
    for name, row in rows.items():
        found[name] = reader.read(row, used=_is_used(section, row, flags), flag=flag.name)
    return section(**found)


def _is_used(section: type[ComponentSettings], row: Key, flags: Mapping[str, bool]) -> bool:
    """Whether a key is used: its component is on, or another one that shares it."""
    return flags[keys_of(section)["enabled"].name] or flags.get(row.shared_with or "", False)


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
    settings = load(given, frozenset(name.removeprefix(prefix) for name in secret_names), pulumi.get_stack())
    for warning in settings.warnings:
        pulumi.log.warn(warning)
    return settings
