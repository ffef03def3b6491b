"""Whether the tables agree with each other: what is kept twice for speed, and what refers to what."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.domain.attempt import AttemptState
from engine.domain.execution import FINAL, ExecutionState
from engine.domain.job import JobState
from engine.store.schema import attempt, execution, job, product, submission, tally

_REST = [state for state in AttemptState if state.at_rest]


def problems(connection: Connection) -> Iterator[str]:
    """Yield what is wrong, a line each; nothing when all is well."""
    yield from _of_pages(connection)
    planned = execution.c.state.not_in([ExecutionState.PLANNING, *FINAL]) | execution.c.state.in_(FINAL)
    yield from _counters(connection)
    yield from _listed(
        connection,
        "execution {}: it has another number of jobs than it says",
        sa.select(execution.c.id).where(
            planned,
            execution.c.jobs
            != sa.select(sa.func.count()).where(job.c.execution_id == execution.c.id).scalar_subquery(),
        ),
    )
    yield from _listed(
        connection,
        "submission {}: all its attempts are over, and it counts as live",
        sa.select(submission.c.id).where(
            submission.c.live.is_(True),
            ~sa.exists().where(attempt.c.submission_id == submission.c.id, attempt.c.state.not_in(_REST)),
        ),
    )
    yield from _listed(
        connection,
        "job {}: it is active without an attempt that is not over",
        sa.select(job.c.id).where(
            job.c.state == JobState.ACTIVE,
            ~sa.exists().where(attempt.c.job_id == job.c.id, attempt.c.state.not_in(_REST)),
        ),
    )
    yield from _listed(
        connection,
        "result {}: its attempt did not succeed",
        sa.select(product.c.id)
        .join(attempt, attempt.c.id == product.c.attempt_id)
        .where(attempt.c.state != AttemptState.SUCCEEDED),
    )


def _of_pages(connection: Connection) -> Iterator[str]:
    """Check the file itself and its references, where the server does not do so all the time."""
    if connection.dialect.name != "sqlite":
        return
    for (word,) in connection.exec_driver_sql("PRAGMA integrity_check(20)"):
        if word != "ok":
            yield f"the file is damaged: {word}"
    for table, row, other, _ in connection.exec_driver_sql("PRAGMA foreign_key_check"):
        yield f"table {table}, row {row}: what it refers to in table {other} is not there"


def _counters(connection: Connection) -> Iterator[str]:
    counted = (
        sa.select(job.c.execution_id, job.c.state, sa.func.count().label("jobs"))
        .group_by(job.c.execution_id, job.c.state)
        .subquery()
    )
    query = (
        sa.select(tally.c.execution_id, tally.c.state, tally.c.jobs, sa.func.coalesce(counted.c.jobs, 0))
        .outerjoin(
            counted,
            sa.and_(counted.c.execution_id == tally.c.execution_id, counted.c.state == tally.c.state),
        )
        .where(tally.c.jobs != sa.func.coalesce(counted.c.jobs, 0))
        .order_by(tally.c.execution_id, tally.c.state)
    )
    for id_, state, said, there in connection.execute(query):
        yield f"execution {id_}: {said} jobs count as {state}, and {there} are"


def _listed(connection: Connection, text: str, query: sa.Select[tuple[object]]) -> Iterator[str]:
    for (id_,) in connection.execute(query):
        yield text.format(id_)
