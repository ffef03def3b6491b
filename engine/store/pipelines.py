"""Pipelines: descriptors under a name and a version, for everybody or for some groups."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.store.rows import from_row, to_row
from engine.store.schema import launch, pipeline, pipeline_group
from engine.store.statements import insert_new


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A published descriptor."""

    identifier: str
    """`name/version`."""
    descriptor_sha256: str
    groups: frozenset[str] = frozenset()
    """Ids of the groups that may use it; empty: everybody."""
    hidden: bool = False
    created_at: float = 0.0
    trusted: bool = False
    """Whether its jobs may run where the tool is not kept apart from the engine."""


def put(connection: Connection, new: Pipeline) -> None:
    """Write a pipeline, or replace one of that identifier."""
    if not insert_new(connection, pipeline, to_row(pipeline, new)):
        connection.execute(
            sa.update(pipeline)
            .where(pipeline.c.identifier == new.identifier)
            .values(descriptor_sha256=new.descriptor_sha256, hidden=new.hidden, trusted=new.trusted)
        )
        connection.execute(sa.delete(pipeline_group).where(pipeline_group.c.identifier == new.identifier))
    if new.groups:
        rows = [{"identifier": new.identifier, "group_id": group} for group in sorted(new.groups)]
        connection.execute(sa.insert(pipeline_group), rows)


def hide(connection: Connection, identifier: str) -> bool:
    """Withdraw a pipeline; False when there is none."""
    query = sa.update(pipeline).where(pipeline.c.identifier == identifier)
    return bool(connection.execute(query.values(hidden=True)).rowcount)


def get(connection: Connection, identifier: str) -> Pipeline | None:
    """One pipeline."""
    row = connection.execute(sa.select(pipeline).where(pipeline.c.identifier == identifier)).first()
    if row is None:
        return None
    query = sa.select(pipeline_group.c.group_id).where(pipeline_group.c.identifier == identifier)
    return _from_row(row, connection.execute(query).scalars())


def every(connection: Connection) -> list[Pipeline]:
    """All that are not hidden, by identifier."""
    query = sa.select(pipeline).where(pipeline.c.hidden.is_(False)).order_by(pipeline.c.identifier)
    rows = connection.execute(query).all()
    groups: dict[str, list[str]] = {}
    for one in connection.execute(sa.select(pipeline_group)):
        groups.setdefault(one.identifier, []).append(one.group_id)
    return [_from_row(row, groups.get(row.identifier, ())) for row in rows]


def is_used(connection: Connection, identifier: str) -> bool:
    """Say whether an execution was ever launched with it."""
    query = sa.select(launch.c.execution_id).where(launch.c.pipeline == identifier).limit(1)
    return connection.execute(query).first() is not None


def _from_row(row: Any, groups: Iterable[str]) -> Pipeline:
    return from_row(Pipeline, row, groups=frozenset(groups))
