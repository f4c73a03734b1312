"""The configuration of a stack without its secrets, which placeholders replace."""

from collections.abc import Mapping
from types import MappingProxyType

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
    ours = _Placeholders(file)
    return ours.completed(file.texts(ours.of_secret), stack), check(file, stack, complete=True).warnings


def check(file: StackFile, stack: str, known: Mapping[str, str] = MappingProxyType({}), *, complete: bool) -> Settings:
    """What a run would read of ``stack``, with placeholders for the encrypted values that are not ``known``.

    With ``complete`` also for secrets that are needed and not there. Raises StartUpError for what is wrong in the rest,
    as a run would.
    """
    ours = _Placeholders(file)

    def replacement(name: str, value: object) -> str | None:
        return known[name] if name in known else ours.of_encrypted(name, value)

    checked = file.texts(replacement)
    if complete or file.environments or ours.hidden():
        checked = ours.completed(checked, stack)
    own = {name for name, value in file.values.items() if value not in (None, "")}
    return load(checked, file.encrypted | (checked.keys() - own), stack, file.path.parent)


class _Placeholders:
    def __init__(self, file: StackFile) -> None:
        self._file = file
        self._rows = {name: row for row in all_keys() for name in row.spellings}
        plain = file.texts()
        self._given = {row.name: plain[name].strip() for name, row in self._rows.items() if plain.get(name)}

    def of(self, name: str) -> str | None:
        """A placeholder for a value; None for the ids of tunnels, which the placeholders of their tokens have."""
        row = self._rows.get(name)
        if row and row.name in (*_IDS.values(), _ACCOUNT):
            return None
        return self._of_key(row) if row else "placeholder"

    def hidden(self) -> bool:
        """Whether an encrypted object may hold further keys."""
        return any(is_encrypted(value) for name, value in self._file.values.items() if name not in self._rows)

    def of_secret(self, name: str, value: object) -> str | None:
        """A placeholder for what is encrypted, or the value of a secret key; None for everything else."""
        row = self._rows.get(name)
        is_secret = row is not None and row.secret and value not in (None, "")
        return self.of(name) if is_secret else self.of_encrypted(name, value)

    def of_encrypted(self, name: str, value: object) -> str | None:
        """A placeholder for what is encrypted, and for a key of which a part is: nobody can judge the rest alone."""
        return self.of(name) if is_encrypted(value) or (name in self._rows and hides(value)) else None

    def completed(self, given: Mapping[str, str], stack: str) -> dict[str, str]:
        """The same with the secrets that are needed and not there; one may be needed because another is there."""
        found = dict(given)
        while missing := [row for row in missing_secrets(found, stack) if not found.get(row.name)]:
            found |= {row.name: self._of_key(row) for row in missing}
        return found

    def _of_key(self, row: Key) -> str:
        return placeholder(row, self._given.get(_IDS.get(row.name, "")), self._given.get(_ACCOUNT))
