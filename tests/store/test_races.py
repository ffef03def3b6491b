"""Several engines and users at once, and more rows than a statement takes parameters."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.domain.attempt import AttemptEvent, Effect
from engine.ids import AttemptId, ExecutionId, JobId, SubmissionId, new_id
from engine.store import (
    attempts,
    descriptors,
    executions,
    job_counts,
    jobs,
    lease,
    lifecycle,
    outbox,
    plans,
    products,
    schema,
    statements,
)
from engine.store.database import Database
from engine.store.lifecycle import EventNotice, NewAttempt
from tests.store.samples import NOW, an_execution, attempts_of

MANY = 70_000
"""More than PostgreSQL (65,535) and SQLite (32,766) take in one statement."""


def at_once(url: str, work: Sequence[Callable[[Database], object]]) -> list[object]:
    """Have each done with a connection of its own, all begun at one moment; gives answers and errors."""
    start, answers = threading.Barrier(len(work)), list[object]()

    def do(one: Callable[[Database], object]) -> None:
        mine = Database(url)
        start.wait()
        try:
            answers.append(one(mine))
        except BaseException as error:
            answers.append(error)
        mine.close()

    threads = [threading.Thread(target=do, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_of_many_engines_on_a_new_database_exactly_one_gets_the_lease(url: str, db: Database) -> None:
    def ask(name: str) -> Callable[[Database], object]:
        return lambda mine: lease.acquire(mine, name, now=NOW, seconds=30)

    answers = at_once(url, [ask(f"engine {n}") for n in range(8)])
    assert [a for a in answers if isinstance(a, BaseException)] == []
    assert len([a for a in answers if a is not None]) == 1


def test_a_descriptor_that_many_submit_at_once_is_stored_once(url: str, db: Database) -> None:
    def keep(mine: Database) -> None:
        for n in "0123456789abcdef":
            with mine.write() as connection:
                descriptors.store(connection, n * 64, {}, checked_by="me", now=NOW)

    assert at_once(url, [keep] * 6) == [None] * 6


def test_a_plan_is_removed_while_its_planner_writes_another_page(url: str, db: Database) -> None:
    for _ in range(10):
        plan = an_execution(db, 1, active=False)

        def write(mine: Database, id_: ExecutionId = plan.id) -> None:
            for page in range(2, 40):
                with mine.write() as connection:
                    plans.touch(connection, id_, now=NOW)
                    jobs.add(connection, id_, [jobs.NewJob(page, {})], now=NOW)

        def remove(mine: Database, id_: ExecutionId = plan.id) -> None:
            with mine.write() as connection:
                plans.remove(connection, id_)

        told = [a for a in at_once(url, [write, remove]) if a is not None]
        assert all("was ended while its jobs were being written" in str(a) for a in told)
        with db.read() as connection:
            assert jobs.page(connection, plan.id) == []


def test_a_reader_sees_one_moment_whatever_is_written_meanwhile(db: Database) -> None:
    execution = an_execution(db, 1)
    with db.read() as connection:
        before = job_counts.of(connection, execution.id)
        attempts_of(db, execution)
        assert job_counts.of(connection, execution.id) == before


@pytest.mark.service
def test_the_beginning_of_an_id_finds_it_whatever_the_order_of_letters(postgres_url: str) -> None:
    db = Database(postgres_url)
    with db.write() as connection:
        connection.exec_driver_sql(
            'ALTER TABLE execution ALTER COLUMN id TYPE varchar(26) COLLATE "en-x-icu"'
        )
    one = an_execution(db)
    with db.read() as connection:
        assert executions.starting_with(connection, one.id[:12]) == [one.id]
        assert executions.starting_with(connection, one.id) == [one.id]
        assert executions.starting_with(connection, "%") == []
    db.close()


def test_more_jobs_names_and_attempts_than_a_statement_takes_are_looked_for(db: Database) -> None:
    execution = an_execution(db, 2)
    ids = [JobId(n) for n in range(MANY)]
    names = [f"out/{n}.png" for n in range(MANY)]
    with db.write() as connection:
        assert len(jobs.by_ids(connection, ids)) == 2
        assert attempts.failures_of(connection, ids) == {}
        assert products.owners_of_names(connection, execution.id, names) == {}


def test_news_of_more_attempts_than_a_statement_takes_is_told(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statements, "SLICE", 3)
    execution = an_execution(db, 8)
    with db.write() as connection:
        found = jobs.page(connection, execution.id)
        submission = SubmissionId(new_id())
        new = [NewAttempt(AttemptId(new_id()), j.id, submission, execution.id, 1) for j in found]
        lifecycle.prepare(connection, "place", new, now=NOW)
        [held] = attempts.of_submissions(connection, [submission]).values()
        ended = lifecycle.apply_events(
            connection, [EventNotice(a, AttemptEvent.CANCEL_REQUESTED) for a in held], now=NOW
        )
        assert ended == []
        [held] = attempts.of_submissions(connection, [submission]).values()
        strange = [EventNotice(a, AttemptEvent.REPORT_SUCCEEDED) for a in held]
        lifecycle.apply_events(connection, strange, now=NOW)
        assert (
            len(
                lifecycle.apply_events(
                    connection, [EventNotice(a, AttemptEvent.CANCEL_DONE) for a in held], now=NOW
                )
            )
            == 8
        )
        assert outbox.due(connection, Effect.SUBMIT, "place", now=NOW, limit=1) == []


def test_a_lease_that_was_taken_before_the_clock_was_set_back_does_not_stop_everybody(db: Database) -> None:
    held = lease.acquire(db, "one", now=NOW + 7200, seconds=30)
    assert held is not None
    assert lease.acquire(db, "two", now=NOW, seconds=30) is not None


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (lambda c: jobs.ready(c, "place", now=NOW, limit=10), "ix_job_execution_id_state_number"),
        (
            lambda c: attempts.unfinished(c, ExecutionId("one"), "place", limit=10),
            "ix_submission_backend_live",
        ),
        (lambda c: executions.at_rest(c, "place"), "ix_execution_state_id"),
    ],
    ids=["ready", "unfinished", "at rest"],
)
def test_what_every_round_asks_never_looks_at_all_rows(
    tmp_path: Path, ask: Callable[[Connection], object], index: str
) -> None:
    db, asked = Database(f"sqlite:///{tmp_path / 'engine.db'}"), list[tuple[str, Any]]()
    with db.read() as connection:
        sa.event.listen(
            connection, "before_cursor_execute", lambda _c, _k, text, values, *_: asked.append((text, values))
        )
        ask(connection)
        steps = [
            step[3]
            for text, values in list(asked)
            for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values)
        ]
    db.close()
    assert any(index in step for step in steps), steps
    assert not any("SCAN" in step for step in steps), steps


def test_who_is_interrupted_in_the_middle_of_a_statement_keeps_no_lock(db: Database) -> None:
    """Its traceback holds the cursor, and a connection of SQLite lives as long as its last cursor."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    execution = an_execution(db, 1)
    renamed = sa.update(schema.execution).values(name="another")
    kept: list[BaseException] = []
    try:
        with db.write() as connection:
            connection.execute(renamed)
            sa.event.listen(connection, "after_cursor_execute", interrupt)
            jobs.page(connection, execution.id)
    except KeyboardInterrupt as error:
        kept.append(error)
    assert kept
    with db.read() as connection:
        assert executions.get(connection, execution.id).name == execution.name
    with db.write() as connection:
        connection.execute(renamed)
