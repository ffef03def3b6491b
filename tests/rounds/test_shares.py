"""How much an engine starts at a time, and for whom: through the loop, as a back-end sees it."""

from __future__ import annotations

from collections import Counter

import pytest

from engine.domain.retry import Failure
from engine.ids import ExecutionId
from tests.rounds.conftest import Rounds, windowed
from wrappers import wire


def executions(rounds: Rounds, *ids: ExecutionId) -> list[int]:
    """How many jobs of each execution the back-end was given."""
    counts = Counter(one.execution for one in rounds.backend.submitted)
    return [counts[id_] for id_ in ids]


def test_a_back_end_is_never_given_more_than_it_wants_at_a_time(rounds: Rounds) -> None:
    """Without it, a user with a million jobs floods the queue of a site, which bans the portal."""
    rounds.backend.capabilities = windowed(4)
    rounds.submit(10)
    seen = []
    for _ in range(6):
        rounds.round()
        seen.append(len(rounds.backend.in_flight))
    assert seen == [3, 4, 4, 4, 4, 4]  # a half and one at first: users who come a moment later have room


def test_what_has_ended_makes_room_and_all_is_done_in_the_end(rounds: Rounds) -> None:
    rounds.backend.capabilities = windowed(2)
    id_ = rounds.submit(5)
    rounds.until(lambda: len(rounds.backend.in_flight) == 2)
    rounds.backend.finish(rounds.backend.in_flight[0])
    rounds.until(lambda: len(rounds.backend.submitted) == 3)
    assert len(rounds.backend.in_flight) == 2
    assert rounds.end(id_).tally == {"succeeded": 5}


@pytest.mark.parametrize(("batch", "calls"), [(2, [2, 2, 1]), (4, [4, 1]), (5, [5]), (6, [5])])
def test_no_call_holds_more_submissions_than_the_back_end_takes(
    rounds: Rounds, batch: int, calls: list[int]
) -> None:
    rounds.backend.capabilities = windowed(10, batch_size=batch)
    rounds.submit(5)
    for _ in range(4):
        rounds.round()
    assert [len(given) for given in rounds.backend.of("submit")] == calls


def test_who_runs_least_comes_first_although_another_asked_before(rounds: Rounds) -> None:
    """Without it, somebody with one job waits until the thousand jobs of another are done."""
    rounds.backend.capabilities = windowed(6)
    large = rounds.submit(20, owner="ann")
    rounds.until(lambda: executions(rounds, large) == [6])
    small = rounds.submit(3, owner="carl")
    rounds.backend.finish(*rounds.backend.in_flight[:3])
    rounds.until(lambda: sum(executions(rounds, large, small)) == 9)
    assert executions(rounds, large, small) == [6, 3]
    assert len(rounds.backend.in_flight) == 6


def test_who_has_to_wait_gives_the_room_to_others(rounds: Rounds) -> None:
    rounds.backend.capabilities = windowed(4)
    rounds.submit(1, owner="ann")
    rounds.until(lambda: rounds.backend.in_flight)
    rounds.backend.finish(change=_lost)
    rounds.until(lambda: rounds.read("SELECT state FROM job") == [("ready",)])  # and may start only later
    other = rounds.submit(8, owner="carl")
    rounds.until(lambda: executions(rounds, other) == [4])


def _lost(report: wire.Report) -> wire.Report:
    return report._replace(outcome=wire.FAILED, failure=Failure.NODE, cause="", products=[])


def test_jobs_in_groups_count_as_one_submission_each(rounds: Rounds) -> None:
    rounds.backend.capabilities = windowed(2)
    id_ = rounds.submit(7, group=3)
    rounds.until(lambda: len(rounds.backend.in_flight) == 2)
    rounds.round()
    assert [len(one.manifests) for one in rounds.backend.submissions.values()] == [3, 3]
    assert rounds.end(id_).tally == {"succeeded": 7}
