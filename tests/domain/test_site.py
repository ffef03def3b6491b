"""Whether a site of a grid rests, and where a job had better not go again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.retry import Failure
from engine.domain.site import (
    CLASSES_TO_AVOID_SITE,
    EACH,
    FIRST_REST_S,
    LONGEST_REST_S,
    USERS,
    WINDOW_S,
    SiteOutcome,
    SiteRest,
    at_fault,
    avoids_site_after,
    outcome,
    remember,
    rest,
    sites_to_avoid,
)
from wrappers.causes import CAUSES, NO, YES

NAMES = st.sets(st.sampled_from("ABCDE"))
OUTCOMES = st.lists(
    st.builds(
        SiteOutcome,
        at=st.floats(0, 2 * WINDOW_S),
        user=st.sampled_from("ab"),
        image=st.sampled_from("xy"),
        cause=st.sampled_from(["", "no-space", "no-runtime", "registry-down", "lost"]),
    )
)


def fails(*who: str, cause: str = "no-space", at: float = 0.0) -> list[SiteOutcome]:
    """Failures of `user/image`, a second after each other."""
    pairs = [name.split("/") for name in who]
    return [SiteOutcome(at + n, user, image, cause) for n, (user, image) in enumerate(pairs)]


def works(*who: str, at: float = 0.0) -> list[SiteOutcome]:
    return fails(*who, cause="", at=at)


@pytest.mark.parametrize("cause", [c for c in CAUSES.values() if c.site == NO], ids=lambda c: c.name)
def test_what_is_not_the_sites_fault_is_never_laid_on_it(cause: object) -> None:
    assert isinstance(cause, type(CAUSES["tool"]))
    told = outcome(1.0, "a", "x", cause.name, cause.failure)
    assert told is None or not told.cause
    ran = cause.failure in (Failure.TOOL, Failure.LIMIT)
    assert (told is not None) == ran  # where a tool could run, the site works


def test_what_happens_to_one_user_with_one_image_does_not_let_a_site_rest() -> None:
    assert not at_fault(fails(*["a/x"] * 1000), [])


@pytest.mark.parametrize("who", [("a/x", "b/x", "a/x"), ("a/x", "a/y", "a/x")], ids=["users", "images"])
def test_a_site_where_several_fail_rests(who: tuple[str, ...]) -> None:
    assert at_fault(fails(*who), [])
    assert not at_fault(fails(*who[:2]), [])  # two failures are few


def test_a_site_where_most_work_does_not_rest() -> None:
    failing = fails("a/x", "b/x", "a/x", "b/x")
    assert at_fault([*failing, *works("c/x", "d/x")], [])
    assert not at_fault([*failing, *works("c/x", "d/x", "e/x")], [])


def test_one_broken_node_of_a_site_does_not_let_it_rest() -> None:
    good = works(*["a/x", "b/x"] * 4)
    assert not at_fault([*good, *fails("a/x", "b/x", "a/x", "b/x", at=10)], [])


@pytest.mark.parametrize("cause", ["registry-down", "lost", "input-transfer", "output"])
def test_what_may_have_another_reason_counts_when_it_works_elsewhere(cause: str) -> None:
    failing = fails("a/x", "b/x", "a/x", cause=cause, at=100)
    assert not at_fault(failing, [])
    assert not at_fault(failing, works("a/x", "b/x", at=50))  # that was before
    assert not at_fault(failing, works("c/x", "d/x", at=200))  # those are others
    assert at_fault(failing, works("a/x", "b/x", at=200))


def test_a_site_that_does_not_recover_rests_longer_but_not_for_ever() -> None:
    state, here, now = SiteRest(), fails("a/x", "b/x", "a/x"), 100.0
    lengths = []
    for _ in range(12):
        for user in "ab":
            here = remember(here, SiteOutcome(now, user, "x", "no-space"))
            state = rest(state, here, [])
        lengths.append(state.until - now)
        now = state.until
    assert lengths[:3] == [FIRST_REST_S, 2 * FIRST_REST_S, 4 * FIRST_REST_S]
    assert lengths == sorted(lengths)
    assert lengths[-1] == LONGEST_REST_S


def test_jobs_that_were_there_already_do_not_make_a_rest_longer() -> None:
    state, here = SiteRest(), fails("a/x", "b/x", "a/x")
    first = state = rest(state, here, [])
    for at in range(100):
        here = remember(here, SiteOutcome(10.0 + at, "b", "x", "no-space"))
        state = rest(state, here, [])
    assert state == first


def test_a_site_that_works_again_rests_no_longer() -> None:
    here = fails("a/x", "b/x", "a/x")
    state = rest(SiteRest(), here, [])
    assert state.until > 0
    for at in range(10, 14):
        here = remember(here, SiteOutcome(at, "a", "x"))
        here = remember(here, SiteOutcome(at, "b", "x"))
    assert rest(state, here, []) == SiteRest()


@given(OUTCOMES)
def test_only_the_latest_of_each_is_remembered(outcomes: list[SiteOutcome]) -> None:
    kept: list[SiteOutcome] = []
    for one in sorted(outcomes, key=lambda one: one.at):
        kept = remember(kept, one)
        assert kept[-1] == one
        assert all(k.at > one.at - WINDOW_S for k in kept)
        assert [k.at for k in kept] == sorted(k.at for k in kept)
    assert all(sum(k.who == one.who for k in kept) <= EACH for one in kept)


def test_a_thousand_users_are_not_all_remembered() -> None:
    kept: list[SiteOutcome] = []
    for n in range(1000):
        kept = remember(kept, SiteOutcome(float(n), f"user{n}", "x", "no-space"))
    assert [k.user for k in kept] == [f"user{n}" for n in range(1000 - USERS, 1000)]


@given(OUTCOMES, OUTCOMES)
def test_no_site_rests_for_one_user_with_one_image(
    here: list[SiteOutcome], others: list[SiteOutcome]
) -> None:
    alone = [one for one in here if one.who == ("a", "x") or not one.cause]
    assert not at_fault(alone, others)


def test_failures_of_the_tool_do_not_send_a_job_elsewhere() -> None:
    assert not any(
        avoids_site_after(f) for f in (Failure.TOOL, Failure.LIMIT, Failure.ENGINE, Failure.CANCELLED, "")
    )
    assert {c.failure for c in CAUSES.values() if c.site == YES} <= CLASSES_TO_AVOID_SITE


@given(NAMES, NAMES, NAMES)
def test_a_job_always_has_somewhere_to_go(failed: set[str], resting: set[str], known: set[str]) -> None:
    avoid = sites_to_avoid(failed, resting, known)
    assert set(avoid) <= failed | resting
    assert not avoid or known - set(avoid)
    if known - failed - resting:
        assert set(avoid) == failed | resting
