"""The configuration of a stack without its secrets, which placeholders replace."""

from oceanid_cluster.commands.stack_file import StackFile, hides, is_encrypted
from oceanid_cluster.components.settings import Settings, all_keys
from oceanid_cluster.config.placeholders import placeholder
from oceanid_cluster.config.schema import Key
from oceanid_cluster.startup.configuration import load, missing_secrets

# Which key says the id that is inside of a tunnel's token.
_IDS = {
    "cloudflare_tunnel_token": "cloudflare_tunnel_id",
    "cloudflare_node_tunnel_token": "cloudflare_node_tunnel_id",
}
_ACCOUNT = "cloudflare_account_id"


def without_secrets(file: StackFile, stack: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """The configuration of ``stack`` in which every secret is a placeholder, and the warnings about the real one.

    A placeholder also stands for what the file encrypts, and for a secret that is needed and not there: an ESC
    environment may hold it. Raises StartUpError for what is wrong in the file, as a run would.
    """
    warnings = check(file, stack, complete=True).warnings
    return _replaced(file, stack, in_clear=True, complete=True), warnings


def check(file: StackFile, stack: str, *, complete: bool) -> Settings:
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
