"""States as users see them: what waits is queued, only what runs is running."""

from __future__ import annotations

import pytest

from engine.domain import shown_states
from engine.domain.execution import ExecutionState
from engine.domain.job import JobState
from engine.domain.shown_states import ShownJobState


@pytest.mark.parametrize(
    ("counts", "running", "tally", "state"),
    [
        ({}, 0, {}, "queued"),
        ({"ready": 2, "blocked": 1}, 0, {"queued": 3}, "queued"),
        ({"active": 5}, 0, {"queued": 5}, "queued"),
        ({"active": 5, "ready": 1}, 2, {"queued": 4, "running": 2}, "running"),
        ({"active": 1}, 3, {"running": 1}, "running"),  # counted a moment later
        ({"ready": 1, "failed": 1, "succeeded": 0}, 0, {"queued": 1, "failed": 1}, "running"),
    ],
)
def test_jobs_are_counted_as_they_are_shown(
    counts: dict[str, int], running: int, tally: dict[str, int], state: str
) -> None:
    shown = shown_states.tally({JobState(one): n for one, n in counts.items()}, running)
    assert shown == tally
    assert shown_states.of_execution(ExecutionState.ACTIVE, shown) == state
    assert shown_states.of_execution(ExecutionState.PARTIAL, shown) == "partial"


def test_every_stored_state_is_shown_and_found_again() -> None:
    for state in JobState:
        for runs in (True, False):
            assert state in shown_states.stored_states([shown_states.of_job(state, runs=runs)])
    assert {state for shown in ShownJobState for state in shown_states.stored_states([shown])} == set(
        JobState
    )
    assert list(shown_states.stored_states([])) == []
