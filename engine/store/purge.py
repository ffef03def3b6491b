"""Removing ended executions for good, with all their rows; the audit trail keeps that they were."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.domain.execution import FINAL
from engine.ids import ExecutionId
from engine.store import needs, usage
from engine.store.schema import (
    attempt,
    event,
    execution,
    job,
    launch,
    outbox,
    product,
    replica,
    source,
    submission,
    tally,
)


def due(
    connection: Connection, *, ended_before: float | None, now: float, limit: int = 100
) -> list[ExecutionId]:
    """List ended executions that may go, oldest first: those whose own time has come, and, where they have
    none, those that ended before `ended_before` (None: these stay). What is still to be cleared or copied
    waits.
    """
    own = launch.c.keep_until <= now
    others = sa.false() if ended_before is None else execution.c.ended_at < ended_before
    untold = sa.and_(launch.c.execution_id.is_not(None), launch.c.told.is_(False))
    query = (
        sa.select(execution.c.id)
        .outerjoin(launch, launch.c.execution_id == execution.c.id)
        .where(
            execution.c.state.in_(FINAL),
            execution.c.clear_at.is_(None),
            ~untold,
            sa.or_(own, sa.and_(launch.c.keep_until.is_(None), others)),
        )
        .order_by(execution.c.id)
        .limit(limit)
    )
    return [ExecutionId(id_) for id_ in connection.execute(query).scalars()]


def remove(connection: Connection, id_: ExecutionId) -> bool:
    """Remove an execution with everything of it; False when it is not over (any more)."""
    query = sa.select(execution.c.state).where(execution.c.id == id_).with_for_update()
    if connection.execute(query).scalar() not in FINAL:
        return False
    usage.add_purged(connection, id_)
    products = sa.select(product.c.id).where(product.c.execution_id == id_)
    submissions = sa.select(submission.c.id).where(submission.c.execution_id == id_)
    connection.execute(sa.delete(replica).where(replica.c.product_id.in_(products)))
    connection.execute(sa.delete(product).where(product.c.execution_id == id_))
    connection.execute(sa.delete(attempt).where(attempt.c.submission_id.in_(submissions)))
    connection.execute(sa.delete(outbox).where(outbox.c.submission_id.in_(submissions)))
    needs.remove(connection, id_)
    for table in (submission, job, source, tally, event, launch):
        connection.execute(sa.delete(table).where(table.c.execution_id == id_))
    connection.execute(sa.delete(execution).where(execution.c.id == id_))
    return True
