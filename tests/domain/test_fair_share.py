"""Fair shares: nobody waits for another who runs more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.fair_share import fair_shares

counts = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 1000), max_size=6)


@given(counts, counts, st.integers(0, 2000))
def test_places_are_all_given_and_never_more_than_is_wanted(
    running: dict[str, int], ready: dict[str, int], places: int
) -> None:
    shares = fair_shares(running, ready, places)
    assert sum(shares.values()) == min(places, sum(ready.values()))
    assert all(0 < share <= ready[owner] for owner, share in shares.items())


@given(counts, counts, st.integers(1, 2000))
def test_who_still_waits_has_no_less_than_anybody_who_was_given_more(
    running: dict[str, int], ready: dict[str, int], places: int
) -> None:
    shares = fair_shares(running, ready, places)
    for waiting in ready:
        if shares.get(waiting, 0) == ready[waiting]:
            continue
        mine = running.get(waiting, 0) + shares.get(waiting, 0)
        assert all(running.get(other, 0) + share <= mine + 1 for other, share in shares.items())


@pytest.mark.parametrize(
    ("running", "ready", "places", "shares"),
    [
        ({}, {"a": 100_000, "b": 1}, 10, {"a": 9, "b": 1}),
        ({"a": 50}, {"a": 100, "b": 100}, 20, {"b": 20}),
        ({}, {"a": 5, "b": 5, "c": 5}, 7, {"a": 3, "b": 2, "c": 2}),
        ({}, {}, 7, {}),
        ({"a": 3}, {"a": 4}, 0, {}),
    ],
)
def test_a_small_request_is_not_behind_a_large_one(
    running: dict[str, int], ready: dict[str, int], places: int, shares: dict[str, int]
) -> None:
    assert fair_shares(running, ready, places) == shares
