"""Jobs that wait for others: their counts are right, also after a retry and an upgrade."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from engine.domain.job import JobState
from engine.store import jobs, needs, plans
from engine.store.database import Database
from engine.store.executions import Execution
from engine.store.jobs import Job, Move
from tests.store.samples import BACK_TO_0013, NOW, an_execution


def a_study(db: Database) -> Execution:
    """Three jobs, one that waits for these, and one that waits for that."""
    new = an_execution(db, 3, active=False)
    with db.write() as connection:
        group = jobs.NewJob(4, {}, needs=[1, 2, 3], need="any", step=1)
        jobs.add(connection, new.id, [group, jobs.NewJob(5, {}, needs=[4], step=2)], now=NOW)
        plans.activate(connection, new.id, jobs=5, now=NOW)
    return new


def of(db: Database, execution: Execution) -> list[Job]:
    with db.read() as connection:
        return jobs.page(connection, execution.id)


def move(db: Database, execution: Execution, numbers: Sequence[int], *ways: JobState) -> None:
    for to in ways:
        with db.write() as connection:
            found = [job for job in jobs.page(connection, execution.id) if job.number in numbers]
            jobs.move(connection, [Move(job, to) for job in found], now=NOW)


def to_release(db: Database) -> list[int]:
    with db.read() as connection:
        return [job.number for job in jobs.to_release(connection, "place", limit=10)]


def test_a_job_is_released_when_the_last_that_it_waits_for_has_ended(db: Database) -> None:
    new = a_study(db)
    assert [(job.state, job.pending, job.waits) for job in of(db, new)][3:] == [
        ("blocked", 3, 3),
        ("blocked", 1, 1),
    ]
    move(db, new, [1, 2], JobState.ACTIVE, JobState.SUCCEEDED)
    assert (of(db, new)[3].pending, to_release(db)) == (1, [])
    move(db, new, [3], JobState.ACTIVE, JobState.FAILED)
    assert to_release(db) == [4]
    group = of(db, new)[3]
    with db.write() as connection:
        assert needs.succeeded(connection, [group.id]) == {group.id: 2}
        needs.bind(connection, {group.id: 1})
        jobs.move(connection, [Move(group, JobState.READY)], now=NOW)
    with db.read() as connection:
        assert [job.number for job in jobs.incomplete(connection, new.id, limit=9)] == [4]
        assert [one.number for one in needs.released_without(connection, group.id, limit=9)] == [3]
        assert len(needs.read_by(connection, group.id)) == 2
    move(db, new, [3], JobState.READY, JobState.ACTIVE, JobState.SUCCEEDED)
    with db.read() as connection:  # what it was released with does not change any more
        assert len(needs.read_by(connection, group.id)) == 2


def test_what_is_tried_again_is_waited_for_again(db: Database) -> None:
    new = a_study(db)
    move(db, new, [1, 2, 3], JobState.ACTIVE, JobState.FAILED)
    move(db, new, [4], JobState.SKIPPED)
    assert to_release(db) == [5]
    move(db, new, [2], JobState.READY)
    move(db, new, [4], JobState.BLOCKED)
    with db.write() as connection:
        needs.count_anew(connection, new.id)
    assert [job.pending for job in of(db, new)][3:] == [1, 1]
    assert to_release(db) == []


def test_jobs_that_waited_under_an_older_engine_wait_for_the_same(db: Database, url: str) -> None:
    new = a_study(db)
    move(db, new, [1], JobState.ACTIVE, JobState.SUCCEEDED)
    db.close()
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE job SET pending = CASE WHEN number > 3 THEN 1 ELSE 0 END"))
        for statement in (*BACK_TO_0013, "UPDATE alembic_version SET version_num = '0013'"):
            connection.execute(sa.text(statement))
    engine.dispose()
    migrated = Database(url)
    found = of(migrated, new)
    assert [(job.pending, job.waits, job.need, job.step) for job in found][2:] == [
        (0, 0, "all", 0),
        (2, 3, "all", 1),
        (2, 3, "all", 1),
    ]
    move(migrated, new, [2, 3], JobState.ACTIVE, JobState.SUCCEEDED)
    assert to_release(migrated) == [4, 5]
    migrated.close()


def test_a_plan_that_is_given_up_leaves_no_needs(db: Database) -> None:
    new = an_execution(db, 1, active=False)
    with db.write() as connection:
        jobs.add(connection, new.id, [jobs.NewJob(2, {}, needs=[1])], now=NOW)
        plans.remove(connection, new.id)
    with db.read() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM need")).scalar() == 0
