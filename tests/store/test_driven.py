"""What is read of executions that another portal drives, on both databases."""

from __future__ import annotations

from engine.domain.account import Account, Role
from engine.domain.attempt import AttemptEvent, AttemptState
from engine.ids import ExecutionId
from engine.store import accounts, attempts, driven, jobs, launches, lifecycle
from engine.store.database import Database
from engine.store.launches import Launch
from engine.store.lifecycle import EventNotice
from tests.store.samples import NOW, an_execution, attempts_of


def launched(db: Database, role: Role) -> ExecutionId:
    """An execution of an account with this role."""
    made = an_execution(db, 2)
    with db.write() as connection:
        accounts.add(connection, Account(f"account {role}", role.value, role))
        launches.add(connection, Launch(made.id, f"account {role}", "", "tool"))
    return made.id


def test_only_executions_of_service_accounts_are_read_with_the_way_of_their_attempts(db: Database) -> None:
    launched(db, Role.USER)
    id_ = launched(db, Role.SERVICE)
    with db.read() as connection:
        before = driven.newest_event(connection)
        assert driven.every(connection) == [(id_, None)]
        assert driven.get(connection, ExecutionId("0" * 26)) is None
        found = driven.get(connection, id_)
    assert found is not None
    assert (found[0].id, found[1].name) == (id_, "tool")
    submission = attempts_of(db, found[0])[-1]
    with db.read() as connection:
        (attempt,) = attempts.of_submissions(connection, [submission])[submission]
    for n, news in enumerate(
        (
            AttemptEvent.ACCEPTED,
            AttemptEvent.SEEN_RUNNING,
            AttemptEvent.SEEN_QUEUED,
            AttemptEvent.SEEN_RUNNING,
        )
    ):
        with db.write() as connection:
            (held,) = attempts.of_submissions(connection, [submission])[submission]
            lifecycle.apply_events(connection, [EventNotice(held, news)], now=NOW + 10 * n)
    with db.read() as connection:
        changes = driven.changes(connection, before, 100)
        page = jobs.page(connection, id_)
        tries = driven.tries(connection, [job.id for job in page])
    assert {one.execution_id for one in changes} == {id_}
    assert [one.number for one in changes] == sorted({one.number for one in changes})
    assert attempt.job_id in {one.job_id for one in changes}
    assert [len(each) for each in tries.values()] == [1, 1]
    (running,) = [each for each in tries[attempt.job_id] if each.state is AttemptState.RUNNING]
    assert (running.queued_at, running.running_at) == (NOW + 20, NOW + 30)
    assert (running.site, running.report) == ("place", None)
