"""The history of every job: one line for each thing that was learned, in the commit that it caused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.ids import AttemptId, ExecutionId, JobId
from engine.store.rows import from_row, to_row
from engine.store.schema import attempt, event


@dataclass(frozen=True, slots=True)
class Event:
    """An event: what was learned or decided."""

    execution_id: ExecutionId
    at: float
    news: str
    job_id: JobId | None = None
    attempt_id: AttemptId | None = None
    state_from: str = ""
    state_to: str = ""
    detail: str = ""


def append(connection: Connection, events: Sequence[Event]) -> None:
    """Write them, in order."""
    if events:
        connection.execute(sa.insert(event), [to_row(event, one) for one in events])


_CONCLUDED, _DATASET, _MADE, _REFUSED = "concluded", "dataset", "made", "refused"


def of_conclusion(execution_id: ExecutionId, at: float, state_from: str, state_to: str) -> Event:
    """Tell the end of an execution."""
    return Event(execution_id, at, _CONCLUDED, state_from=state_from, state_to=state_to)


def of_dataset(execution_id: ExecutionId, at: float, url: str, problem: str) -> Event:
    """Tell where the data set of an execution is, or why there is none; written just before its end."""
    return Event(execution_id, at, _DATASET, state_to=_REFUSED if problem else _MADE, detail=problem or url)


def dataset(connection: Connection, execution_id: ExecutionId) -> tuple[str, str]:
    """Find where the data set of an execution was when it ended last, or else why there was none."""
    query = (
        sa.select(event.c.news, event.c.state_to, event.c.detail)
        .where(event.c.execution_id == execution_id, event.c.news.in_([_CONCLUDED, _DATASET]))
        .order_by(event.c.id.desc())
        .limit(2)
    )
    found = connection.execute(query).all()
    if len(found) < 2 or found[1].news != _DATASET:
        return "", ""
    return ("", found[1].detail) if found[1].state_to == _REFUSED else (found[1].detail, "")


@dataclass(frozen=True, slots=True)
class JobEvent:
    """An event with what a reader wants beside it."""

    event: Event
    ordinal: int | None
    """Which try of the job it belongs to."""


def history(connection: Connection, execution_id: ExecutionId, job_id: JobId | None) -> list[JobEvent]:
    """Events of one job, or those of the execution itself when `job_id` is None, oldest first."""
    query = (
        sa.select(event, attempt.c.ordinal)
        .outerjoin(attempt, attempt.c.id == event.c.attempt_id)
        .where(event.c.execution_id == execution_id, event.c.job_id == job_id)
        .order_by(event.c.id)
    )
    return [JobEvent(from_row(Event, row), row.ordinal) for row in connection.execute(query)]
