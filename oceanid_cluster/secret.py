"""A secret value of the configuration, which cannot be printed by accident."""

from dataclasses import dataclass

import pulumi


@dataclass(frozen=True, repr=False)
class Secret:
    """Holds a secret in clear while the program checks it; ``output()`` is the only form that reaches a resource."""

    value: str

    def __repr__(self) -> str:
        return "Secret([secret])"

    def output(self) -> pulumi.Output[str]:
        """The value as a Pulumi secret: encrypted in the state, masked in every output."""
        return pulumi.Output.secret(self.value)
