"""What is kept of the sites of a grid, on both databases."""

from __future__ import annotations

import sqlalchemy as sa

from engine.domain.retry import Failure
from engine.ids import AttemptId, SubmissionId, new_id
from engine.store import attempts, jobs, lifecycle, sites
from engine.store.database import Database
from engine.store.lifecycle import NewAttempt
from engine.store.schema import attempt, execution
from tests.store.samples import NOW, an_execution


def submissions(db: Database, count: int) -> list[SubmissionId]:
    """Submissions of one attempt each."""
    execution = an_execution(db, count)
    with db.write() as connection:
        found = jobs.ready(connection, "place", now=NOW, limit=count)
        new = [NewAttempt(AttemptId(new_id()), j.id, SubmissionId(new_id()), execution.id, 1) for j in found]
        lifecycle.prepare(connection, "place", new, now=NOW)
    return [a.submission_id for a in new]


def tell(
    db: Database,
    id_: SubmissionId,
    failure: str = "",
    runtime: str = "",
    *,
    cause: str = "",
    owner: str = "somebody",
    now: float = NOW,
) -> None:
    with db.write() as connection:
        connection.execute(sa.update(execution).values(owner=owner))
        sites.add_outcomes(connection, [sites.AttemptEnd(id_, failure, cause, "why", runtime)], now=now)


def known(db: Database) -> list[sites.Site]:
    with db.read() as connection:
        return sites.known(connection, "place")


def test_attempts_without_a_site_leave_no_trace(db: Database) -> None:
    [id_] = submissions(db, 1)
    tell(db, id_, Failure.NODE)
    assert known(db) == []


def at(db: Database, name: str, count: int = 1) -> list[SubmissionId]:
    """Submissions at a site."""
    found = submissions(db, count)
    with db.write() as connection:
        sites.set_sites(connection, dict.fromkeys(found, name))
    return found


def test_a_site_rests_when_several_users_fail_there_by_its_fault(db: Database) -> None:
    first, second, third, fourth = at(db, "A", 4)
    tell(db, first, Failure.NODE, cause="no-space", owner="ada")
    tell(db, second, Failure.NODE, cause="no-space", owner="ada", now=NOW + 1)
    tell(db, third, Failure.TOOL, owner="ada", now=NOW + 2)
    [site] = known(db)
    assert (site.failed, site.in_a_row, site.rest_until, site.failure) == (2, 2, 0.0, "node")
    tell(db, fourth, Failure.NODE, cause="no-space", owner="bob", now=NOW + 3)
    [site] = known(db)
    assert (site.failed, site.rest_until, site.rests) == (3, NOW + 3 + 300, 1)


def test_a_site_that_works_again_rests_no_longer(db: Database) -> None:
    ids = at(db, "A", 8)
    broken, good = ids[:4], ids[4:]
    for n, id_ in enumerate(broken):
        tell(db, id_, Failure.NODE, owner="ada" if n % 2 else "bob", now=NOW + n)
    assert known(db)[0].rest_until > NOW
    for n, id_ in enumerate(good):
        tell(db, id_, "", "userns", owner="ada" if n % 2 else "bob", now=NOW + 10 + n)
    [site] = known(db)
    assert (site.in_a_row, site.rest_until, site.rests, site.runtimes) == (0, 0.0, 0, {"userns": 4})


def test_a_registry_that_is_down_for_everybody_benches_nobody(db: Database) -> None:
    ids = submissions(db, 8)
    here, there = ids[:6], ids[6:]
    with db.write() as connection:
        sites.set_sites(connection, {**dict.fromkeys(here, "A"), **dict.fromkeys(there, "B")})
    down = {"failure": Failure.IMAGE, "cause": "registry-down"}
    for n, id_ in enumerate(here[:5]):
        tell(db, id_, **down, owner="ada" if n % 2 else "bob", now=NOW + n)
    assert [site.rest_until for site in known(db)] == [0.0]
    for owner, id_ in zip(("ada", "bob"), there, strict=True):  # it works from another site
        tell(db, id_, "", "userns", owner=owner, now=NOW + 20)
    tell(db, here[5], **down, owner="ada", now=NOW + 30)
    assert {site.name: site.rest_until for site in known(db)} == {"A": NOW + 30 + 300, "B": 0.0}


def test_where_a_job_failed_is_known_for_its_next_try(db: Database) -> None:
    ids = at(db, "A", 3)
    with db.write() as connection:
        held = attempts.of_submissions(connection, ids)
        told = [held[id_][0] for id_ in ids]
        for one, failure in zip(told, (Failure.NODE, Failure.TOOL, Failure.LOST), strict=True):
            connection.execute(sa.update(attempt).where(attempt.c.id == one.id).values(failure=failure))
        found = sites.failed_at(connection, [one.job_id for one in told])
    assert found == {told[0].job_id: {"A"}, told[2].job_id: {"A"}}
