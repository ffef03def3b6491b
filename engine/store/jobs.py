"""Jobs, always by the page or the batch: a million of them are rows, never objects in memory."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.domain.execution import ExecutionState, Intent
from engine.domain.fair_share import fair_shares
from engine.domain.job import MAY_BECOME, JobState
from engine.domain.need import ALL
from engine.errors import Bug, NotFound
from engine.ids import ExecutionId, JobId
from engine.store import job_counts, needs
from engine.store.rows import from_row
from engine.store.schema import execution, job, tally
from engine.store.statements import slices


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be written."""

    number: int
    invocation: Mapping[str, Any]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    """Fields of the names of its results, see `engine.domain.naming`."""
    needs: Sequence[int] = ()
    """Numbers of the jobs before it that it waits for."""
    need: str = ALL
    """How many of these must succeed, see `engine.domain.need`."""
    step: int = 0
    point: Mapping[str, str] = field(default_factory=dict)
    """Its places on the axes of its step."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job, as it is stored."""

    id: JobId
    execution_id: ExecutionId
    number: int
    state: JobState
    invocation: Mapping[str, Any]
    parameters: Mapping[str, Any]
    attempts: int
    failure: str
    message: str
    exit_code: int | None
    not_before: float
    updated_at: float
    pending: int = 0
    """Jobs it still waits for."""
    waits: int = 0
    """Jobs it had to wait for."""
    missing: int = 0
    """Of these, without which it was released."""
    need: str = ALL
    """How many of them must succeed, see `engine.domain.need`."""
    step: int = 0
    point: Mapping[str, str] = field(default_factory=dict)
    """Its places on the axes of its step."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Fields of the names of its results."""
    forgiven: int = 0
    """Attempts before the user's last retry: they do not count against the rules of automatic ones."""


@dataclass(frozen=True, slots=True)
class Move:
    """A job's way from one state to another, with what is to be remembered of it."""

    job: Job
    to: JobState
    failure: str = ""
    message: str = ""
    exit_code: int | None = None
    not_before: float = 0.0
    forgive: bool = False
    """The attempts so far no longer count against automatic retries."""


def add(connection: Connection, execution_id: ExecutionId, new: Sequence[NewJob], *, now: float) -> None:
    """Write a page of jobs."""
    if not new:
        return
    states = [JobState.BLOCKED if n.needs else JobState.READY for n in new]
    connection.execute(
        sa.insert(job),
        [
            {
                "execution_id": execution_id,
                "number": n.number,
                "state": state,
                "pending": len(n.needs),
                "waits": len(n.needs),
                "need": n.need,
                "step": n.step,
                "point": _text(n.point) if n.point else "",
                "invocation": _text(n.invocation),
                "parameters": _text(n.parameters),
                "names": _text(n.names) if n.names else "",
                "updated_at": now,
            }
            for n, state in zip(new, states, strict=True)
        ],
    )
    job_counts.add(connection, {(execution_id, state): count for state, count in Counter(states).items()})
    needs.add(connection, execution_id, {n.number: n.needs for n in new if n.needs})


def ready(connection: Connection, backend: str, *, now: float, limit: int) -> list[Job]:
    """Jobs that may start there now: to each owner a fair share, whoever runs least first; of one owner the
    oldest execution first.
    """
    running, ready_ = _by_owner(connection, backend)
    if len(ready_) < 2:
        return _ready(connection, backend, now=now, limit=limit)
    shares = fair_shares(running, ready_, limit)
    found: list[Job] = []
    for owner in sorted(shares, key=lambda one: running.get(one, 0)):
        found += _ready(connection, backend, now=now, limit=shares[owner], owner=owner)
    if len(found) < limit:  # some may not start yet: nobody else need wait for them
        known = {one.id for one in found}
        more = _ready(connection, backend, now=now, limit=limit)
        found += [one for one in more if one.id not in known][: limit - len(found)]
    return found


def _by_owner(connection: Connection, backend: str) -> tuple[dict[str, int], dict[str, int]]:
    """Active and ready jobs at a back-end, by owner."""
    query = (
        sa.select(execution.c.owner, tally.c.state, sa.func.sum(tally.c.jobs))
        .join(execution, execution.c.id == tally.c.execution_id)
        .where(
            execution.c.state == ExecutionState.ACTIVE,
            execution.c.intent == Intent.RUN,
            execution.c.backend == backend,
            tally.c.state.in_([JobState.READY, JobState.ACTIVE]),
            tally.c.jobs > 0,
        )
        .group_by(execution.c.owner, tally.c.state)
    )
    counts: dict[str, dict[str, int]] = {JobState.ACTIVE: {}, JobState.READY: {}}
    for owner, state, number in connection.execute(query):
        counts[state][owner] = int(number)
    return counts[JobState.ACTIVE], counts[JobState.READY]


def _ready(
    connection: Connection, backend: str, *, now: float, limit: int, owner: str | None = None
) -> list[Job]:
    query = (
        sa.select(job)
        .join(execution, execution.c.id == job.c.execution_id)
        .where(
            execution.c.state == ExecutionState.ACTIVE,
            execution.c.intent == Intent.RUN,
            execution.c.backend == backend,
            job.c.state == JobState.READY,
            job.c.not_before <= now,
        )
        .order_by(job.c.execution_id, job.c.number)
        .limit(limit)
    )
    if owner is not None:
        query = query.where(execution.c.owner == owner)
    return [_from_row(row) for row in connection.execute(query)]


def waiting(connection: Connection, execution_id: ExecutionId, *, limit: int) -> list[Job]:
    """Jobs that have not started."""
    return page(connection, execution_id, states=(JobState.READY, JobState.BLOCKED), limit=limit)


def to_release(connection: Connection, backend: str, *, limit: int) -> list[Job]:
    """List jobs whose wait is over: all that they waited for has ended, well or not."""
    query = (
        sa.select(job)
        .join(execution, execution.c.id == job.c.execution_id)
        .where(
            execution.c.state == ExecutionState.ACTIVE,
            execution.c.intent != Intent.CANCEL,  # these end
            execution.c.backend == backend,
            sa.text("job.state = 'blocked' AND job.pending = 0"),  # as the index has it
        )
        .order_by(job.c.execution_id, job.c.number)
        .limit(limit)
    )
    return [_from_row(row) for row in connection.execute(query)]


def incomplete(connection: Connection, execution_id: ExecutionId, *, limit: int) -> list[Job]:
    """List jobs that were released although some that they waited for had not succeeded."""
    query = sa.select(job).where(job.c.execution_id == execution_id, sa.text("missing > 0"))
    return [_from_row(row) for row in connection.execute(query.order_by(job.c.number).limit(limit))]


def by_ids(connection: Connection, ids: Iterable[JobId]) -> dict[JobId, Job]:
    """Jobs by their rows."""
    return {
        row.id: _from_row(row)
        for some in slices(ids)
        for row in connection.execute(sa.select(job).where(job.c.id.in_(some)))
    }


def numbered(connection: Connection, execution_id: ExecutionId, number: int) -> Job:
    """One job of an execution.

    Raises:
        NotFound: it has no such number.
    """
    query = sa.select(job).where(job.c.execution_id == execution_id, job.c.number == number)
    row = connection.execute(query).first()
    if row is None:
        raise NotFound(f"no job {number} in execution {execution_id}", remedy="engine jobs shows them")
    return _from_row(row)


def page(
    connection: Connection,
    execution_id: ExecutionId,
    *,
    states: Sequence[JobState] = (),
    after: int = 0,
    limit: int = 1000,
) -> list[Job]:
    """Jobs in the order of their numbers, those above `after`."""
    query = sa.select(job).where(job.c.execution_id == execution_id, job.c.number > after)
    if states:
        query = query.where(job.c.state.in_(states))
    return [_from_row(row) for row in connection.execute(query.order_by(job.c.number).limit(limit))]


def move(connection: Connection, moves: Sequence[Move], *, now: float, started: bool = False) -> None:
    """Change the state of jobs and the tally with it. `started` counts one more attempt for each.

    Raises:
        Bug: a move is not in the table of `engine.domain.job`, or a job is no longer where it was read.
    """
    if not moves:
        return
    changes: Counter[tuple[ExecutionId, JobState]] = Counter()
    for m in moves:
        if m.to not in MAY_BECOME[m.job.state]:
            raise Bug(f"job {m.job.execution_id}:{m.job.number} cannot go from {m.job.state} to {m.to}")
        changes[m.job.execution_id, m.job.state] -= 1
        changes[m.job.execution_id, m.to] += 1
    rows = [
        {
            "b_id": m.job.id,
            "b_from": m.job.state,
            "state": m.to,
            "failure": m.failure,
            "message": m.message,
            "exit_code": m.exit_code,
            "not_before": m.not_before,
            "attempts": m.job.attempts + started,
            "forgiven": m.job.attempts if m.forgive else m.job.forgiven,
            "updated_at": now,
        }
        for m in moves
    ]
    statement = sa.update(job).where(job.c.id == sa.bindparam("b_id"), job.c.state == sa.bindparam("b_from"))
    moved = connection.execute(statement, rows).rowcount
    if moved != len(rows):
        raise Bug(f"{len(rows) - moved} of {len(rows)} jobs were no longer where they had been read")
    job_counts.add(connection, changes)
    needs.count_down(connection, [m.job.id for m in moves if m.to.is_final])


def _text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"))


def _from_row(row: Any) -> Job:
    return from_row(
        Job,
        row,
        state=JobState(row.state),
        invocation=json.loads(row.invocation),
        parameters=json.loads(row.parameters),
        names=json.loads(row.names) if row.names else {},
        point=json.loads(row.point) if row.point else {},
    )
