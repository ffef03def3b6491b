"""What the store promises, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from engine.domain.attempt import AttemptEvent, AttemptState, Effect
from engine.domain.execution import ExecutionState, Intent
from engine.domain.job import MAY_BECOME, JobState
from engine.errors import BadRequest, Bug, LostRace, NotFound
from engine.ids import ExecutionId, new_id
from engine.store import (
    attempts,
    descriptors,
    events,
    executions,
    job_counts,
    jobs,
    lease,
    lifecycle,
    outbox,
    plans,
    products,
    submissions,
)
from engine.store.database import Database
from engine.store.executions import Execution
from engine.store.lifecycle import EventNotice
from engine.store.products import Product
from engine.store.schema import outbox as outbox_table
from tests.store.samples import NOW, an_execution, attempts_of


def test_an_execution_comes_back_as_it_was_written(db: Database) -> None:
    written = an_execution(db, 3, key="mine")
    with db.read() as connection:
        assert executions.get(connection, written.id) == written
        assert executions.by_key(connection, "mine") == written
        assert descriptors.data(connection, written.descriptor_sha256) == {"name": "tool"}


def test_a_users_key_is_taken_once(db: Database) -> None:
    an_execution(db, key="mine")
    with pytest.raises(BadRequest, match="key mine was taken"):
        an_execution(db, key="mine")


def test_what_is_not_there_is_not_found(db: Database) -> None:
    with db.read() as connection:
        with pytest.raises(NotFound, match="no execution"):
            executions.get(connection, ExecutionId("nothing"))
        with pytest.raises(NotFound, match="no job 7"):
            jobs.numbered(connection, ExecutionId("nothing"), 7)


def test_the_beginning_of_an_id_finds_it_when_it_is_unique(db: Database) -> None:
    one, two = an_execution(db), an_execution(db)
    with db.read() as connection:
        assert executions.starting_with(connection, one.id) == [one.id]
        assert executions.starting_with(connection, "0") == [one.id, two.id]
        assert executions.starting_with(connection, "Z") == []


def test_jobs_are_read_in_pages_in_the_order_of_their_numbers(db: Database) -> None:
    execution = an_execution(db, 7)
    with db.read() as connection:
        first = jobs.page(connection, execution.id, limit=3)
        second = jobs.page(connection, execution.id, after=first[-1].number, limit=10)
    assert [j.number for j in first + second] == [1, 2, 3, 4, 5, 6, 7]
    assert first[0].invocation == {"number": 1}
    assert first[0].parameters == {"n": 1}


def test_jobs_of_an_execution_that_is_still_planned_do_not_start(db: Database) -> None:
    planned = an_execution(db, 2, active=False)
    with db.read() as connection:
        assert jobs.ready(connection, planned.backend, now=NOW, limit=10) == []


def test_jobs_of_a_paused_execution_do_not_start(db: Database) -> None:
    execution = an_execution(db, 2)
    with db.write() as connection:
        executions.set_intent(connection, execution.id, Intent.PAUSE, now=NOW)
        assert jobs.ready(connection, execution.backend, now=NOW, limit=10) == []


def test_a_postponed_job_starts_when_its_time_has_come(db: Database) -> None:
    execution = an_execution(db, 1)
    attempts_of(db, execution)
    with db.write() as connection:
        [job] = jobs.page(connection, execution.id)
        jobs.move(connection, [jobs.Move(job, JobState.READY, not_before=NOW + 5)], now=NOW)
        assert jobs.ready(connection, execution.backend, now=NOW + 4.9, limit=1) == []
        assert len(jobs.ready(connection, execution.backend, now=NOW + 5, limit=1)) == 1


def test_a_move_that_is_not_in_the_table_is_refused_and_changes_nothing(db: Database) -> None:
    execution = an_execution(db, 2)
    with pytest.raises(Bug, match="cannot go from ready to succeeded"), db.write() as connection:
        page = jobs.page(connection, execution.id)
        jobs.move(
            connection,
            [jobs.Move(page[0], JobState.ACTIVE), jobs.Move(page[1], JobState.SUCCEEDED)],
            now=NOW,
        )
    with db.read() as connection:
        assert job_counts.of(connection, execution.id)[JobState.READY] == 2


def test_a_job_that_moved_meanwhile_is_not_moved_again(db: Database) -> None:
    execution = an_execution(db, 1)
    with db.write() as connection:
        [job] = jobs.page(connection, execution.id)
        jobs.move(connection, [jobs.Move(job, JobState.ACTIVE)], now=NOW)
    with pytest.raises(Bug, match="no longer where"), db.write() as connection:
        jobs.move(connection, [jobs.Move(job, JobState.CANCELLED)], now=NOW)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.integers(1, 5), st.sampled_from(JobState)), max_size=20))
def test_the_tally_always_equals_the_jobs(db: Database, wishes: list[tuple[int, JobState]]) -> None:
    execution = an_execution(db, 5)
    for number, to in wishes:
        with db.write() as connection:
            job = jobs.numbered(connection, execution.id, number)
            if to in MAY_BECOME[job.state]:
                jobs.move(connection, [jobs.Move(job, to)], now=NOW)
    with db.read() as connection:
        counted = Counter(j.state for j in jobs.page(connection, execution.id))
        tally = job_counts.of(connection, execution.id)
    assert {s: n for s, n in tally.items() if n} == counted


def test_an_attempt_moves_with_its_event_and_its_effect_in_one_commit(db: Database) -> None:
    execution = an_execution(db, 1)
    [submission] = attempts_of(db, execution)
    with db.write() as connection:
        [attempt] = attempts.of_submissions(connection, [submission])[submission]
        submissions.set_native_ids(connection, {submission: "n1"})
        lifecycle.apply_events(connection, [EventNotice(attempt, AttemptEvent.ACCEPTED, "n1")], now=NOW + 1)
    with db.write() as connection:
        [attempt] = attempts.of_submissions(connection, [submission])[submission]
        lifecycle.apply_events(connection, [EventNotice(attempt, AttemptEvent.SEEN_FINISHED)], now=NOW + 2)
    with db.read() as connection:
        [attempt] = attempts.of_submissions(connection, [submission])[submission]
        told = events.history(connection, execution.id, attempt.job_id)
        [due] = outbox.due(connection, Effect.COLLECT, "place", now=NOW + 2, limit=9)
    assert attempt.state == AttemptState.FINALISING
    assert [(t.event.news, t.event.state_to, t.ordinal) for t in told] == [
        ("submit_requested", "submitting", 1),
        ("accepted", "queued", 1),
        ("seen_finished", "finalising", 1),
    ]
    assert (due.submission_id, due.native_id, due.tries) == (submission, "n1", 0)


def test_news_that_cannot_be_sets_one_attempt_aside_and_no_other(db: Database) -> None:
    execution = an_execution(db, 2)
    ids = attempts_of(db, execution)
    with db.write() as connection:
        held = attempts.of_submissions(connection, ids)
        [strange], [good] = held[ids[0]], held[ids[1]]
        lifecycle.apply_events(
            connection,
            [
                EventNotice(strange, AttemptEvent.REPORT_SUCCEEDED, "what?"),
                EventNotice(good, AttemptEvent.ACCEPTED),
            ],
            now=NOW,
        )
    with db.read() as connection:
        held = attempts.of_submissions(connection, ids)
        told = events.history(connection, execution.id, strange.job_id)
    assert (held[ids[0]][0].quarantined, held[ids[0]][0].state) == (True, AttemptState.SUBMITTING)
    assert (held[ids[1]][0].quarantined, held[ids[1]][0].state) == (False, AttemptState.QUEUED)
    assert told[-1].event.detail == "report_succeeded cannot be: what?"


def test_news_for_an_attempt_that_changed_meanwhile_is_not_written(db: Database) -> None:
    execution = an_execution(db, 1)
    [submission] = attempts_of(db, execution)
    with db.write() as connection:
        [old] = attempts.of_submissions(connection, [submission])[submission]
        lifecycle.apply_events(connection, [EventNotice(old, AttemptEvent.ACCEPTED)], now=NOW)
    with pytest.raises(LostRace), db.write() as connection:
        lifecycle.apply_events(connection, [EventNotice(old, AttemptEvent.CANCEL_REQUESTED)], now=NOW)
    with db.read() as connection:
        [now] = attempts.of_submissions(connection, [submission])[submission]
    assert now.state == AttemptState.QUEUED


def test_a_submission_lives_until_the_last_of_its_attempts_is_final(db: Database) -> None:
    execution = an_execution(db, 2)
    [submission] = attempts_of(db, execution, together=2)
    with db.write() as connection:
        submissions.set_native_ids(connection, {submission: "n"})
        held = attempts.of_submissions(connection, [submission])[submission]
        lifecycle.apply_events(connection, [EventNotice(a, AttemptEvent.ACCEPTED) for a in held], now=NOW)
        held = attempts.of_submissions(connection, [submission])[submission]
        lifecycle.apply_events(connection, [EventNotice(held[0], AttemptEvent.GONE, failure="lost")], now=NOW)
        assert [s.id for s in submissions.live(connection, "place")] == [submission]
        assert outbox.due(connection, Effect.FORGET, "place", now=NOW, limit=9) == []
        lifecycle.apply_events(connection, [EventNotice(held[1], AttemptEvent.GONE, failure="lost")], now=NOW)
        assert submissions.live(connection, "place") == []
        assert [
            d.submission_id for d in outbox.due(connection, Effect.FORGET, "place", now=NOW, limit=9)
        ] == [submission]


def test_an_effect_that_is_claimed_is_out_of_sight_and_remembers_its_tries(db: Database) -> None:
    execution = an_execution(db, 1)
    [submission] = attempts_of(db, execution)
    with db.write() as connection:
        due = outbox.due(connection, Effect.SUBMIT, "place", now=NOW, limit=9)
        outbox.claim(connection, Effect.SUBMIT, due, again_at=NOW + 60)
    with db.read() as connection:
        assert outbox.due(connection, Effect.SUBMIT, "place", now=NOW + 59, limit=9) == []
        [again] = outbox.due(connection, Effect.SUBMIT, "place", now=NOW + 60, limit=9)
        assert outbox.tries(connection, Effect.SUBMIT, submission) == 1
    assert again.tries == 1


def test_asking_twice_for_an_effect_is_asking_once(db: Database) -> None:
    execution = an_execution(db, 1)
    ids = attempts_of(db, execution)
    with db.write() as connection:
        outbox.put(connection, Effect.CANCEL, ids, now=NOW)
        outbox.put(connection, Effect.CANCEL, ids, now=NOW + 1)
        rows = connection.execute(
            sa.select(sa.func.count()).select_from(outbox_table).where(outbox_table.c.effect == "cancel")
        ).scalar()
    assert rows == 1


def test_no_result_ever_takes_the_name_of_another(db: Database) -> None:
    execution = an_execution(db, 2)
    ids = attempts_of(db, execution)
    with db.read() as connection:
        held = attempts.of_submissions(connection, ids)
    [one], [two] = held[ids[0]], held[ids[1]]
    with db.write() as connection:
        products.add(connection, [_product(execution.id, one, "a/b.nii")])
    with pytest.raises(IntegrityError), db.write() as connection:
        products.add(connection, [_product(execution.id, two, "a/b.nii")])
    with db.read() as connection:
        assert products.owners_of_names(connection, execution.id, ["a/b.nii", "c"]) == {"a/b.nii": one.job_id}
        [(_, found)] = products.page(connection, execution.id)
    assert (found.name, found.job_number) == ("a/b.nii", 1)


def _product(execution: ExecutionId, attempt: attempts.Attempt, name: str) -> Product:
    return Product(execution, attempt.job_id, attempt.id, "out", name, f"file:///r/{name}", 3, "0" * 64)


def test_an_abandoned_plan_is_removed_without_trace_but_an_active_execution_is_not(db: Database) -> None:
    plan, active = an_execution(db, 3, active=False), an_execution(db, 3)
    with db.write() as connection:
        plans.remove(connection, plan.id)
        plans.remove(connection, active.id)
    with db.read() as connection:
        assert [e.id for e in executions.newest(connection)] == [active.id]
        assert jobs.page(connection, plan.id) == []
        assert len(jobs.page(connection, active.id)) == 3
        assert events.history(connection, plan.id, None) == []


def test_a_retried_execution_is_active_again(db: Database) -> None:
    execution = an_execution(db, 1)
    with db.write() as connection:
        executions.set_state(connection, execution, ExecutionState.FAILED, now=NOW)
        executions.reopen(connection, executions.get(connection, execution.id), now=NOW + 1)
        again = executions.get(connection, execution.id)
    assert (again.state, again.intent, again.ended_at) == (ExecutionState.ACTIVE, Intent.RUN, None)


# --- the lease ------------------------------------------------------------------------------------------


def test_one_engine_holds_the_lease_until_it_runs_out(db: Database) -> None:
    first = lease.acquire(db, "one", now=NOW, seconds=30)
    assert first is not None
    assert lease.acquire(db, "two", now=NOW + 29, seconds=30) is None
    second = lease.acquire(db, "two", now=NOW + 31, seconds=30)
    assert second is not None
    assert second.fence > first.fence


def test_a_lease_that_is_given_back_is_free_at_once(db: Database) -> None:
    held = lease.acquire(db, "one", now=NOW, seconds=30)
    assert held is not None
    lease.release(db, held, now=NOW)
    assert lease.acquire(db, "two", now=NOW + 0.001, seconds=30) is not None


def test_an_engine_that_slept_through_its_lease_cannot_write(db: Database) -> None:
    sleeper = lease.acquire(db, "one", now=NOW, seconds=30)
    assert sleeper is not None
    lease.acquire(db, "two", now=NOW + 31, seconds=30)
    execution = an_execution(db, 1)
    with pytest.raises(lease.LeaseLost), lease.fenced(db, sleeper, until=NOW + 90) as connection:
        executions.set_intent(connection, execution.id, Intent.CANCEL, now=NOW)
    with db.read() as connection:
        assert executions.get(connection, execution.id).intent == Intent.RUN


def test_of_many_engines_that_ask_at_once_exactly_one_gets_the_lease(url: str, db: Database) -> None:
    won: list[lease.Lease] = []

    def ask(name: str) -> None:
        mine = Database(url)
        if held := lease.acquire(mine, name, now=NOW, seconds=30):
            won.append(held)
        mine.close()

    lease.acquire(db, "earlier", now=NOW - 100, seconds=1)
    threads = [threading.Thread(target=ask, args=(f"engine {n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


@pytest.mark.parametrize("field", ["key", "owner"])
def test_a_text_that_is_too_long_for_the_database_is_refused_in_words(db: Database, field: str) -> None:
    def new(text: str) -> Execution:
        named: dict[str, Any] = {field: text}
        return replace(known, id=ExecutionId(new_id()), **named)

    known = an_execution(db, 1)
    with (
        pytest.raises(BadRequest, match=f"{field}: 256 characters; 255 are possible"),
        db.write() as connection,
    ):
        executions.create(connection, new("é" * 256))
    with db.write() as connection:
        executions.create(connection, new("é" * 255))
    with pytest.raises(BadRequest, match="no text that a database can hold"), db.write() as connection:
        executions.create(connection, new("a\0"))


@pytest.mark.parametrize("name", ["é" * 300, "a\0b", "\udcff", "plain"])
def test_any_name_of_a_tool_can_be_kept(db: Database, name: str) -> None:
    known = an_execution(db, 1)
    new = replace(known, id=ExecutionId(new_id()), name=executions.shown_name(name))
    with db.write() as connection:
        executions.create(connection, new)
        assert executions.get(connection, new.id).name == new.name
    assert (new.name == name) == (name == "plain")


def test_a_key_that_was_freed_can_be_taken_again(db: Database) -> None:
    first = an_execution(db, 1, key="mine", active=False)
    with db.write() as connection:
        executions.free_key(connection, first.id)
    again = an_execution(db, 1, key="mine")
    with db.read() as connection:
        assert executions.by_key(connection, "mine") == again


def test_failures_before_a_retry_of_the_user_are_not_counted(db: Database) -> None:
    execution = an_execution(db, 1)
    [id_] = attempts_of(db, execution)
    with db.write() as connection:
        [attempt] = attempts.of_submissions(connection, [id_])[id_]
        lifecycle.apply_events(
            connection, [EventNotice(attempt, AttemptEvent.REJECTED, "", "rejected")], now=NOW
        )
        [job] = jobs.page(connection, execution.id)
        assert attempts.failures_of(connection, [job.id]) == {(job.id, "rejected"): 1}
        jobs.move(connection, [jobs.Move(job, JobState.FAILED)], now=NOW)
        [job] = jobs.page(connection, execution.id)
        jobs.move(connection, [jobs.Move(job, JobState.READY, forgive=True)], now=NOW)
        assert attempts.failures_of(connection, [job.id]) == {}
    attempts_of(db, execution)
    with db.write() as connection:
        [job] = jobs.page(connection, execution.id)
        second = attempts.of_job(connection, job.id)[-1]
        lifecycle.apply_events(
            connection, [EventNotice(second, AttemptEvent.REJECTED, "", "rejected")], now=NOW
        )
        assert attempts.failures_of(connection, [job.id]) == {(job.id, "rejected"): 1}
