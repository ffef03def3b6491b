"""What both databases can do, each in its own words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

SLICE = 30_000
"""Values in one IN: SQLite takes 32,766 parameters in a statement, PostgreSQL 65,535."""

_T = TypeVar("_T")


def slices(values: Iterable[_T]) -> Iterator[list[_T]]:
    """Cut the same values, each once, into pieces that fit into a statement."""
    once = list(dict.fromkeys(values))
    for at in range(0, len(once), SLICE):
        yield once[at : at + SLICE]


def insert_new(connection: Connection, table: sa.Table, row: Mapping[str, Any]) -> bool:
    """Insert a row unless it breaks a uniqueness, also against another engine at this moment."""
    dialect = import_module(f"sqlalchemy.dialects.{connection.dialect.name}")  # PostgreSQL's takes 15 ms
    statement = dialect.insert(table).values(dict(row)).on_conflict_do_nothing().returning(*table.primary_key)
    return connection.execute(statement).first() is not None


def set_each(connection: Connection, column: sa.Column[Any], values: Mapping[Any, str]) -> None:
    """Give the rows of these ids a value each."""
    if values:
        table = column.table
        connection.execute(
            sa.update(table)
            .where(table.c.id == sa.bindparam("b_id"))
            .values({column.name: sa.bindparam("b_value")}),
            [{"b_id": id_, "b_value": value} for id_, value in values.items()],
        )
