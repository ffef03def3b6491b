"""What the end of attempts means for their jobs: done, failed for good, or tried once more."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy.engine import Connection

from engine.domain.attempt import AttemptEvent, AttemptState
from engine.domain.execution import Intent
from engine.domain.job import JobState
from engine.domain.retry import Failure, cause_of, try_again
from engine.reconcile.site_health import record_outcomes
from engine.store import attempts, events, executions, jobs
from engine.store.executions import Execution
from engine.store.jobs import Job, Move
from engine.store.lifecycle import EventNotice


def finish_jobs(connection: Connection, ended: Sequence[EventNotice], *, now: float) -> None:
    """Move the jobs of attempts that became final."""
    if not ended:
        return
    record_outcomes(connection, ended, now=now)
    found = jobs.by_ids(connection, [w.attempt.job_id for w in ended])
    failures = attempts.failures_of(connection, list(found))
    of = {id_: executions.get(connection, id_) for id_ in {w.attempt.execution_id for w in ended}}
    moves, lines = [], []
    for notice in ended:
        job = found[notice.attempt.job_id]
        if job.state != JobState.ACTIVE:
            continue
        before = failures.get((job.id, notice.failure), 0) - 1  # the one that just ended is counted too
        move = after(notice, job, of[job.execution_id], max(before, 0), now=now)
        moves.append(move)
        if move.to == JobState.READY:
            text = f"attempt {notice.attempt.ordinal} ended with {notice.failure}; tried again"
            lines.append(
                events.Event(
                    job.execution_id, now, "retry", job.id, None, JobState.ACTIVE, JobState.READY, text
                )
            )
    jobs.move(connection, moves, now=now)
    events.append(connection, lines)


def after(notice: EventNotice, job: Job, execution: Execution, earlier: int, *, now: float) -> Move:
    """Return where the end of an attempt takes its job; `earlier` attempts failed in the same class
    before.
    """
    report = json.loads(notice.report) if notice.report else {}
    exit_code = report.get("exit_code")
    if notice.event == AttemptEvent.REPORT_SUCCEEDED:
        return Move(job, JobState.SUCCEEDED, message=notice.detail, exit_code=exit_code)
    if notice.attempt.state == AttemptState.CANCELLING or execution.intent == Intent.CANCEL:
        return Move(job, JobState.CANCELLED, notice.failure, notice.detail or "cancelled", exit_code)
    # An end that nobody here asked for (the node shuts down, the slot is needed) is a loss.
    failure = Failure.LOST if notice.failure == Failure.CANCELLED else notice.failure
    cause = cause_of(report.get("cause", ""), failure) if failure else None
    delay = try_again(cause, earlier, execution.options.retries) if cause else None
    if delay is not None:
        return Move(job, JobState.READY, notice.failure, notice.detail, exit_code, not_before=now + delay)
    return Move(job, JobState.FAILED, notice.failure, notice.detail, exit_code)
