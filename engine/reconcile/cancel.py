"""Making state follow the wish for an end, and letting the place forget what is over."""

from __future__ import annotations

from engine.domain.attempt import AttemptState, Effect, News
from engine.domain.execution import ExecutionState, Intent
from engine.domain.execution import conclude as verdict
from engine.domain.job import JobState
from engine.domain.options import SANDBOX, Place
from engine.errors import Unavailable
from engine.ids import AttemptId, SubmissionId
from engine.reconcile import layout
from engine.reconcile.collect import salvage
from engine.reconcile.place import Round
from engine.reconcile.settle import settle
from engine.store import attempts, events, executions, jobs, outbox
from engine.store.attempts import Word
from engine.store.executions import Execution
from engine.store.jobs import Move

PAGE = 1000
FAILED_STATES = (JobState.FAILED, JobState.CANCELLED, JobState.SKIPPED)
REPEAT = 20.0
"""Seconds after which a place is asked again to end a submission that is still there."""
PLANNING_LIMIT = 900.0
"""Seconds without a new page of jobs after which a planning execution counts as abandoned."""


def follow_intent(round_: Round) -> bool:
    """Cancel what the user wants cancelled: jobs that wait, at once; attempts, by asking the place."""
    changed = False
    now = round_.clock.now()
    with round_.db.read() as connection:
        wanted = executions.to_cancel(connection, round_.backend.name)
    for id_ in wanted:
        with round_.write() as connection:
            idle = jobs.waiting(connection, id_, limit=PAGE)
            jobs.move(connection, [Move(j, JobState.CANCELLED, message="cancelled") for j in idle], now=now)
            busy = attempts.unfinished(connection, id_, round_.backend.name, limit=PAGE)
            ended = attempts.tell(connection, [Word(a, News.CANCEL_REQUESTED) for a in busy], now=now)
            settle(connection, ended, now=now)
        changed = changed or bool(idle or busy)
    return changed


def cancel_due(round_: Round) -> bool:
    """Ask the place to end submissions. One that was never tried is just dropped, without a call."""
    now = round_.clock.now()
    with round_.db.read() as connection:
        due = outbox.due(connection, Effect.CANCEL, round_.backend.name, now=now, limit=PAGE)
        untried = [
            d.submission_id
            for d in due
            if d.native_id is None and outbox.tries(connection, Effect.SUBMIT, d.submission_id) in (0, None)
        ]
    if not due:
        return False
    with round_.write() as connection:
        outbox.claim(connection, Effect.CANCEL, due, again_at=now + REPEAT)
        held = attempts.of_submissions(connection, untried)
        words = [
            Word(a, News.CANCEL_DONE)
            for group in held.values()
            for a in group
            if a.state == AttemptState.CANCELLING
        ]
        settle(connection, attempts.tell(connection, words, now=now), now=now)
    round_.backend.cancel([d.native_id for d in due if d.native_id is not None])
    return True


def forget_due(round_: Round) -> bool:
    """Keep the last logs of submissions that are over, and let the place and the storage drop the rest."""
    now = round_.clock.now()
    with round_.db.read() as connection:
        due = outbox.due(connection, Effect.FORGET, round_.backend.name, now=now, limit=PAGE)
        if not due:
            return False
        held = attempts.of_submissions(connection, [d.submission_id for d in due])
    collected = {AttemptState.SUCCEEDED, AttemptState.FAILED}
    for item in due:
        rest = [a for a in held[item.submission_id] if a.state not in collected]
        if rest and item.native_id is not None:
            salvage(round_, item, rest)
    round_.backend.forget([d.native_id for d in due if d.native_id is not None])
    with round_.write() as connection:
        outbox.done(connection, Effect.FORGET, [SubmissionId(d.submission_id) for d in due])
    return True


def conclude(round_: Round) -> bool:
    """End executions whose jobs are all final, and start the jobs that waited for all others."""
    with round_.db.read() as connection:
        resting = executions.at_rest(connection, round_.backend.name)
        waiting = {e.id for e in resting if executions.count(connection, e.id)[JobState.BLOCKED]}
    down: list[Unavailable] = []
    for execution in resting:
        try:
            if execution.id not in waiting:
                _end(round_, execution)
            elif execution.intent != Intent.CANCEL:  # else `follow_intent` ends them, a page each round
                _unblock(round_, execution)
        except Unavailable as error:  # one storage in trouble keeps no other execution waiting
            down.append(error)
    if down and len(down) == len(resting):
        raise down[0]
    return bool(resting)


def _end(round_: Round, execution: Execution) -> None:
    for place in layout.places(execution):
        if place.url != SANDBOX:
            _clear(round_, execution, place)
    with round_.write() as connection:
        current = executions.get(connection, execution.id, lock=True)
        state = verdict(executions.count(connection, execution.id))  # the user may have retried meanwhile
        if state.is_final:
            executions.set_state(connection, current, state, now=round_.clock.now())


def _clear(round_: Round, execution: Execution, place: Place) -> None:
    """Remove what attempts wrote there and what was not committed."""
    storage = round_.storage(place.url)
    if place.rename:
        storage.delete(layout.attempts_url(place))
        return
    after: AttemptId | None = None
    while True:
        with round_.db.read() as connection:
            page = attempts.without_results(connection, execution.id, after=after, limit=PAGE)
        if not page:
            return
        for attempt, number in page:
            storage.delete(layout.attempt_url(place, number, attempt))
        after = page[-1][0]


def _unblock(round_: Round, execution: Execution) -> None:
    """Start the jobs that waited, or skip them when what they wait for will never be."""
    to, now, more = JobState.BLOCKED, round_.clock.now(), True
    while more:
        with round_.write() as connection:
            executions.get(connection, execution.id, lock=True)
            counts = executions.count(connection, execution.id)
            if to == JobState.BLOCKED:
                if counts[JobState.READY]:
                    return  # the user retried meanwhile what they wait for
                to = JobState.SKIPPED if any(counts[s] for s in FAILED_STATES) else JobState.READY
            page = jobs.page(connection, execution.id, states=[JobState.BLOCKED], limit=PAGE)
            message = "" if to == JobState.READY else "a job that it waits for did not succeed"
            jobs.move(connection, [Move(j, to, message=message) for j in page], now=now)
        more = len(page) == PAGE


def drop_abandoned_plans(round_: Round) -> bool:
    """End executions whose planner died before their jobs were all written.

    Nothing of them ever ran, and their keys may be used again.
    """
    now = round_.clock.now()
    with round_.db.read() as connection:
        planning = executions.in_state(connection, [ExecutionState.PLANNING])
    dead = [e for e in planning if e.intent == Intent.CANCEL or now - e.updated_at > PLANNING_LIMIT]
    for execution in dead:
        with round_.write() as connection:
            events.append(
                connection,
                [events.Event(execution.id, now, "abandoned", detail="its planning was cut short")],
            )
            executions.set_state(connection, execution, ExecutionState.CANCELLED, now=now)
            executions.free_key(connection, execution.id)
    return bool(dead)
