"""Jobs that waited for others: they start, or are skipped, when all of these have ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.engine import Connection

from engine.domain import need
from engine.domain.job import JobState
from engine.errors import BadRequest, CredentialExpired, EngineError, Unavailable
from engine.reconcile.context import TickContext
from engine.store import alerts, events, executions, jobs, needs, products, sources
from engine.store.executions import Execution
from engine.store.jobs import Job, Move
from engine.store.needs import Need
from engine.store.sources import ExecutionSource

PAGE = 1000
FEW = 5
"""Names of missing jobs that are written out."""


def release(context: TickContext) -> bool:
    """Release jobs whose wait is over; one round takes a page of them."""
    with context.db.read() as connection:
        waited = jobs.to_release(connection, context.backend.name, limit=PAGE)
        if not waited:
            return False
        of = {id_: executions.get(connection, id_) for id_ in {job.execution_id for job in waited}}
        verdicts = _verdicts(connection, waited)
    brought = {id_: _brought(context, execution, verdicts) for id_, execution in sorted(of.items())}
    with context.write() as connection:
        for id_ in brought:
            executions.get(connection, id_, lock=True)
        # Read again: the user may have started anew what they waited for.
        found = jobs.by_ids(connection, [job.id for job in waited]).values()
        still = [job for job in found if job.state == JobState.BLOCKED and not job.pending]
        over = _verdicts(connection, still)
        changed = False
        for id_, (files, trouble) in brought.items():
            own = [verdict for verdict in over if verdict.job.execution_id == id_]
            if isinstance(trouble, (Unavailable, CredentialExpired)):
                alerts.note(connection, id_, str(trouble), now=context.clock.now())
                own = [verdict for verdict in own if not verdict.enough]
            elif files:
                sources.add(connection, id_, files)
                alerts.clear(connection, id_)
            _release(connection, own, str(trouble or ""), now=context.clock.now())
            changed = changed or bool(own)
    return changed


@dataclass(frozen=True, slots=True)
class _Verdict:
    """The decision on a job whose wait is over."""

    job: Job
    enough: bool
    missing: int
    text: str


def _verdicts(connection: Connection, over: Sequence[Job]) -> list[_Verdict]:
    succeeded = needs.succeeded(connection, [job.id for job in over])
    found = []
    for job in over:
        count = succeeded.get(job.id, 0)
        lost = needs.not_succeeded(connection, job.id, limit=FEW + 1) if count < job.waits else []
        text = f"{count} of {job.waits} succeeded"
        if lost:
            text += f", not {names_of(lost, job.waits - count)}"
        found.append(_Verdict(job, count >= need.wanted(job.need, job.waits), job.waits - count, text))
    return found


def _brought(
    context: TickContext, execution: Execution, verdicts: Sequence[_Verdict]
) -> tuple[Sequence[ExecutionSource], EngineError | None]:
    """Bring what the jobs of an execution read to where they find it; and why that cannot be."""
    if not context.backend.capabilities.needs_staging:
        return (), None
    wanted = [one.job for one in verdicts if one.enough and one.job.execution_id == execution.id]
    with context.db.read() as connection:
        read = {id_ for job in wanted for id_ in needs.read_by(connection, job.id, released=False)}
        results = [one for one in products.of_jobs(connection, sorted(read)) if one.path]
        known = sources.of(connection, execution.id, [one.url for one in results])
    try:
        return context.bring(execution, [one for one in results if one.url not in known]), None
    except (BadRequest, Unavailable, CredentialExpired) as error:
        return (), error


def _release(connection: Connection, over: Sequence[_Verdict], trouble: str, *, now: float) -> None:
    moves, lines = [], []
    for one in over:
        to = JobState.READY if one.enough and not trouble else JobState.SKIPPED
        message = _why(one.job, one.text) if not one.enough else trouble
        moves.append(Move(one.job, to, message=message))
        lines.append(
            events.Event(one.job.execution_id, now, "released", one.job.id, None, one.job.state, to, one.text)
        )
    needs.bind(connection, {one.job.id: one.missing for one in over if one.enough and not trouble})
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
