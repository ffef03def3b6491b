"""Further copies of results: those that are wanted and those that are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.domain.product import ReplicaState, retry_after
from engine.ids import ExecutionId
from engine.store.products import Product
from engine.store.schema import execution, job, product, replica


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy that is wanted, with what it is to be a copy of."""

    id: int
    url: str
    tries: int
    source: str
    """URL of the result."""
    size: int
    sha256: str
    owner: str
    """Of the execution."""
    is_file: bool
    """Not a directory as it is; the tar of one is a file."""
    execution_id: ExecutionId
    job: int
    """Number of the job whose result it is."""


def request(connection: Connection, products: Sequence[Product]) -> None:
    """Ask for the copies that results should have; they were written in this transaction."""
    rows = []
    for one in products:
        if one.copies:
            query = sa.select(product.c.id).where(
                product.c.execution_id == one.execution_id, product.c.name == one.name
            )
            id_ = connection.execute(query).scalar_one()
            rows += [{"product_id": id_, "url": url, "state": ReplicaState.WANTED} for url in one.copies]
    if rows:
        connection.execute(sa.insert(replica), rows)


def due(connection: Connection, *, now: float, limit: int) -> list[Copy]:
    """List copies that should be made now."""
    query = (
        sa.select(
            replica.c.id,
            replica.c.url,
            replica.c.tries,
            product.c.url.label("source"),
            product.c.size,
            product.c.sha256,
            product.c.directory,
            product.c.packed,
            product.c.execution_id,
            execution.c.owner,
            job.c.number,
        )
        .join(product, product.c.id == replica.c.product_id)
        .join(job, job.c.id == product.c.job_id)
        .join(execution, execution.c.id == product.c.execution_id)
        .where(replica.c.state == ReplicaState.WANTED, replica.c.not_before <= now)
        .order_by(replica.c.not_before, replica.c.id)
        .limit(limit)
    )
    return [_copy(row) for row in connection.execute(query)]


def untried(connection: Connection, execution_id: ExecutionId) -> int:
    """Return how many copies of an execution are still to be made, but for those that could not be made so
    far.
    """
    query = (
        sa.select(sa.func.count())
        .select_from(replica.join(product, product.c.id == replica.c.product_id))
        .where(
            product.c.execution_id == execution_id,
            replica.c.state == ReplicaState.WANTED,
            replica.c.tries == 0,
        )
    )
    return int(connection.execute(query).scalar_one())


def outstanding(connection: Connection, execution_id: ExecutionId) -> tuple[int, int]:
    """Return how many copies of an execution are still to be made, and how often the one was tried that
    was tried most.
    """
    query = (
        sa.select(sa.func.count(), sa.func.max(replica.c.tries))
        .select_from(replica.join(product, product.c.id == replica.c.product_id))
        .where(product.c.execution_id == execution_id, replica.c.state == ReplicaState.WANTED)
    )
    count, tries = connection.execute(query).one()
    return int(count), int(tries or 0)


def complete(connection: Connection, one: Copy) -> None:
    """Mark a copy as made and verified."""
    connection.execute(
        sa.update(replica).where(replica.c.id == one.id).values(state=ReplicaState.AVAILABLE, detail="")
    )


def failed(connection: Connection, one: Copy, why: str, *, now: float) -> None:
    """Mark a copy as failed; it is tried again later."""
    tries = one.tries + 1
    connection.execute(
        sa.update(replica)
        .where(replica.c.id == one.id)
        .values(tries=tries, not_before=now + retry_after(tries), detail=why)
    )


def exchange(connection: Connection, one: Product, *, copy: str) -> None:
    """Make the copy at a URL the result: where the result was, a copy is wanted instead."""
    owner = sa.select(product.c.id).where(
        product.c.execution_id == one.execution_id, product.c.name == one.name
    )
    connection.execute(
        sa.update(replica)
        .where(replica.c.product_id == owner.scalar_subquery(), replica.c.url == copy)
        .values(url=one.url, state=ReplicaState.WANTED, tries=0, not_before=0.0, detail="")
    )


def of_execution(connection: Connection, execution_id: ExecutionId) -> dict[str, list[str]]:
    """URLs of the copies that are there, by the name of the result."""
    query = (
        sa.select(product.c.name, replica.c.url)
        .join(product, product.c.id == replica.c.product_id)
        .where(product.c.execution_id == execution_id, replica.c.state == ReplicaState.AVAILABLE)
        .order_by(replica.c.id)
    )
    found: dict[str, list[str]] = {}
    for row in connection.execute(query):
        found.setdefault(row.name, []).append(row.url)
    return found


def _copy(row: Any) -> Copy:
    is_file = row.packed or not row.directory
    of = (row.execution_id, row.number)
    return Copy(row.id, row.url, row.tries, row.source, row.size, row.sha256, row.owner, is_file, *of)
