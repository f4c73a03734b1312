"""The stack's configuration as far as it is not secret, for commands that only look."""

from collections.abc import Mapping

from oceanid_cluster.commands.pulumi_cli import ask_pulumi, entries
from oceanid_cluster.commands.stack_file import read_stack_file, short_name
from oceanid_cluster.components.settings import Settings, all_keys
from oceanid_cluster.config.cluster import which_cluster
from oceanid_cluster.config.schema import PROJECT
from oceanid_cluster.config.secret import Secret
from oceanid_cluster.startup.configuration import read_without_secrets
from oceanid_cluster.startup.processes import CommandError


def stack_settings(stack: str) -> Settings:
    """What the stack's configuration says, apart from its secrets. Raises StartUpError.

    Keys that say which cluster it is are read even if they are stored as secrets.
    """
    given: dict[str, str] = {}
    for name, entry in entries(stack).items():
        key = name.removeprefix(f"{PROJECT}:")
        if not entry.get("secret") and "value" in entry and key != name:
            given[key] = str(entry["value"])
        elif key in which_cluster() and key != name:
            given[key] = ask_pulumi("config", "get", key, stack=stack).rstrip("\n")
    return read_without_secrets(given, short_name(stack))


def local_settings(stack: str, environ: Mapping[str, str]) -> Settings:
    """What the stack's file says, without asking Pulumi, whose backend may be down.

    Raises StartUpError for a file that is missing, cannot be read, or does not say which cluster it is.
    """
    file = read_stack_file(stack, environ)
    if unknown := file.encrypted & which_cluster():
        raise CommandError(
            f"'{min(unknown)}' is encrypted in {file.path}, and says which cluster it is: ask without --all"
        )
    return read_without_secrets(file.texts(), short_name(stack))


def stack_secret(stack: str, name: str) -> Secret | None:
    """The value of one secret key, in whichever spelling it is there; None when it is not. Raises CommandError."""
    spellings = next(row.spellings for row in all_keys() if row.name == name)
    given = entries(stack)
    found = next((key for key in spellings if f"{PROJECT}:{key}" in given), None)
    if found is None:
        return None
    return Secret(ask_pulumi("config", "get", found, stack=stack).rstrip("\n"))
