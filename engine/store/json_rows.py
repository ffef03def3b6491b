"""Many rows in one step: the driver of SQLite gives up the interpreter for each row. Where several threads
ask at once, waiting for it again takes most of the time: 226 such waits for a list of 100 jobs (measured).
"""

from __future__ import annotations

import json
from collections import namedtuple
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection


class JsonRows:
    """A query that is made once, with a limit: so SQLite keeps the order of what it puts together. Its
    columns are texts, integers, times (seconds since 1970) and booleans, each of a name of its own.
    """

    def __init__(self, query: sa.Select[*tuple[Any, ...]]) -> None:
        """Read the columns of the query.

        Raises:
        TypeError: a column is of another type.
        """
        rows = query.subquery()
        packed = sa.func.json_group_array(sa.func.json_array(*map(_exact, rows.c)))
        self._query = query
        self._packed = sa.select(packed).select_from(rows)
        self._row: Any = namedtuple("Row", rows.c.keys())  # type: ignore[misc]

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[Any]:
        """Its rows in their order, with the columns as attributes."""
        if connection.dialect.name != "sqlite":
            return connection.execute(self._query, values).all()
        packed = connection.execute(self._packed, values).scalar_one()
        return list(map(self._row._make, json.loads(packed)))


def _exact(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Render a column as JSON that is its value: SQLite gives numbers 15 digits, where a time needs 17, and
    writes booleans as numbers.
    """
    if isinstance(column.type, sa.String | sa.Integer):
        return column
    if isinstance(column.type, sa.Float):
        return sa.case((column.is_not(None), sa.func.json(sa.func.printf("%!.17g", column))))
    if isinstance(column.type, sa.Boolean):
        return sa.case((column.is_(True), sa.func.json("true")), (column.is_(False), sa.func.json("false")))
    raise TypeError(f"{column}: a {column.type} does not go through JSON as it is")
