"""What ends a run before anything is registered."""


class StartUpError(Exception):
    """A start-up check failed; the message is for the operator: what is wrong, where, and how to fix it."""
