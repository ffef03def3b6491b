"""Rows of tables and the dataclasses that they become: fields and columns of one name are one thing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from functools import lru_cache
from typing import Any, TypeVar

import sqlalchemy as sa

_T = TypeVar("_T")


def from_row(cls: type[_T], row: Any, **others: Any) -> _T:
    """Make a dataclass of the columns that have the names of its fields; `others` are fields whose columns
    hold something else.
    """
    kind: Any = cls
    found = {name: row[at] for name, at in _shared(kind, row._fields) if name not in others}
    return cls(**found, **others)


def to_row(table: sa.Table, one: Any, **others: Any) -> dict[str, Any]:
    """Make the row of a dataclass: its fields that are columns of the table; `others` are columns that hold
    something else.
    """
    kind: Any = type(one)
    columns = _shared(kind, tuple(table.c.keys()))
    return {name: getattr(one, name) for name, _ in columns if name not in others} | others


@lru_cache(maxsize=256)
def _shared(cls: Any, columns: Sequence[str]) -> list[tuple[str, int]]:
    names = [one.name for one in fields(cls)]
    return [(name, columns.index(name)) for name in names if name in columns]
