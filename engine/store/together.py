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


class Together:
    """A query that is made once, of texts, numbers, times, booleans and NULL."""

    def __init__(self, query: sa.Select[Any]) -> None:
        rows = query.subquery()
        packed = sa.func.json_group_array(sa.func.json_array(*map(_exact, rows.c)))
        self._query = query
        self._packed = sa.select(packed).select_from(rows)
        self._row: Any = namedtuple("Row", rows.c.keys())  # type: ignore[misc]

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[Any]:
        """Its rows in their order, with the columns as attributes."""
        if connection.dialect.name != "sqlite":
            return connection.execute(self._query, values).all()
        return [
            self._row._make(row) for row in json.loads(connection.execute(self._packed, values).scalar_one())
        ]


def _exact(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """What SQLite would write as another value: of a number its JSON has 15 digits, which is not enough for a
    time (with 17, times are exact), and a boolean is a number.
    """
    if isinstance(column.type, sa.Boolean):
        return sa.case((column.is_(True), sa.func.json("true")), (column.is_(False), sa.func.json("false")))
    if isinstance(column.type, sa.Float):
        return sa.case((column.is_not(None), sa.func.json(sa.func.printf("%!.17g", column))))
    return column
