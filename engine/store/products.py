"""Committed results. A row exists only once its attempt has succeeded; a name is never taken twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.domain.product import ProductState
from engine.ids import AttemptId, ExecutionId, JobId
from engine.store.json_rows import JsonRows
from engine.store.rows import from_row, to_row
from engine.store.schema import job, product
from engine.store.statements import slices


@dataclass(frozen=True, slots=True)
class Product:
    """A result file or directory."""

    execution_id: ExecutionId
    job_id: JobId
    attempt_id: AttemptId
    output_id: str
    name: str
    url: str
    size: int
    sha256: str
    directory: bool = False
    adler32: str = ""
    packed: bool = False
    """A directory, kept as a tar: size and checksums are the tar's."""
    state: ProductState = ProductState.AVAILABLE
    copies: Sequence[str] = ()
    """URLs where copies are wanted, when it is written."""
    job_number: int = 0
    path: str = ""
    """Below the directory of its job, as the tool wrote it."""


_PAGE = JsonRows(
    sa.select(product, job.c.number)
    .join(job, job.c.id == product.c.job_id)
    .where(product.c.execution_id == sa.bindparam("execution"), product.c.id > sa.bindparam("after"))
    .order_by(product.c.id)
    .limit(sa.bindparam("limit"))
)

_LOCATIONS = JsonRows(
    sa.select(product.c.output_id, product.c.url)
    .where(product.c.execution_id == sa.bindparam("execution"))
    .order_by(product.c.id)
    .limit(sa.bindparam("limit"))
)


def add(connection: Connection, new: Sequence[Product]) -> None:
    """Write results, in the commit in which their attempts succeed."""
    if new:
        connection.execute(sa.insert(product), [to_row(product, one) for one in new])


def page(
    connection: Connection, execution_id: ExecutionId, *, after: int = 0, limit: int = 1000
) -> list[tuple[int, Product]]:
    """Results in the order in which they were committed, with the cursor for the next page."""
    values = {"execution": execution_id, "after": after, "limit": limit}
    return [(row.id, _from_row(row)) for row in _PAGE.rows(connection, values)]


def locations(connection: Connection, execution_id: ExecutionId, limit: int) -> list[tuple[str, str]]:
    """List the outputs and the URLs of the first results that were committed."""
    rows = _LOCATIONS.rows(connection, {"execution": execution_id, "limit": limit})
    return [(row.output_id, row.url) for row in rows]


def count_below(connection: Connection, execution_id: ExecutionId, url: str) -> int:
    """Return how many results of an execution lie below a URL."""
    below = product.c.url.startswith(f"{url.rstrip('/')}/", autoescape=True)
    query = sa.select(sa.func.count()).where(product.c.execution_id == execution_id, below)
    return int(connection.execute(query).scalar_one())


def named(connection: Connection, execution_id: ExecutionId, names: Sequence[str]) -> list[Product]:
    """Results of these names."""
    return [
        _from_row(row)
        for some in slices(names)
        for row in connection.execute(_of(execution_id).where(product.c.name.in_(some)))
    ]


def of_job(connection: Connection, execution_id: ExecutionId, number: int) -> list[Product]:
    """Results of one job."""
    query = _of(execution_id).where(job.c.execution_id == execution_id, job.c.number == number)
    return [_from_row(row) for row in connection.execute(query)]


def of_jobs(connection: Connection, ids: Sequence[JobId]) -> list[Product]:
    """List the results of some jobs, in the order of steps, jobs and paths."""
    query = sa.select(product, job.c.number, job.c.step).join(job, job.c.id == product.c.job_id)
    found = [
        (row.step, row.number, row.path, _from_row(row))
        for some in slices(ids)
        for row in connection.execute(query.where(product.c.job_id.in_(some)))
    ]
    return [one for *_, one in sorted(found, key=lambda four: four[:3])]


def every(connection: Connection, execution_id: ExecutionId) -> list[Product]:
    """All results of an execution."""
    return [_from_row(row) for row in connection.execute(_of(execution_id).order_by(product.c.id))]


def in_state(connection: Connection, state: ProductState, limit: int) -> list[Product]:
    """List some results in a state, oldest first."""
    query = (
        sa.select(product, job.c.number)
        .join(job, job.c.id == product.c.job_id)
        .where(product.c.state == state)
        .order_by(product.c.id)
        .limit(limit)
    )
    return [_from_row(row) for row in connection.execute(query)]


def set_state(connection: Connection, one: Product, state: ProductState, *, url: str | None = None) -> None:
    """Note what is known of a result now, and where it lies when that has changed."""
    values: dict[str, Any] = {"state": state} if url is None else {"state": state, "url": url}
    connection.execute(
        sa.update(product)
        .where(product.c.execution_id == one.execution_id, product.c.name == one.name)
        .values(**values)
    )


def _of(execution_id: ExecutionId) -> sa.Select[Any]:
    return (
        sa.select(product, job.c.number)
        .join(job, job.c.id == product.c.job_id)
        .where(product.c.execution_id == execution_id)
    )


def owners_of_names(
    connection: Connection, execution_id: ExecutionId, names: Sequence[str]
) -> dict[str, JobId]:
    """Return which of these names are results already, and of which jobs."""
    query = sa.select(product.c.name, product.c.job_id).where(product.c.execution_id == execution_id)
    return {
        row.name: row.job_id
        for some in slices(names)
        for row in connection.execute(query.where(product.c.name.in_(some)))
    }


def _from_row(row: Any) -> Product:
    return from_row(Product, row, state=ProductState(row.state), job_number=row.number)
