"""A stack's configuration without its secrets: for commands that only look, and with placeholders for ``render``."""

import os
import sys
from collections.abc import Mapping

from oceanid_cluster.commands.pulumi_cli import ask_pulumi, entries
from oceanid_cluster.commands.stack_file import (
    ENCRYPTED,
    StackFile,
    hides,
    is_encrypted,
    read_stack_file,
    short_name,
    stack_file,
)
from oceanid_cluster.components.settings import Settings, all_keys
from oceanid_cluster.config.cluster import which_cluster
from oceanid_cluster.config.errors import StartUpError
from oceanid_cluster.config.placeholders import placeholder
from oceanid_cluster.config.schema import PROJECT, Key
from oceanid_cluster.startup.configuration import load, missing_secrets, read_without_secrets
from oceanid_cluster.startup.processes import CommandError

# Which key says the id that is inside of a tunnel's token.
_IDS = {
    "cloudflare_tunnel_token": "cloudflare_tunnel_id",
    "cloudflare_node_tunnel_token": "cloudflare_node_tunnel_id",
}
_ACCOUNT = "cloudflare_account_id"


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


def without_secrets(file: StackFile, stack: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """The configuration of ``stack`` in which every secret is a placeholder, and the warnings about the real one.

    A placeholder also stands for what the file encrypts, and for a secret that is needed and not there: an ESC
    environment may hold it. Raises StartUpError for what is wrong in the file, as a run would.
    """
    warnings = _check(file, stack, complete=True).warnings
    return _replaced(file, stack, in_clear=True, complete=True), warnings


def _settings(file: StackFile, stack: str, *, warn: bool) -> Settings:
    """What the file says, as a run would read it; as far as possible where a run would refuse it, with its message.

    Raises that message when it is about which cluster it is.
    """
    name = short_name(stack)
    try:
        settings = _check(file, name, complete=False)
        warnings = settings.warnings
    except StartUpError as problem:
        readable = read_without_secrets(file.texts(), name)
        if readable is None:
            raise
        settings, warnings = readable, (str(problem),)
    for warning in warnings if warn else ():
        print(f"warning: {warning}", file=sys.stderr)
    return settings


def _check(file: StackFile, stack: str, *, complete: bool) -> Settings:
    """What a run would read of ``stack``, with placeholders for what is encrypted.

    With ``complete`` also for secrets that are needed and not there. Raises StartUpError for what is wrong in the rest,
    as a run would.
    """
    checked = _replaced(file, stack, in_clear=False, complete=complete)
    own = {name for name, value in file.values.items() if value not in (None, "")}
    return load(checked, file.encrypted | (checked.keys() - own), stack, file.path.parent)


def _replaced(file: StackFile, stack: str, *, in_clear: bool, complete: bool) -> dict[str, str]:
    """The texts of a file, with a placeholder for each encrypted value; with ``in_clear`` for every other secret, too.

    A key of which a part is encrypted is replaced as a whole: nobody can judge the rest alone. With ``complete``, or
    where something that is not read here may hold them, the secrets that are needed and not there are added.
    """
    rows = {name: row for row in all_keys() for name in row.spellings}
    plain = file.texts()
    given = {row.name: plain[name].strip() for name, row in rows.items() if plain.get(name)}

    def of_key(row: Key) -> str:
        return placeholder(row, given.get(_IDS.get(row.name, "")), given.get(_ACCOUNT))

    def replacement(name: str, value: object) -> str | None:
        row = rows.get(name)
        if row is None:
            return "placeholder" if is_encrypted(value) else None
        if row.name in (*_IDS.values(), _ACCOUNT):  # the placeholders of the tokens have them
            return None
        return of_key(row) if hides(value) or (in_clear and row.secret and value not in (None, "")) else None

    found = file.texts(replacement)
    more = complete or file.environments or any(is_encrypted(file.values[name]) for name in file.values.keys() - rows)
    while more and (missing := [row for row in missing_secrets(found, stack) if not found.get(row.name)]):
        found |= {row.name: of_key(row) for row in missing}  # another one may be needed because they are there
    return found
