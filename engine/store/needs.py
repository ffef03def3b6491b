"""Which jobs each job waits for. `job.pending` counts those that have not ended: it is counted down in the
commit in which they end (`engine.store.jobs.move`), and a job whose count is 0 is released.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.domain.job import FINAL, JobState
from engine.domain.naming import point_name
from engine.ids import ExecutionId, JobId
from engine.store.schema import job, need
from engine.store.statements import SLICE, slices

_SOURCE = job.alias("source")
_LARGEST_INSERT = 10_000


class Need(NamedTuple):
    """A job that another waits for, or had to wait for."""

    id: JobId
    number: int
    state: JobState
    point: str
    """JSON of its places on the axes of its step, or ""."""
    message: str
    missing: bool
    """Whether the job that waited for it was released without it."""

    @property
    def name(self) -> str:
        """Its places, or its number."""
        return point_name(json.loads(self.point) if self.point else {}, self.number)


def add(connection: Connection, execution_id: ExecutionId, new: Mapping[int, Sequence[int]]) -> None:
    """Write for jobs which others they wait for, all by their numbers."""
    if not new:
        return
    rows = _rows_of(connection, execution_id, [*new, *(one for some in new.values() for one in some)])
    pairs = [
        {"source_job": rows[source], "job": rows[number]}
        for number, sources in new.items()
        for source in sources
    ]
    for at in range(0, len(pairs), _LARGEST_INSERT):
        connection.execute(sa.insert(need), pairs[at : at + _LARGEST_INSERT])


def _rows_of(connection: Connection, execution_id: ExecutionId, numbers: Sequence[int]) -> dict[int, JobId]:
    query = sa.select(job.c.number, job.c.id).where(job.c.execution_id == execution_id)
    return {
        row.number: JobId(row.id)
        for some in slices(numbers)
        for row in connection.execute(query.where(job.c.number.in_(some)))
    }


def count_down(connection: Connection, ended: Sequence[JobId]) -> None:
    """Note in those who wait for them that these jobs have ended just now."""
    for some in slices(ended):
        of_these = sa.and_(need.c.source_job.in_(some))
        readers = sa.select(need.c.job).where(of_these)
        count = sa.select(sa.func.count()).where(of_these, need.c.job == job.c.id).scalar_subquery()
        if connection.execute(readers.limit(1)).first() is not None:  # most jobs have none
            connection.execute(
                sa.update(job).where(job.c.id.in_(readers)).values(pending=job.c.pending - count)
            )


def count_anew(connection: Connection, execution_id: ExecutionId) -> None:
    """Count for what waits of an execution how many have not ended, after some were started again."""
    count = (
        sa.select(sa.func.count())
        .select_from(need.join(_SOURCE, _SOURCE.c.id == need.c.source_job))
        .where(need.c.job == job.c.id, _SOURCE.c.state.not_in(FINAL))
        .scalar_subquery()
    )
    connection.execute(
        sa.update(job)
        .where(job.c.execution_id == execution_id, job.c.state == JobState.BLOCKED)
        .values(pending=count)
    )


def succeeded(connection: Connection, ids: Sequence[JobId]) -> dict[JobId, int]:
    """Count for each of these jobs how many of those that it waits for have succeeded."""
    query = (
        sa.select(need.c.job, sa.func.count())
        .join(_SOURCE, _SOURCE.c.id == need.c.source_job)
        .where(_SOURCE.c.state == JobState.SUCCEEDED)
        .group_by(need.c.job)
    )
    return {
        JobId(id_): int(number)
        for some in slices(ids)
        for id_, number in connection.execute(query.where(need.c.job.in_(some)))
    }


def bind(connection: Connection, missing: Mapping[JobId, int]) -> None:
    """Note, when jobs are released, without which of the others: for each how many these are."""
    if not missing:
        return
    failed = sa.exists().where(_SOURCE.c.id == need.c.source_job, _SOURCE.c.state != JobState.SUCCEEDED)
    for some in slices(missing):
        connection.execute(sa.update(need).where(need.c.job.in_(some)).values(missing=failed))
    connection.execute(
        sa.update(job).where(job.c.id == sa.bindparam("b_id")).values(missing=sa.bindparam("b_missing")),
        [{"b_id": id_, "b_missing": number} for id_, number in missing.items()],
    )


def of_job(connection: Connection, id_: JobId, *, limit: int = SLICE) -> list[Need]:
    """List the jobs that a job waits for, in order."""
    return list(_of(connection, need.c.job == id_, limit))


def not_succeeded(connection: Connection, id_: JobId, *, limit: int) -> list[Need]:
    """List those of them that have not succeeded."""
    return list(_of(connection, sa.and_(need.c.job == id_, _SOURCE.c.state != JobState.SUCCEEDED), limit))


def released_without(connection: Connection, id_: JobId, *, limit: int) -> list[Need]:
    """List those without which a job was released."""
    return list(_of(connection, sa.and_(need.c.job == id_, need.c.missing), limit))


def read_by(connection: Connection, id_: JobId, *, released: bool = True) -> dict[JobId, int]:
    """Find the jobs whose results a job reads, each with its step: those that it was released with, or would
    be now, and what these read.
    """
    query = (
        sa.select(_SOURCE.c.id, _SOURCE.c.step)
        .join(need, _SOURCE.c.id == need.c.source_job)
        .where(_SOURCE.c.state == JobState.SUCCEEDED)
    )
    bound = query.where(need.c.missing.is_(False))
    found: dict[JobId, int] = {}
    todo, wanted = [id_], bound if released else query
    while todo:
        new = {
            JobId(row.id): int(row.step)
            for some in slices(todo)
            for row in connection.execute(wanted.where(need.c.job.in_(some)))
        }
        todo, wanted = [one for one in new if one not in found], bound
        found |= new
    return found


def _of(connection: Connection, which: sa.ColumnElement[bool], limit: int) -> Iterator[Need]:
    query = (
        sa.select(
            _SOURCE.c.id,
            _SOURCE.c.number,
            _SOURCE.c.state,
            _SOURCE.c.point,
            _SOURCE.c.message,
            need.c.missing,
        )
        .join(_SOURCE, _SOURCE.c.id == need.c.source_job)
        .where(which)
        .order_by(_SOURCE.c.number)
        .limit(limit)
    )
    for row in connection.execute(query):
        yield Need(JobId(row.id), row.number, JobState(row.state), row.point, row.message, row.missing)


def remove(connection: Connection, execution_id: ExecutionId) -> None:
    """Remove those of an execution."""
    own = sa.select(job.c.id).where(job.c.execution_id == execution_id)
    connection.execute(sa.delete(need).where(need.c.job.in_(own)))
