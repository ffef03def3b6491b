"""Executions that another portal drives through a service account: what it is to be shown of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.domain.account import Role
from engine.domain.attempt import AttemptState
from engine.ids import AttemptId, ExecutionId, JobId
from engine.store import executions, launches
from engine.store.executions import Execution
from engine.store.launches import Launch
from engine.store.schema import account, attempt, event, execution, launch, submission
from engine.store.statements import slices


@dataclass(frozen=True, slots=True)
class DrivenEvent:
    """An event that concerns such an execution."""

    number: int
    """Of the event; later ones are usually higher."""
    execution_id: ExecutionId
    job_id: JobId | None


@dataclass(frozen=True, slots=True)
class Try:
    """An attempt, with what is known of its way."""

    id: AttemptId
    ordinal: int
    state: AttemptState
    failure: str
    created_at: float
    updated_at: float
    report: Mapping[str, Any] | None
    site: str
    queued_at: float | None
    running_at: float | None


def newest_event(connection: Connection) -> int:
    """Give the number of the last event."""
    return int(connection.execute(sa.select(sa.func.coalesce(sa.func.max(event.c.id), 0))).scalar_one())


def changes(connection: Connection, after: int, limit: int) -> list[DrivenEvent]:
    """Give what happened to such executions, a page at a time."""
    query = (
        sa.select(event.c.id, event.c.execution_id, event.c.job_id)
        .join(launch, launch.c.execution_id == event.c.execution_id)
        .join(account, account.c.id == launch.c.account_id)
        .where(event.c.id > after, account.c.role == Role.SERVICE)
        .order_by(event.c.id)
        .limit(limit)
    )
    return [
        DrivenEvent(row.id, ExecutionId(row.execution_id), row.job_id) for row in connection.execute(query)
    ]


def every(connection: Connection) -> list[tuple[ExecutionId, float | None]]:
    """Give all such executions, and when they ended."""
    query = (
        sa.select(execution.c.id, execution.c.ended_at)
        .join(launch, launch.c.execution_id == execution.c.id)
        .join(account, account.c.id == launch.c.account_id)
        .where(account.c.role == Role.SERVICE)
        .order_by(execution.c.id)
    )
    return [(ExecutionId(row.id), row.ended_at) for row in connection.execute(query)]


def get(connection: Connection, id_: ExecutionId) -> tuple[Execution, Launch] | None:
    """Give an execution with its launch; None when it was purged."""
    found = launches.get(connection, id_)
    return (executions.get(connection, id_), found) if found else None


def tries(connection: Connection, job_ids: Sequence[JobId]) -> dict[JobId, list[Try]]:
    """Give the attempts of jobs, first to last."""
    found: dict[JobId, list[Try]] = {id_: [] for id_ in job_ids}
    for some in slices(job_ids):
        times = _times(connection, some)
        query = (
            sa.select(attempt, submission.c.site, submission.c.backend)
            .join(submission, submission.c.id == attempt.c.submission_id)
            .where(attempt.c.job_id.in_(some))
            .order_by(attempt.c.job_id, attempt.c.ordinal)
        )
        for row in connection.execute(query):
            found[row.job_id].append(
                Try(
                    id=AttemptId(row.id),
                    ordinal=row.ordinal,
                    state=AttemptState(row.state),
                    failure=row.failure,
                    created_at=row.created_at,
                    updated_at=row.updated_at,
                    report=json.loads(row.report) if row.report else None,
                    site=row.site or row.backend,
                    queued_at=times.get((row.id, AttemptState.QUEUED)),
                    running_at=times.get((row.id, AttemptState.RUNNING)),
                )
            )
    return found


def _times(connection: Connection, job_ids: Iterable[JobId]) -> dict[tuple[str, str], float]:
    """Return when attempts of these jobs came into a state for the last time."""
    query = (
        sa.select(event.c.attempt_id, event.c.state_to, sa.func.max(event.c.at).label("at"))
        .where(
            event.c.job_id.in_(list(job_ids)),
            event.c.state_to.in_([AttemptState.QUEUED, AttemptState.RUNNING]),
        )
        .group_by(event.c.attempt_id, event.c.state_to)
    )
    return {(row.attempt_id, row.state_to): row.at for row in connection.execute(query)}
