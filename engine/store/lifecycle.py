"""How attempts move: `prepare` writes them, `apply_events` is the one way in which they go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.domain.attempt import AttemptEvent, AttemptState, Effect, Transition, transition
from engine.errors import IllegalTransition, LostRace
from engine.ids import AttemptId, ExecutionId, JobId, SubmissionId
from engine.store import events, outbox
from engine.store.attempts import Attempt
from engine.store.schema import attempt, submission
from engine.store.statements import slices


@dataclass(frozen=True, slots=True)
class NewAttempt:
    """An attempt to be prepared."""

    id: AttemptId
    job_id: JobId
    submission_id: SubmissionId
    execution_id: ExecutionId
    ordinal: int


@dataclass(frozen=True, slots=True)
class EventNotice:
    """An event of one attempt, to be applied."""

    attempt: Attempt
    event: AttemptEvent
    detail: str = ""
    failure: str = ""
    report: str | None = None


def prepare(connection: Connection, backend: str, new: Sequence[NewAttempt], *, now: float) -> None:
    """Write attempts with their submissions, and ask for these to be submitted."""
    if not new:
        return
    holders = {a.submission_id: a.execution_id for a in new}
    connection.execute(
        sa.insert(submission),
        [
            {"id": id_, "execution_id": execution_id, "backend": backend, "live": True, "created_at": now}
            for id_, execution_id in holders.items()
        ],
    )
    to = transition(AttemptState.PREPARED, AttemptEvent.SUBMIT_REQUESTED).to
    connection.execute(
        sa.insert(attempt),
        [
            {
                "id": a.id,
                "job_id": a.job_id,
                "submission_id": a.submission_id,
                "ordinal": a.ordinal,
                "state": to,
                "created_at": now,
                "updated_at": now,
            }
            for a in new
        ],
    )
    outbox.put(connection, Effect.SUBMIT, list(holders), now=now)
    events.append(
        connection,
        [
            events.Event(
                a.execution_id,
                now,
                AttemptEvent.SUBMIT_REQUESTED,
                a.job_id,
                a.id,
                AttemptState.PREPARED,
                to,
                backend,
            )
            for a in new
        ],
    )


def apply_events(connection: Connection, notices: Sequence[EventNotice], *, now: float) -> list[EventNotice]:
    """Apply events: new states, events and effects, all in the caller's transaction.

    An event that contradicts an attempt's state quarantines that attempt and nothing else. Returns the
    notices that brought an attempt to rest.

    Raises:
        LostRace: an attempt changed since it was read; the caller's transaction must end.
    """
    steps: list[tuple[EventNotice, Transition]] = []
    strange: list[EventNotice] = []
    for notice in notices:
        try:
            step = transition(notice.attempt.state, notice.event)
        except IllegalTransition:
            strange.append(notice)
        else:
            if step.to != notice.attempt.state or step.effects:
                steps.append((notice, step))
    _write(connection, steps, now=now)
    _quarantine(connection, strange, now=now)
    _end_submissions(connection, [w.attempt.submission_id for w, s in steps if s.to.at_rest])
    _revive(connection, [w.attempt.submission_id for w, s in steps if w.event == AttemptEvent.TAKEN_UP])
    for effect in (Effect.SUBMIT, Effect.COLLECT, Effect.CANCEL, Effect.FORGET):
        outbox.put(
            connection, effect, [w.attempt.submission_id for w, s in steps if effect in s.effects], now=now
        )
    return [w for w, s in steps if s.to.at_rest and not w.attempt.state.at_rest]


def _write(connection: Connection, steps: Sequence[tuple[EventNotice, Transition]], *, now: float) -> None:
    if not steps:
        return
    statement = (
        sa.update(attempt)
        .where(attempt.c.id == sa.bindparam("b_id"), attempt.c.version == sa.bindparam("b_version"))
        .values(
            state=sa.bindparam("b_state"),
            version=attempt.c.version + 1,
            updated_at=now,
            failure=sa.bindparam("b_failure"),
            report=sa.func.coalesce(sa.bindparam("b_report", type_=sa.Text), attempt.c.report),
        )
    )
    rows = [
        {
            "b_id": w.attempt.id,
            "b_version": w.attempt.version,
            "b_state": s.to,
            "b_failure": "" if w.event == AttemptEvent.TAKEN_UP else w.failure or w.attempt.failure,
            "b_report": w.report,
        }
        for w, s in steps
    ]
    if connection.execute(statement, rows).rowcount != len(rows):
        raise LostRace("an attempt changed while an event of it was written")
    events.append(connection, [_event(w.attempt, w.event, s.to, w.detail, now) for w, s in steps])


def _quarantine(connection: Connection, strange: Sequence[EventNotice], *, now: float) -> None:
    if not strange:
        return
    for some in slices(w.attempt.id for w in strange):
        connection.execute(
            sa.update(attempt).where(attempt.c.id.in_(some)).values(quarantined=True, updated_at=now)
        )
    refused = [(w.attempt, f"{w.event} cannot be: {w.detail}".rstrip(": ")) for w in strange]
    events.append(connection, [_event(a, "quarantined", a.state, detail, now) for a, detail in refused])


def _end_submissions(connection: Connection, ids: Sequence[SubmissionId]) -> None:
    """End a submission when the last of its attempts has come to rest."""
    rest = [state for state in AttemptState if state.at_rest]
    for some in slices(ids):
        still = sa.exists().where(attempt.c.submission_id == submission.c.id, attempt.c.state.not_in(rest))
        connection.execute(sa.update(submission).where(submission.c.id.in_(some), ~still).values(live=False))
        query = sa.select(submission.c.id).where(submission.c.id.in_(some), submission.c.live.is_(False))
        over = list(connection.execute(query).scalars())
        for effect in (Effect.SUBMIT, Effect.CANCEL, Effect.COLLECT):
            outbox.done(connection, effect, over)


def _revive(connection: Connection, ids: Sequence[SubmissionId]) -> None:
    """Want again what an attempt left there."""
    for some in slices(ids):
        connection.execute(sa.update(submission).where(submission.c.id.in_(some)).values(live=True))


def _event(of: Attempt, what: str, to: AttemptState, detail: str, now: float) -> events.Event:
    return events.Event(of.execution_id, now, what, of.job_id, of.id, of.state, to, detail)
