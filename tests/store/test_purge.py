"""What is removed for good: what has ended and is wanted no more, whole; and nothing else."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from engine.domain.account import Account
from engine.domain.execution import ExecutionState
from engine.ids import ExecutionId
from engine.store import accounts, executions, launches, purge
from engine.store.database import Database
from engine.store.launches import Launch
from engine.store.schema import attempt, event, execution, job, launch, outbox, submission, tally
from tests.store.samples import NOW, an_execution, attempts_of

TABLES = (attempt, event, execution, job, outbox, submission, tally)


def ended(db: Database, at: float = NOW, state: ExecutionState = ExecutionState.SUCCEEDED) -> ExecutionId:
    """An execution that ended then."""
    made = an_execution(db)
    with db.write() as connection:
        executions.set_state(connection, executions.get(connection, made.id), state, now=at)
    return made.id


def launched(db: Database, id_: ExecutionId, *, keep_until: float | None, told: bool = True) -> None:
    """It was started through the portal."""
    with db.write() as connection:
        accounts.add(connection, Account("ann", "ann"))
        launches.add(connection, Launch(id_, "ann", "tool/1", "x"))
        values = {"told": told, "keep_until": keep_until}
        connection.execute(sa.update(launch).where(launch.c.execution_id == id_).values(values))


def due(db: Database, ended_before: float | None, now: float = NOW) -> list[ExecutionId]:
    with db.read() as connection:
        return purge.due(connection, ended_before=ended_before, now=now)


def counts(db: Database) -> list[int]:
    with db.read() as connection:
        return [
            int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())
            for table in TABLES
        ]


def test_what_ended_before_a_time_may_go_and_what_ended_then_stays(db: Database) -> None:
    id_ = ended(db, at=NOW)
    assert due(db, NOW) == []
    assert due(db, NOW + 1) == [id_]
    assert due(db, None) == [], "without a time everything stays"


@pytest.mark.parametrize("state", [one for one in ExecutionState if not one.is_final])
def test_what_has_not_ended_never_goes(db: Database, state: ExecutionState) -> None:
    """Without it, an administrator who tidies up takes a running execution with its results."""
    made = an_execution(db)
    with db.write() as connection:
        connection.execute(sa.update(execution).values(state=state, ended_at=NOW - 9))
    before = counts(db)
    assert due(db, NOW) == []
    with db.write() as connection:
        assert not purge.remove(connection, made.id)
    assert counts(db) == before


def test_what_a_portals_user_may_keep_goes_when_its_own_time_has_come(db: Database) -> None:
    id_ = ended(db)
    launched(db, id_, keep_until=NOW + 10)
    assert due(db, NOW + 99, now=NOW + 9) == [], "however long others are kept"
    assert due(db, None, now=NOW + 10) == [id_]


def test_what_has_no_time_of_its_own_goes_with_the_others(db: Database) -> None:
    id_ = ended(db)
    launched(db, id_, keep_until=None)
    assert due(db, None, now=NOW + 99) == []
    assert due(db, NOW + 1) == [id_]


def test_an_end_that_is_not_in_the_audit_trail_yet_waits(db: Database) -> None:
    id_ = ended(db)
    launched(db, id_, keep_until=NOW, told=False)
    assert due(db, NOW + 1, now=NOW + 1) == []


def test_what_is_still_to_be_cleared_waits(db: Database) -> None:
    id_ = ended(db)
    with db.write() as connection:
        executions.clear_at(connection, id_, NOW + 300)
    assert due(db, NOW + 999, now=NOW + 999) == []
    with db.write() as connection:
        executions.clear_at(connection, id_, None)
    assert due(db, NOW + 999) == [id_]


def test_the_oldest_go_first_and_no_more_than_asked_for(db: Database) -> None:
    ids = sorted(ended(db) for _ in range(3))
    with db.read() as connection:
        assert purge.due(connection, ended_before=NOW + 1, now=NOW, limit=2) == ids[:2]


def test_an_execution_goes_with_every_row_of_it_and_no_row_of_another(db: Database) -> None:
    empty = counts(db)
    other = an_execution(db)
    attempts_of(db, other)
    alone = counts(db)
    made = an_execution(db)
    attempts_of(db, made)
    with db.write() as connection:
        executions.set_state(
            connection, executions.get(connection, made.id), ExecutionState.CANCELLED, now=NOW
        )
    with db.write() as connection:
        assert purge.remove(connection, made.id)
    assert counts(db) == alone
    assert all(after > before for after, before in zip(alone, empty, strict=True)), "or nothing was tried"
    with db.write() as connection:
        assert not purge.remove(connection, made.id), "it is not there any more"
