"""How an execution stands: what everybody who watches asks again and again, in few and ready-made queries."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.domain.execution import ExecutionState
from engine.domain.job import JobState
from engine.errors import NotFound
from engine.ids import ExecutionId
from engine.store.json_rows import JsonRows
from engine.store.schema import execution, job, tally


@dataclass(frozen=True, slots=True)
class JobStatusRow:
    """The state of one job."""

    number: int
    state: JobState
    failure: str
    message: str
    exit_code: int | None


@dataclass(frozen=True, slots=True)
class JobRow(JobStatusRow):
    """The state of one job, with what tells it from the others."""

    attempts: int
    parameters: Mapping[str, Any]
    updated_at: float


@dataclass(frozen=True, slots=True)
class StatusSummary:
    """The state of an execution."""

    state: ExecutionState
    created_at: float
    ended_at: float | None
    jobs: int
    counts: Mapping[JobState, int]
    """Jobs by state; states without a job are left out."""


# Made once: building a statement costs more than SQLite needs to answer it.
_STATUS = (
    sa.select(
        execution.c.state,
        execution.c.created_at,
        execution.c.ended_at,
        execution.c.jobs,
        tally.c.state.label("job_state"),
        tally.c.jobs.label("job_count"),
    )
    .join(tally, tally.c.execution_id == execution.c.id)
    .where(execution.c.id == sa.bindparam("id"))
)
_LINES = JsonRows(
    sa.select(job.c.number, job.c.state, job.c.failure, job.c.message, job.c.exit_code)
    .where(job.c.execution_id == sa.bindparam("id"))
    .order_by(job.c.number)
    .limit(sa.bindparam("most"))
)
_PAGE = (
    sa.select(
        *(job.c.number, job.c.state, job.c.failure, job.c.message, job.c.exit_code),
        *(job.c.attempts, job.c.parameters, job.c.updated_at),
    )
    .where(job.c.execution_id == sa.bindparam("id"), job.c.number > sa.bindparam("after"))
    .order_by(job.c.number)
    .limit(sa.bindparam("most"))
)
_EVERY = JsonRows(_PAGE)
_SOME = JsonRows(_PAGE.where(job.c.state.in_(sa.bindparam("states", expanding=True))))


def of_execution(connection: Connection, id_: ExecutionId) -> StatusSummary:
    """Return how an execution stands.

    Raises:
        NotFound: there is none.
    """
    rows = connection.execute(_STATUS, {"id": id_}).all()
    if not rows:
        raise NotFound(f"no execution {id_}", remedy="engine list shows them")
    first = rows[0]
    counts = {JobState(row.job_state): row.job_count for row in rows if row.job_count}
    return StatusSummary(ExecutionState(first.state), first.created_at, first.ended_at, first.jobs, counts)


def lines(connection: Connection, id_: ExecutionId, most: int) -> list[JobStatusRow]:
    """Return how its first jobs stand, by number."""
    return [
        JobStatusRow(number, JobState(state), failure, message, exit_code)
        for number, state, failure, message, exit_code in _LINES.rows(connection, {"id": id_, "most": most})
    ]


def page(
    connection: Connection, id_: ExecutionId, states: Sequence[JobState], *, after: int, most: int
) -> list[JobRow]:
    """List some of its jobs, those with numbers above `after`, with what tells them apart."""
    values = {"id": id_, "after": after, "most": most}
    rows = _SOME.rows(connection, {**values, "states": states}) if states else _EVERY.rows(connection, values)
    return [
        JobRow(number, JobState(state), failure, message, code, attempts, json.loads(parameters), updated)
        for number, state, failure, message, code, attempts, parameters, updated in rows
    ]
