"""Wishes about executions of a portal: the wish and its line of the audit trail are one commit."""

from __future__ import annotations

from contextlib import suppress

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.app.access.key import Key
from engine.app.application import Application
from engine.app.portal.audit import AuditTrail
from engine.app.portal.audited_actions import KILL, PAUSE, RESTART, RESUME, record_request
from engine.app.portal.tasks import PortalTasks
from engine.domain.account import Account
from engine.domain.execution import ExecutionState, Intent
from engine.domain.job import JobState
from engine.ids import new_id
from engine.settings.tree import Settings
from engine.store import accounts, executions, jobs, launches
from engine.store.database import Database
from engine.store.executions import Execution
from engine.store.launches import Launch
from engine.store.schema import launch
from engine.testing.clock import FakeClock
from tests.store.samples import BACK_TO_0014, NOW, an_execution

FAILED = [JobState.FAILED]


class Died(Exception):
    """The process was killed."""


def the_app(db: Database) -> Application:
    def nowhere(url: str) -> None:
        raise AssertionError(url)

    return Application(Settings(), db, {}, nowhere, [], FakeClock())  # type: ignore[arg-type]


def the_trail(db: Database) -> AuditTrail:
    return AuditTrail(db, lambda: Key(b""), FakeClock())


def a_launch(db: Database, *, waiting: bool = False) -> Execution:
    """An execution of a portal's user, which runs, or waits for its turn."""
    new = an_execution(db, 1)
    account = Account(new_id(), f"name {new.id}")
    with db.write() as connection:
        accounts.add(connection, account)
        launches.add(connection, Launch(new.id, account.id, "tool/1.0", "a test", waiting=waiting))
        if waiting:
            executions.set_intent(connection, new.id, Intent.WAIT, now=NOW)
    return new


def end(db: Database, one: Execution, at: float = NOW) -> None:
    """Its job fails, and it ends."""
    with db.write() as connection:
        [job] = jobs.page(connection, one.id)
        jobs.move(connection, [jobs.Move(job, JobState.ACTIVE)], now=at)
        [job] = jobs.page(connection, one.id)
        jobs.move(connection, [jobs.Move(job, JobState.FAILED)], now=at)
        current = executions.get(connection, one.id)
        executions.set_state(connection, current, ExecutionState.FAILED, now=at)


def told(db: Database, one: Execution) -> tuple[bool, float | None]:
    """Whether its end was told, and until when it is kept."""
    query = sa.select(launch.c.told, launch.c.keep_until).where(launch.c.execution_id == one.id)
    with db.read() as connection:
        row = connection.execute(query).one()
    return bool(row.told), row.keep_until


def deeds(db: Database) -> list[tuple[str, str]]:
    return [(str(line["action"]), str(line["status"])) for line in the_trail(db).lines()]


def the_turns(db: Database, retention: float) -> PortalTasks:
    portal = Settings().portal.model_copy(update={"retention": retention})
    return PortalTasks(db, portal, the_trail(db), FakeClock())


def test_a_restart_forgets_that_the_end_was_told_and_the_next_end_is_told_too(db: Database) -> None:
    one = a_launch(db)
    end(db, one)
    assert the_turns(db, 60.0).tick()
    assert told(db, one) == (True, NOW + 60)
    assert the_app(db).retry(one.id, FAILED, also=record_request(the_trail(db), "ann", RESTART)) == 1
    assert told(db, one) == (False, None)
    end(db, one, NOW + 1000)
    assert the_turns(db, 60.0).tick()
    assert told(db, one) == (True, NOW + 1060)
    assert deeds(db) == [("end", "failed"), ("restart", "asked"), ("end", "failed")]


def test_a_restart_that_dies_before_its_commit_has_changed_nothing(db: Database) -> None:
    one = a_launch(db)
    end(db, one)
    the_turns(db, 60.0).tick()

    def die(connection: Connection, execution: Execution) -> None:
        record_request(the_trail(db), "ann", RESTART)(connection, execution)
        raise Died

    with suppress(Died):
        the_app(db).retry(one.id, FAILED, also=die)
    assert told(db, one) == (True, NOW + 60)
    assert deeds(db) == [("end", "failed")]
    with db.read() as connection:
        assert executions.get(connection, one.id).state == ExecutionState.FAILED
        assert [job.state for job in jobs.page(connection, one.id)] == FAILED


def test_an_end_that_was_read_before_a_restart_is_not_told_after_it(db: Database) -> None:
    one = a_launch(db)
    end(db, one)
    with db.read() as connection:
        [read] = launches.ended_untold(connection)
    the_app(db).retry(one.id, FAILED, also=record_request(the_trail(db), "ann", RESTART))
    with db.write() as connection:
        assert not launches.mark_announced(connection, read, NOW)
    assert told(db, one) == (False, None)
    end(db, one, NOW + 1000)
    with db.write() as connection:
        assert not launches.mark_announced(connection, read, NOW)  # it is another end
        [read] = launches.ended_untold(connection)
        assert launches.mark_announced(connection, read, NOW + 2000)
    assert told(db, one) == (True, NOW + 2000)


def test_a_kill_of_what_has_ended_is_no_kill_and_leaves_no_line(db: Database) -> None:
    one = a_launch(db)
    kill = record_request(the_trail(db), "ann", KILL)
    assert the_app(db).cancel(one.id, kill)
    assert deeds(db) == [("kill", "asked")]
    with db.read() as connection:
        assert executions.get(connection, one.id).intent == Intent.CANCEL
    end(db, one)
    assert not the_app(db).cancel(one.id, kill)
    assert deeds(db) == [("kill", "asked")]


def intent(db: Database, one: Execution) -> Intent:
    with db.read() as connection:
        return executions.get(connection, one.id).intent


def test_a_pause_outlives_the_turn_of_what_waited_and_a_resume_does_not_jump_the_queue(db: Database) -> None:
    paused, resumed = a_launch(db, waiting=True), a_launch(db, waiting=True)
    app, trail = the_app(db), the_trail(db)
    for one in (paused, resumed):
        assert app.pause(one.id, record_request(trail, "ann", PAUSE))
        assert intent(db, one) == Intent.PAUSE
    assert app.resume(resumed.id, record_request(trail, "ann", RESUME))
    assert intent(db, resumed) == Intent.WAIT
    assert the_turns(db, 60.0).tick()
    assert (intent(db, paused), intent(db, resumed)) == (Intent.PAUSE, Intent.RUN)
    assert app.resume(paused.id)
    assert intent(db, paused) == Intent.RUN
    assert deeds(db) == [("pause", "asked"), ("pause", "asked"), ("resume", "asked")]


def test_what_waited_for_its_turn_under_an_older_engine_still_gets_it(db: Database, url: str) -> None:
    one = a_launch(db, waiting=True)
    db.close()
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in (*BACK_TO_0014, "UPDATE alembic_version SET version_num = '0014'"):
            connection.execute(sa.text(statement))
    engine.dispose()
    migrated = Database(url)
    assert intent(migrated, one) == Intent.WAIT
    assert the_turns(migrated, 60.0).tick()
    assert intent(migrated, one) == Intent.RUN
    migrated.close()


def test_what_was_not_started_through_a_portal_is_restarted_without_a_line(db: Database) -> None:
    one = an_execution(db, 1)
    end(db, one)
    assert the_app(db).retry(one.id, FAILED, also=record_request(the_trail(db), "local:0", RESTART)) == 1
    assert deeds(db) == []
    with db.read() as connection:
        assert executions.get(connection, one.id).state == ExecutionState.ACTIVE
