"""Histories: a random row of what operators and accidents do to one cluster, and what must hold after each step.

A short one, always the same, runs in ``make test``, and two longer ones in ``make test-full``; ``make soak`` draws
others (SOAK=number of histories).
"""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine.engine import Engine
from tests.engine.history import COMPONENTS, EDITS, KEYS, OBJECTS, ROTATED, VICTIMS, History
from tests.engine.prepared import started

NUMBER = int(os.environ.get("SOAK", "0"))
STEPS_OF_ONE = 6

# A method of History, and its arguments.
Step = tuple[object, ...]
KNOWN: dict[str, list[Step]] = {
    "a lost state, a component off and on, and edits by hand": [
        ("turn", "LabelStudio"),
        ("rotate", "github_token"),
        ("lose_state",),
        ("turn", "LabelStudio"),
        ("edit", *EDITS[2]),
    ],
    "a killed run, a lost cluster and a destroyed stack": [
        ("kill", "engine", 1),
        ("delete", *OBJECTS[0]),
        ("lose_cluster",),
        ("destroy",),
    ],
}
# Any step: what it is, and what it is done to.
STEPS: st.SearchStrategy[Step] = st.one_of(
    *(st.just((name,)) for name in ("restart", "restore", "lose_state", "lose_cluster", "destroy")),
    st.sampled_from([("set_key", *one) for key, value in KEYS.items() for one in ((key, value), (key, None))]),
    st.tuples(st.just("turn"), st.sampled_from(COMPONENTS)),
    st.tuples(st.just("rotate"), st.sampled_from(ROTATED)),
    st.sampled_from([("delete", *which) for which in OBJECTS]),
    st.sampled_from([("edit", *which) for which in EDITS]),
    st.tuples(st.just("kill"), st.sampled_from(sorted(VICTIMS)), st.integers(0, 99)),
)


def happens(history: History, steps: list[Step]) -> None:
    """Do the steps, and check after each."""
    for name, *arguments in steps:
        getattr(history, str(name))(*arguments)
        history.check()


def test_a_component_off_and_a_restored_cluster(tmp_path: Path) -> None:
    with started("applied", tmp_path) as engine:
        history = History(engine)
        history.turn("ImageAutomation")
        happens(history, [("restore",)])


@pytest.mark.parametrize("steps", KNOWN.values(), ids=KNOWN.keys())
def test_a_known_history_converges_and_loses_nothing(bare: Engine, steps: list[Step]) -> None:
    happens(History(bare), steps)


if NUMBER:

    @settings(
        max_examples=NUMBER, deadline=None, derandomize=False,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )  # fmt: skip
    @given(steps=st.lists(STEPS, min_size=1, max_size=STEPS_OF_ONE))
    def test_any_history_converges_and_loses_nothing(steps: list[Step]) -> None:
        with TemporaryDirectory(prefix="history-") as folder, started("bare", Path(folder)) as engine:
            happens(History(engine), steps)
