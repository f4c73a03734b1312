"""The stack's configuration as far as it is not secret, for commands that only look."""

import os
import sys
from collections.abc import Mapping

from oceanid_cluster.commands.placeholders import check
from oceanid_cluster.commands.pulumi_cli import ask_pulumi, entries
from oceanid_cluster.commands.stack_file import ENCRYPTED, StackFile, read_stack_file, short_name, stack_file
from oceanid_cluster.components.settings import Settings
from oceanid_cluster.config.cluster import which_cluster
from oceanid_cluster.config.errors import StartUpError
from oceanid_cluster.config.schema import PROJECT
from oceanid_cluster.startup.configuration import read_without_secrets
from oceanid_cluster.startup.processes import CommandError


def stack_settings(stack: str, *, warn: bool = True) -> Settings:
    """What the stack's configuration says, apart from its secrets; can warn of what is wrong. Raises StartUpError.

    Keys that say which cluster it is are read even if they are stored as secrets.
    """
    prefix = f"{PROJECT}:"
    ours = {name.removeprefix(prefix): entry for name, entry in entries(stack).items() if name.startswith(prefix)}
    secret = frozenset(key for key, entry in ours.items() if entry.get("secret") or "value" not in entry)
    values = {key: ENCRYPTED if key in secret else str(entry["value"]) for key, entry in ours.items()}
    for key in secret & which_cluster():
        values[key] = ask_pulumi("config", "get", key, stack=stack).rstrip("\n")
    return _settings(StackFile(stack_file(stack, os.environ), values, secret), stack, warn=warn)


def local_settings(stack: str, environ: Mapping[str, str]) -> Settings:
    """What the stack's file says, without asking Pulumi, whose backend may be down; warns of what is wrong.

    Raises StartUpError for a file that is missing, cannot be read, or does not say which cluster it is.
    """
    file = read_stack_file(stack, environ)
    if unknown := file.encrypted & which_cluster():
        raise CommandError(
            f"'{min(unknown)}' is encrypted in {file.path}, and says which cluster it is: ask without --all"
        )
    return _settings(file, stack, warn=True)


def _settings(file: StackFile, stack: str, *, warn: bool) -> Settings:
    """What the file says, as a run would read it; as far as possible where a run would refuse it, with its message.

    Raises that message when it is about which cluster it is.
    """
    name = short_name(stack)
    try:
        settings = check(file, name, complete=False)
        warnings = settings.warnings
    except StartUpError as problem:
        readable = read_without_secrets(file.texts(), name)
        if readable is None:
            raise
        settings, warnings = readable, (str(problem),)
    for warning in warnings if warn else ():
        print(f"warning: {warning}", file=sys.stderr)
    return settings
