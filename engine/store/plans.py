"""Executions whose jobs are being written: real from one commit on, or removed without a trace."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.domain.execution import ExecutionState
from engine.errors import BadRequest
from engine.ids import ExecutionId
from engine.store import events, needs
from engine.store.schema import event, execution, job, source, tally


def activate(connection: Connection, execution_id: ExecutionId, *, jobs: int, now: float) -> None:
    """All its jobs are written: from now on they run. One commit makes an execution real."""
    touch(connection, execution_id, now=now)
    connection.execute(
        sa.update(execution)
        .where(execution.c.id == execution_id)
        .values(state=ExecutionState.ACTIVE, jobs=jobs)
    )
    events.append(
        connection,
        [
            events.Event(
                execution_id,
                now,
                "planned",
                state_from=ExecutionState.PLANNING,
                state_to=ExecutionState.ACTIVE,
                detail=f"{jobs} job{'s' if jobs != 1 else ''}",
            )
        ],
    )


def touch(connection: Connection, execution_id: ExecutionId, *, now: float) -> None:
    """Note that its planner is alive.

    Raises:
        BadRequest: the plan is gone: another submit with the same key took its place, or it was cancelled.
    """
    still = connection.execute(
        sa.update(execution)
        .where(execution.c.id == execution_id, execution.c.state == ExecutionState.PLANNING)
        .values(updated_at=now)
    )
    if not still.rowcount:
        raise BadRequest(f"execution {execution_id} was ended while its jobs were being written")


def remove(connection: Connection, execution_id: ExecutionId) -> None:
    """Remove an execution that never became active, with everything of it."""
    query = sa.select(execution.c.state).where(execution.c.id == execution_id)
    state = connection.execute(query.with_for_update()).scalar()  # no page may be on its way
    if state != ExecutionState.PLANNING:
        return
    needs.remove(connection, execution_id)
    for table in (job, source, tally, event):
        connection.execute(sa.delete(table).where(table.c.execution_id == execution_id))
    connection.execute(sa.delete(execution).where(execution.c.id == execution_id))
