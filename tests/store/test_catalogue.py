"""Where inputs are, and which copies results have, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

from engine.domain.attempt import AttemptEvent, AttemptState
from engine.domain.execution import ExecutionState
from engine.domain.product import RETRY_FIRST, RETRY_LONGEST, retry_after
from engine.ids import AttemptId, ExecutionId
from engine.store import attempts, executions, jobs, lifecycle, plans, products, replicas, sources
from engine.store.database import Database
from engine.store.lifecycle import EventNotice
from engine.store.products import Product
from engine.store.sources import ExecutionSource
from tests.store.samples import NOW, an_execution, attempts_of

URL = ExecutionSource(
    "/home/x/é 1", "davs://se/x", ("root://se//x",), {"adler32": "00000001"}, 7, packed=True
)


def a_product(db: Database, *copies: str) -> Product:
    """A result of an execution of its own, with the copies that it should have."""
    execution = an_execution(db, 1)
    [submission] = attempts_of(db, execution)
    with db.write() as connection:
        [attempt] = attempts.of_submissions(connection, [submission])[submission]
        made = Product(
            execution.id, attempt.job_id, attempt.id, "o", "out", "davs://se/out", 3, "0" * 64, copies=copies
        )
        products.add(connection, [made])
        replicas.request(connection, [made])
    return made


def test_a_source_comes_back_as_it_was_written_and_is_kept_once(db: Database) -> None:
    execution = an_execution(db)
    with db.write() as connection:
        sources.add(connection, execution.id, [URL, URL])
        sources.add(connection, execution.id, [URL])
    with db.read() as connection:
        assert sources.of(connection, execution.id, [URL.value, "/other"]) == {URL.value: URL}
        assert sources.of(connection, ExecutionId("another"), [URL.value]) == {}


def test_what_must_still_be_brought_is_told_until_it_was(db: Database) -> None:
    execution = an_execution(db)
    wanted = ExecutionSource("/home/x", "")
    with db.write() as connection:
        sources.add(connection, execution.id, [wanted, URL])
    with db.read() as connection:
        assert sources.not_uploaded(connection, execution.id) == [wanted]
    with db.write() as connection:
        sources.brought(connection, execution.id, ExecutionSource("/home/x", "davs://se/y", size=1))
    with db.read() as connection:
        assert sources.not_uploaded(connection, execution.id) == []
        assert sources.of(connection, execution.id, ["/home/x"])["/home/x"].url == "davs://se/y"


def test_a_plan_that_is_removed_takes_its_sources_with_it(db: Database) -> None:
    plan = an_execution(db, active=False)
    with db.write() as connection:
        sources.add(connection, plan.id, [URL])
        plans.remove(connection, plan.id)
    with db.read() as connection:
        assert sources.of(connection, plan.id, [URL.value]) == {}


def test_a_copy_is_due_until_it_is_made(db: Database) -> None:
    made = a_product(db, "davs://b/out", "davs://c/out")
    with db.read() as connection:
        found = replicas.due(connection, now=NOW, limit=10)
        assert [(one.url, one.source, one.is_file) for one in found] == [
            ("davs://b/out", "davs://se/out", True),
            ("davs://c/out", "davs://se/out", True),
        ]
        assert replicas.untried(connection, made.execution_id) == 2
        assert replicas.of_execution(connection, made.execution_id) == {}
    with db.write() as connection:
        replicas.complete(connection, found[0])
    with db.read() as connection:
        assert [one.url for one in replicas.due(connection, now=NOW, limit=10)] == ["davs://c/out"]
        assert replicas.of_execution(connection, made.execution_id) == {"out": ["davs://b/out"]}


def test_a_copy_that_failed_is_due_again_after_a_while_and_nobody_waits_for_it(db: Database) -> None:
    made = a_product(db, "davs://b/out")
    with db.write() as connection:
        [copy] = replicas.due(connection, now=NOW, limit=10)
        replicas.failed(connection, copy, "down", now=NOW)
    with db.read() as connection:
        assert replicas.due(connection, now=NOW + RETRY_FIRST - 1, limit=10) == []
        [again] = replicas.due(connection, now=NOW + RETRY_FIRST, limit=10)
        assert again.tries == 1
        assert replicas.untried(connection, made.execution_id) == 0


def test_the_wait_for_another_try_of_a_copy_doubles_up_to_an_hour() -> None:
    assert [retry_after(n) for n in (1, 2, 3)] == [RETRY_FIRST, RETRY_FIRST * 2, RETRY_FIRST * 4]
    assert retry_after(1000) == RETRY_LONGEST


def test_attempts_that_left_no_results_are_told_with_the_numbers_of_their_jobs(db: Database) -> None:
    execution = an_execution(db, 3)
    ids = attempts_of(db, execution)
    with db.write() as connection:
        held = attempts.of_submissions(connection, ids)
        first = held[ids[0]][0]
        told = [first]
        for news in (
            AttemptEvent.ACCEPTED,
            AttemptEvent.SEEN_RUNNING,
            AttemptEvent.SEEN_FINISHED,
            AttemptEvent.REPORT_SUCCEEDED,
        ):
            told = [attempts.of_submissions(connection, [ids[0]])[ids[0]][0]]
            lifecycle.apply_events(connection, [EventNotice(told[0], news)], now=NOW)
    found: list[tuple[AttemptId, int]] = []
    with db.read() as connection:
        while page := attempts.not_in(
            connection, execution.id, [AttemptState.SUCCEEDED], after=found[-1][0] if found else None, limit=1
        ):
            found += page
        numbers = {j.id: j.number for j in jobs.page(connection, execution.id, limit=10)}
    rest = [a for id_ in ids[1:] for a in held[id_]]
    assert sorted(found) == sorted((a.id, numbers[a.job_id]) for a in rest)


def test_an_execution_is_cleared_when_its_time_has_come_and_it_is_over(db: Database) -> None:
    execution = an_execution(db)
    with db.write() as connection:
        executions.clear_at(connection, execution.id, NOW)
    with db.read() as connection:
        assert executions.to_clear(connection, "place", now=NOW) == []  # it still runs
    with db.write() as connection:
        executions.set_state(connection, execution, ExecutionState.FAILED, now=NOW)
    with db.read() as connection:
        assert executions.to_clear(connection, "place", now=NOW - 1) == []
        assert [one.id for one in executions.to_clear(connection, "place", now=NOW)] == [execution.id]
    with db.write() as connection:
        executions.clear_at(connection, execution.id, None)
    with db.read() as connection:
        assert executions.to_clear(connection, "place", now=NOW) == []
