"""For how long a site of a grid rests, and where a job had better not go again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.retry import Failure
from engine.domain.site import LONGEST, RESTS, blames, elsewhere, rest_of

NAMES = st.sets(st.sampled_from("ABCDE"))


def test_failures_of_the_tool_say_nothing_about_the_site() -> None:
    assert not any(blames(f) for f in (Failure.TOOL, Failure.LIMIT, Failure.ENGINE, Failure.CANCELLED, ""))
    assert rest_of(Failure.TOOL, 99) == 0.0


def test_a_node_without_a_runtime_lets_its_site_rest_at_once_and_a_lost_job_does_not() -> None:
    assert (rest_of(Failure.NODE, 1), rest_of(Failure.LOST, 1)) == (300.0, 0.0)


@pytest.mark.parametrize("failure", RESTS)
def test_a_site_that_goes_on_failing_rests_longer_but_not_for_ever(failure: Failure) -> None:
    rests = [rest_of(failure, n) for n in range(1, 200)]
    assert rests == sorted(rests)
    assert rests[-1] == LONGEST


@given(NAMES, NAMES, NAMES)
def test_a_job_always_has_somewhere_to_go(failed: set[str], resting: set[str], known: set[str]) -> None:
    avoid = elsewhere(failed, resting, known)
    assert set(avoid) <= failed | resting
    assert not avoid or known - set(avoid)
    if known - failed - resting:
        assert set(avoid) == failed | resting
