"""Where jobs find the File values of an execution, when they are not simply paths of their own machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.ids import ExecutionId
from engine.store.schema import source
from engine.store.statements import slices


@dataclass(frozen=True, slots=True)
class ExecutionSource:
    """A file of an execution."""

    value: str
    """As invocations give it: a URL, or an absolute path of the machine of the submit."""
    url: str
    """Where jobs find it; "" until it was brought there."""
    replicas: Sequence[str] = ()
    checksums: Mapping[str, str] = field(default_factory=dict)
    size: int | None = None
    packed: bool = False
    """A directory, brought as a tar."""


def add(connection: Connection, execution_id: ExecutionId, new: Sequence[ExecutionSource]) -> None:
    """Write sources; those that are known are left as they are."""
    known = of(connection, execution_id, [one.value for one in new])
    rows = [
        {"execution_id": execution_id, "value_sha256": _key(one.value), "value": one.value, **_row(one)}
        for one in {one.value: one for one in new}.values()
        if one.value not in known
    ]
    if rows:
        connection.execute(sa.insert(source), rows)


def of(
    connection: Connection, execution_id: ExecutionId, values: Sequence[str]
) -> dict[str, ExecutionSource]:
    """Look these values up."""
    query = sa.select(source).where(source.c.execution_id == execution_id)
    return {
        row.value: _from_row(row)
        for some in slices(_key(value) for value in values)
        for row in connection.execute(query.where(source.c.value_sha256.in_(some)))
    }


def has_any(connection: Connection, execution_id: ExecutionId) -> bool:
    """Say whether an execution has any: most find all files at paths of their own machine."""
    query = sa.select(source.c.value_sha256).where(source.c.execution_id == execution_id).limit(1)
    return connection.execute(query).first() is not None


def not_uploaded(connection: Connection, execution_id: ExecutionId) -> list[ExecutionSource]:
    """Return those that were not brought yet to where jobs find them."""
    query = sa.select(source).where(source.c.execution_id == execution_id, source.c.url == "")
    return [_from_row(row) for row in connection.execute(query.order_by(source.c.value_sha256))]


def brought(connection: Connection, execution_id: ExecutionId, one: ExecutionSource) -> None:
    """Note where a source was brought to."""
    connection.execute(
        sa.update(source)
        .where(source.c.execution_id == execution_id, source.c.value_sha256 == _key(one.value))
        .values(**_row(one))
    )


def _key(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "surrogateescape")).hexdigest()


def _row(one: ExecutionSource) -> dict[str, Any]:
    return {
        "url": one.url,
        "replicas": json.dumps(list(one.replicas)),
        "checksums": json.dumps(dict(one.checksums), sort_keys=True),
        "size": one.size,
        "packed": one.packed,
    }


def _from_row(row: Any) -> ExecutionSource:
    return ExecutionSource(
        row.value, row.url, tuple(json.loads(row.replicas)), json.loads(row.checksums), row.size, row.packed
    )
