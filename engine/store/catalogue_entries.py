"""Files under logical names, as they were imported."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.domain.catalogue import CatalogueEntry
from engine.store.schema import entry
from engine.store.statements import slices


def get(connection: Connection, names: Sequence[str]) -> dict[str, CatalogueEntry]:
    """Look these names up."""
    query = sa.select(entry)
    return {
        row.name: CatalogueEntry(
            row.name, row.size, json.loads(row.checksums), tuple(json.loads(row.replicas))
        )
        for some in slices(_key(name) for name in names)
        for row in connection.execute(query.where(entry.c.name_sha256.in_(some)))
    }


def put(connection: Connection, new: Sequence[CatalogueEntry]) -> None:
    """Write entries over those of the same names."""
    remove(connection, [one.name for one in new])
    rows = [_row(one) for one in {one.name: one for one in new}.values()]
    if rows:
        connection.execute(sa.insert(entry), rows)


def remove(connection: Connection, names: Sequence[str]) -> None:
    """Forget these names."""
    for some in slices(_key(name) for name in names):
        connection.execute(sa.delete(entry).where(entry.c.name_sha256.in_(some)))


def below(connection: Connection, prefix: str) -> list[str]:
    """Names that begin with a text, sorted."""
    query = sa.select(entry.c.name).where(entry.c.name.startswith(prefix, autoescape=True))
    return sorted(connection.execute(query).scalars())


def _key(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()


def _row(one: CatalogueEntry) -> dict[str, Any]:
    return {
        "name_sha256": _key(one.name),
        "name": one.name,
        "size": one.size,
        "checksums": json.dumps(dict(one.checksums), sort_keys=True),
        "replicas": json.dumps(list(one.replicas)),
    }
