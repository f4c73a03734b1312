"""A secret value of the configuration, which cannot be printed by accident; and what looks like one."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pulumi


@dataclass(frozen=True, repr=False)
class Secret:
    """Holds a secret in clear while the program checks it; ``output()`` is the only form that reaches a resource."""

    value: str

    def __repr__(self) -> str:
        return "Secret([secret])"

    def output(self) -> pulumi.Output[str]:
        """The value as a Pulumi secret: encrypted in the state, masked in every output."""
        import pulumi  # commands that only look are quicker without it

        return pulumi.Output.secret(self.value)


def looks_random(text: str) -> bool:
    """Whether small and capital letters and digits are as mixed as only chance, or a cipher, mixes them."""
    kinds = [0 if c.islower() else 1 if c.isupper() else 2 for c in text if c.isalnum()]
    changes = sum(one != other for one, other in itertools.pairwise(kinds))
    return set(kinds) == {0, 1, 2} and changes * 4 >= len(kinds)
