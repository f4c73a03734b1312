"""Histories: a random row of what operators and accidents do to one cluster, and what must hold after each step.

A short one, always the same, runs in ``make test``, and two longer ones in ``make test-full``; ``make soak`` draws
others (SOAK=number of histories).
"""

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.engine.history import EDITS, FLAGS, KEYS, OBJECTS, ROTATED, VICTIMS, History
from tests.engine.prepared import applied_cluster, bare_cluster

NUMBER = int(os.environ.get("SOAK", "0"))
STEPS_OF_ONE = 6


def test_a_component_off_and_a_restored_cluster(tmp_path: Path) -> None:
    with applied_cluster(tmp_path) as engine:
        history = History(engine)
        history.turn("enableImageAutomation")
        history.restore()
        history.check()


def test_a_lost_state_a_component_off_and_on_and_edits_by_hand(tmp_path: Path) -> None:
    with bare_cluster(tmp_path) as engine:
        history = History(engine)
        for step in (
            lambda: history.turn("enableLabelStudio"),
            lambda: history.rotate("github_token"),
            history.lose_state,
            lambda: history.turn("enableLabelStudio"),
            lambda: history.edit(*EDITS[2]),
        ):
            step()
            history.check()


def test_a_killed_run_a_lost_cluster_and_a_destroyed_stack(tmp_path: Path) -> None:
    with bare_cluster(tmp_path) as engine:
        history = History(engine)
        for step in (
            lambda: history.kill("engine", seed=1),
            lambda: history.delete(*OBJECTS[0]),
            history.lose_cluster,
            history.destroy,
        ):
            step()
            history.check()


class Histories(RuleBasedStateMachine):
    """Draws steps; hypothesis shortens a history that fails."""

    @initialize()
    def start(self) -> None:
        self.folder = TemporaryDirectory(prefix="history-")
        self.cluster = bare_cluster(Path(self.folder.name))
        self.history = History(self.cluster.__enter__())

    def step(self, name: str, *arguments: Any) -> None:
        """Do one step and check."""
        getattr(self.history, name)(*arguments)
        self.history.check()

    @rule(key=st.sampled_from(sorted(KEYS)))
    def set_key(self, key: str) -> None:
        self.step("set_key", key)

    @rule(key=st.sampled_from(sorted(KEYS)))
    def remove_key(self, key: str) -> None:
        self.step("remove_key", key)

    @rule(flag=st.sampled_from(sorted(FLAGS)))
    def turn(self, flag: str) -> None:
        self.step("turn", flag)

    @rule(name=st.sampled_from(ROTATED))
    def rotate(self, name: str) -> None:
        self.step("rotate", name)

    @rule(which=st.sampled_from(OBJECTS))
    def delete(self, which: tuple[str, str]) -> None:
        self.step("delete", *which)

    @rule(which=st.sampled_from(EDITS))
    def edit(self, which: tuple[str, str, str]) -> None:
        self.step("edit", *which)

    @rule(victim=st.sampled_from(sorted(VICTIMS)), seed=st.integers(0, 99))
    def kill(self, victim: str, seed: int) -> None:
        self.step("kill", victim, seed)

    @rule()
    def restart(self) -> None:
        self.step("restart")

    @rule()
    def restore(self) -> None:
        self.step("restore")

    @rule()
    def lose_state(self) -> None:
        self.step("lose_state")

    @rule()
    def lose_cluster(self) -> None:
        self.step("lose_cluster")

    @rule()
    def destroy(self) -> None:
        self.step("destroy")

    def teardown(self) -> None:
        self.cluster.__exit__(None, None, None)
        self.folder.cleanup()


if NUMBER:

    def test_any_history_converges_and_loses_nothing() -> None:
        run_state_machine_as_test(
            Histories,
            settings=settings(
                max_examples=NUMBER, stateful_step_count=STEPS_OF_ONE, deadline=None, derandomize=False,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            ),
        )  # fmt: skip
