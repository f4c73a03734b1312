"""Time that something may take: an answer is asked for again until it is there, or the time is over."""

import sys
import time
from collections.abc import Callable
from typing import TypeVar

from oceanid_cluster.startup.processes import CommandError, PermanentError

_POLL_SECONDS = 2  # kubectl watches one kind at a time, and we wait for several
_PROGRESS_SECONDS = 10
Answer = TypeVar("Answer")


class Patience:
    """Time that something may take, from now on."""

    def __init__(self, seconds: float) -> None:
        """``seconds`` may be zero: then nothing is waited for."""
        self.seconds = seconds
        self._start = self._said = time.monotonic()

    @property
    def left(self) -> float:
        """The seconds that are left."""
        return max(0.0, self._start + self.seconds - time.monotonic())

    def ask(self, question: Callable[[], Answer], lacks: Callable[[Answer], str] = lambda _: "") -> Answer:
        """The answer, asked for again until it lacks nothing, or the time is over; says what it waits for.

        A cluster or a Pulumi Cloud that cannot be asked is waited for as well. Raises CommandError when it cannot be
        asked at the end, and at once when no waiting helps.
        """
        while True:
            answer: Answer | None = None
            try:
                answer = question()
            except CommandError as problem:
                if isinstance(problem, PermanentError) or not self.left:
                    raise
                missing = str(problem)
            else:
                missing = lacks(answer)
                if not missing or not self.left:
                    return answer
            now = time.monotonic()
            if now - self._said >= _PROGRESS_SECONDS:
                waited = f"{now - self._start:.0f} of {self.seconds:.0f} s"
                print(f"waiting {waited} for {missing}", file=sys.stderr, flush=True)
                self._said = now
            time.sleep(min(_POLL_SECONDS, self.left))
