"""Jobs that waited for others: they start, or are skipped, when all of these have ended."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.engine import Connection

from engine.domain import need
from engine.domain.job import JobState
from engine.reconcile.context import TickContext
from engine.store import events, executions, jobs, needs
from engine.store.jobs import Job, Move
from engine.store.needs import Need

PAGE = 1000
FEW = 5
"""Names of missing jobs that are written out."""


def release(context: TickContext) -> bool:
    """Release jobs whose wait is over; one round takes a page of them."""
    with context.db.read() as connection:
        waited = jobs.to_release(connection, context.backend.name, limit=PAGE)
    if not waited:
        return False
    with context.write() as connection:
        for id_ in sorted({job.execution_id for job in waited}):
            executions.get(connection, id_, lock=True)
        # Read again: the user may have started anew what they waited for.
        found = jobs.by_ids(connection, [job.id for job in waited]).values()
        over = [job for job in found if job.state == JobState.BLOCKED and not job.pending]
        _release(connection, over, now=context.clock.now())
    return True


def _release(connection: Connection, over: Sequence[Job], *, now: float) -> None:
    succeeded = needs.succeeded(connection, [job.id for job in over])
    moves, lines = [], []
    for job in over:
        count = succeeded.get(job.id, 0)
        enough = count >= need.wanted(job.need, job.waits)
        lost = needs.not_succeeded(connection, job.id, limit=FEW + 1) if count < job.waits else []
        text = f"{count} of {job.waits} succeeded"
        if lost:
            text += f", not {names_of(lost, job.waits - count)}"
        to = JobState.READY if enough else JobState.SKIPPED
        message = "" if enough else _why(job, text)
        moves.append(Move(job, to, message=message))
        lines.append(
            events.Event(job.execution_id, now, "released", job.id, None, JobState.BLOCKED, to, text)
        )
    started = [m.job for m in moves if m.to == JobState.READY]
    needs.bind(connection, {job.id: job.waits - succeeded.get(job.id, 0) for job in started})
    jobs.move(connection, moves, now=now)
    events.append(connection, lines)


def _why(job: Job, text: str) -> str:
    if job.need == need.ALL:
        return f"a job that it waits for did not succeed: {text}"
    return f"too few of the jobs that it waits for succeeded (need {job.need}): {text}"


def names_of(some: Sequence[Need], count: int) -> str:
    """Name the first of so many jobs."""
    shown = ", ".join(one.name for one in some[:FEW])
    return f"{shown} and {count - FEW} more" if count > FEW else shown
