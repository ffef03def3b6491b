"""What is kept of the sites of a grid, on both databases."""

from __future__ import annotations

from engine.domain.retry import Failure
from engine.ids import AttemptId, SubmissionId, new_id
from engine.store import jobs, lifecycle, sites
from engine.store.database import Database
from engine.store.lifecycle import NewAttempt
from tests.store.samples import NOW, an_execution


def submissions(db: Database, count: int) -> list[SubmissionId]:
    """Submissions of one attempt each."""
    execution = an_execution(db, count)
    with db.write() as connection:
        found = jobs.ready(connection, "place", now=NOW, limit=count)
        new = [NewAttempt(AttemptId(new_id()), j.id, SubmissionId(new_id()), execution.id, 1) for j in found]
        lifecycle.prepare(connection, "place", new, now=NOW)
    return [a.submission_id for a in new]


def tell(db: Database, id_: SubmissionId, failure: str = "", runtime: str = "", *, now: float = NOW) -> None:
    with db.write() as connection:
        sites.note(connection, [sites.Ended(id_, failure, "why", runtime)], now=now)


def known(db: Database) -> list[sites.Site]:
    with db.read() as connection:
        return sites.known(connection, "place")


def test_attempts_without_a_site_leave_no_trace(db: Database) -> None:
    [id_] = submissions(db, 1)
    tell(db, id_, Failure.NODE)
    assert known(db) == []


def test_a_site_rests_after_failures_and_wakes_with_a_success(db: Database) -> None:
    first, second, third = submissions(db, 3)
    with db.write() as connection:
        sites.place(connection, dict.fromkeys((first, second, third), "A"))
    tell(db, first, Failure.NODE)
    [site] = known(db)
    assert (site.failed, site.in_a_row, site.rest_until, site.failure) == (1, 1, NOW + 300, "node")
    tell(db, second, Failure.NODE, now=NOW + 400)
    assert known(db)[0].rest_until == NOW + 400 + 600
    tell(db, third, Failure.TOOL)
    assert known(db)[0].in_a_row == 2
    tell(db, third, "", "userns", now=NOW + 500)
    [site] = known(db)
    assert (site.in_a_row, site.rest_until, site.runtimes) == (0, 0.0, {"userns": 1})
