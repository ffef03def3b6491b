"""How many jobs of each execution are in each state, kept with every move of a job."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.domain.execution import ExecutionState
from engine.domain.job import JobState
from engine.ids import ExecutionId
from engine.store import attempts
from engine.store.schema import execution, tally


def of(connection: Connection, execution_id: ExecutionId) -> dict[JobState, int]:
    """Its jobs by state, zeros included."""
    rows = connection.execute(
        sa.select(tally.c.state, tally.c.jobs).where(tally.c.execution_id == execution_id)
    )
    counts = {JobState(state): jobs for state, jobs in rows}
    return {state: counts.get(state, 0) for state in JobState}


def with_running(connection: Connection, execution_id: ExecutionId) -> tuple[dict[JobState, int], int]:
    """Its jobs by state, and how many of the active ones run."""
    counts = of(connection, execution_id)
    return counts, attempts.count_running(connection, execution_id) if counts[JobState.ACTIVE] else 0


def by_backend(connection: Connection) -> dict[str, tuple[int, int]]:
    """Active and ready jobs at each back-end where there are any."""
    query = (
        sa.select(execution.c.backend, tally.c.state, sa.func.sum(tally.c.jobs))
        .join(execution, execution.c.id == tally.c.execution_id)
        .where(
            execution.c.state == ExecutionState.ACTIVE, tally.c.state.in_([JobState.ACTIVE, JobState.READY])
        )
        .group_by(execution.c.backend, tally.c.state)
    )
    found: dict[str, dict[str, int]] = {}
    for backend, state, number in connection.execute(query):
        found.setdefault(backend, {})[state] = int(number)
    return {
        backend: (counts.get(JobState.ACTIVE, 0), counts.get(JobState.READY, 0))
        for backend, counts in found.items()
    }


def jobs_by_state(connection: Connection) -> dict[str, int]:
    """Jobs of active executions by state."""
    query = (
        sa.select(tally.c.state, sa.func.sum(tally.c.jobs))
        .join(execution, execution.c.id == tally.c.execution_id)
        .where(execution.c.state == ExecutionState.ACTIVE)
        .group_by(tally.c.state)
    )
    return {state: int(number) for state, number in connection.execute(query)}


def add(connection: Connection, changes: Mapping[tuple[ExecutionId, JobState], int]) -> None:
    """Count `changes` more (or fewer) jobs in these states."""
    rows = [
        {"b_execution": execution_id, "b_state": str(state), "b_jobs": jobs}
        for (execution_id, state), jobs in sorted(changes.items())
        if jobs
    ]
    if rows:
        connection.execute(
            sa.update(tally)
            .where(
                tally.c.execution_id == sa.bindparam("b_execution"), tally.c.state == sa.bindparam("b_state")
            )
            .values(jobs=tally.c.jobs + sa.bindparam("b_jobs")),
            rows,
        )
