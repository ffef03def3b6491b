"""Making state follow the wish for an end, and letting the back-end forget what is over."""

from __future__ import annotations

from engine.domain.attempt import AttemptEvent, AttemptState, Effect
from engine.domain.job import JobState
from engine.ids import SubmissionId
from engine.reconcile.collect import salvage
from engine.reconcile.context import TickContext
from engine.reconcile.finish import finish_jobs
from engine.store import attempts, executions, jobs, lifecycle, outbox
from engine.store.jobs import Move
from engine.store.lifecycle import EventNotice

PAGE = 1000
REPEAT_INTERVAL_S = 20.0
"""Seconds after which a back-end is asked again to end a submission that is still there."""


def follow_intent(context: TickContext) -> bool:
    """Cancel what the user wants cancelled: jobs that wait, at once; attempts, by asking the back-end."""
    changed = False
    now = context.clock.now()
    with context.db.read() as connection:
        wanted = executions.to_cancel(connection, context.backend.name)
    for id_ in wanted:
        with context.write() as connection:
            idle = jobs.waiting(connection, id_, limit=PAGE)
            jobs.move(connection, [Move(j, JobState.CANCELLED, message="cancelled") for j in idle], now=now)
            busy = attempts.unfinished(connection, id_, context.backend.name, limit=PAGE)
            ended = lifecycle.apply_events(
                connection, [EventNotice(a, AttemptEvent.CANCEL_REQUESTED) for a in busy], now=now
            )
            finish_jobs(connection, ended, now=now)
        changed = changed or bool(idle or busy)
    return changed


def cancel_due(context: TickContext) -> bool:
    """Ask the back-end to end submissions. One that was never tried is just dropped, without a call."""
    now = context.clock.now()
    with context.db.read() as connection:
        due = outbox.due(connection, Effect.CANCEL, context.backend.name, now=now, limit=PAGE)
        untried = [
            d.submission_id
            for d in due
            if d.native_id is None and outbox.tries(connection, Effect.SUBMIT, d.submission_id) in (0, None)
        ]
    if not due:
        return False
    with context.write() as connection:
        outbox.claim(connection, Effect.CANCEL, due, again_at=now + REPEAT_INTERVAL_S)
        held = attempts.of_submissions(connection, untried)
        notices = [
            EventNotice(a, AttemptEvent.CANCEL_DONE)
            for group in held.values()
            for a in group
            if a.state == AttemptState.CANCELLING
        ]
        finish_jobs(connection, lifecycle.apply_events(connection, notices, now=now), now=now)
    context.backend.cancel([d.native_id for d in due if d.native_id is not None])
    return True


def forget_due(context: TickContext) -> bool:
    """Keep the last logs of submissions that are over, and let the back-end and the storage drop the rest."""
    now = context.clock.now()
    with context.db.read() as connection:
        due = outbox.due(connection, Effect.FORGET, context.backend.name, now=now, limit=PAGE)
        if not due:
            return False
        held = attempts.of_submissions(connection, [d.submission_id for d in due])
    collected = {AttemptState.SUCCEEDED, AttemptState.FAILED}
    for item in due:
        rest = [a for a in held[item.submission_id] if a.state not in collected]
        if rest and item.native_id is not None:
            salvage(context, item, rest)
    context.backend.forget([d.native_id for d in due if d.native_id is not None])
    with context.write() as connection:
        outbox.done(connection, Effect.FORGET, [SubmissionId(d.submission_id) for d in due])
    return True
