"""The state tables: every cell is decided, and nothing can get stuck."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.attempt import NO_CHANGE, TRANSITIONS, AttemptEvent, AttemptState, Effect, transition
from engine.domain.execution import ExecutionState, conclude
from engine.domain.job import MAY_BECOME, JobState
from engine.domain.retry import Failure, cause_of, try_again
from engine.errors import IllegalTransition
from wrappers import wire
from wrappers.causes import CAUSES

EVERY_CELL = list(product(AttemptState, AttemptEvent))
# What contradicts a state, written out a second time: a table that grows by accident fails.
CONTRADICTIONS = {
    AttemptState.PREPARED: set(AttemptEvent) - {AttemptEvent.SUBMIT_REQUESTED, AttemptEvent.CANCEL_REQUESTED},
    AttemptState.SUBMITTING: set(AttemptEvent)
    - {
        AttemptEvent.SUBMIT_REQUESTED,
        AttemptEvent.ACCEPTED,
        AttemptEvent.REJECTED,
        AttemptEvent.CANCEL_REQUESTED,
    },
    AttemptState.QUEUED: {
        AttemptEvent.SUBMIT_REQUESTED,
        AttemptEvent.REJECTED,
        AttemptEvent.REPORT_SUCCEEDED,
        AttemptEvent.REPORT_FAILED,
        AttemptEvent.REPORT_ABSENT,
        AttemptEvent.STORAGE_GONE,
        AttemptEvent.TAKEN_UP,
        AttemptEvent.CANCEL_DONE,
    },
    AttemptState.RUNNING: {
        AttemptEvent.SUBMIT_REQUESTED,
        AttemptEvent.REJECTED,
        AttemptEvent.REPORT_SUCCEEDED,
        AttemptEvent.REPORT_FAILED,
        AttemptEvent.REPORT_ABSENT,
        AttemptEvent.STORAGE_GONE,
        AttemptEvent.TAKEN_UP,
        AttemptEvent.CANCEL_DONE,
    },
    AttemptState.FINALISING: {
        AttemptEvent.SUBMIT_REQUESTED,
        AttemptEvent.REJECTED,
        AttemptEvent.CANCEL_DONE,
        AttemptEvent.TAKEN_UP,
    },
    AttemptState.CANCELLING: {
        AttemptEvent.SUBMIT_REQUESTED,
        AttemptEvent.REPORT_SUCCEEDED,
        AttemptEvent.REPORT_FAILED,
        AttemptEvent.REPORT_ABSENT,
        AttemptEvent.STORAGE_GONE,
        AttemptEvent.TAKEN_UP,
    },
    AttemptState.STRANDED: {
        AttemptEvent.SUBMIT_REQUESTED,
        AttemptEvent.REJECTED,
        AttemptEvent.REPORT_SUCCEEDED,
        AttemptEvent.REPORT_FAILED,
        AttemptEvent.REPORT_ABSENT,
        AttemptEvent.STORAGE_GONE,
        AttemptEvent.CANCEL_DONE,
    },
}


@pytest.mark.parametrize(("state", "news"), EVERY_CELL)
def test_every_news_in_every_state_moves_is_absorbed_or_is_refused(
    state: AttemptState, news: AttemptEvent
) -> None:
    if news in CONTRADICTIONS.get(state, set()):
        with pytest.raises(IllegalTransition):
            transition(state, news)
    else:
        step = transition(state, news)
        if state.is_final:
            assert (step.to, step.effects) == (state, ())


def test_no_cell_is_decided_twice() -> None:
    assert not NO_CHANGE & TRANSITIONS.keys()
    assert not any(state.is_final for state, _ in [*TRANSITIONS, *NO_CHANGE])


@pytest.mark.parametrize("state", [s for s in AttemptState if not s.is_final])
def test_every_living_state_can_reach_an_end(state: AttemptState) -> None:
    reached, todo = {state}, [state]
    while todo:
        here = todo.pop()
        for (source, _), step in TRANSITIONS.items():
            if source == here and step.to not in reached:
                reached.add(step.to)
                todo.append(step.to)
    assert any(s.is_final for s in reached)


@pytest.mark.parametrize(
    ("state", "news"),
    [(s, n) for (s, n), step in TRANSITIONS.items() if step.to.is_final and s != "prepared"],
)
def test_an_end_that_the_place_knows_of_lets_it_forget(state: AttemptState, news: AttemptEvent) -> None:
    never_there = {AttemptEvent.REJECTED, AttemptEvent.CANCEL_DONE}
    assert (Effect.FORGET in TRANSITIONS[state, news].effects) == (news not in never_there)


@given(st.lists(st.sampled_from(AttemptEvent), max_size=30))
def test_no_order_of_news_raises_an_ended_attempt_from_the_dead(story: list[AttemptEvent]) -> None:
    state, ended = AttemptState.PREPARED, None
    for news in story:
        try:
            state = transition(state, news).to
        except IllegalTransition:
            continue
        assert ended is None or state == ended
        ended = state if state.is_final else ended


def test_success_comes_from_a_verified_report_and_from_nothing_else() -> None:
    ways = {news for (_, news), step in TRANSITIONS.items() if step.to == AttemptState.SUCCEEDED}
    assert ways == {AttemptEvent.REPORT_SUCCEEDED}


@pytest.mark.parametrize(
    ("tally", "state"),
    [
        ({"succeeded": 3}, "succeeded"),
        ({"succeeded": 2, "failed": 1}, "partial"),
        ({"succeeded": 2, "cancelled": 1}, "partial"),
        ({"failed": 3}, "failed"),
        ({"failed": 1, "skipped": 2}, "failed"),
        ({"cancelled": 3}, "cancelled"),
        ({"cancelled": 1, "failed": 1}, "cancelled"),
        ({"succeeded": 3, "ready": 1}, "active"),
        ({"failed": 3, "blocked": 1}, "active"),
        ({"active": 1}, "active"),
    ],
)
def test_an_execution_ends_as_its_jobs_did(tally: dict[str, int], state: str) -> None:
    assert conclude({JobState(s): n for s, n in tally.items()}) == ExecutionState(state)


def test_a_job_that_succeeded_is_never_run_again() -> None:
    assert not MAY_BECOME[JobState.SUCCEEDED]


def test_only_what_another_try_can_mend_is_tried_again() -> None:
    again = {c.name for c in CAUSES.values() if try_again(c, 0) is not None}
    assert {CAUSES[name].failure for name in again} == {Failure.LOST, Failure.NODE, Failure.IMAGE}
    assert not again & {"image-missing", "image-platform", "image-start", "results-full", "tool"}
    assert all(try_again(c, c.again) is None for c in CAUSES.values())


def test_every_class_is_a_cause_of_its_own_name() -> None:
    assert {name for name in CAUSES if CAUSES[name].failure == name} == set(Failure)
    assert {c.failure for c in CAUSES.values()} == set(Failure)


@pytest.mark.parametrize(
    ("named", "failure", "cause"),
    [
        ("no-space", "node", "no-space"),
        ("", "node", "node"),  # from before there were causes
        ("of-a-later-version", "image", "image"),
        ("no-space", "output", "output"),  # what the engine made of it counts
    ],
)
def test_what_a_report_names_is_believed_within_its_class(named: str, failure: str, cause: str) -> None:
    assert cause_of(named, failure) == CAUSES[cause]


def test_every_failure_that_the_wrapper_names_has_a_class_here() -> None:
    assert set(wire.FAILURES) <= {str(f) for f in Failure}
