"""Descriptors, each stored once however many executions run it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.errors import NotFound
from engine.store.schema import descriptor
from engine.store.statements import insert_new


def store(
    connection: Connection, sha256: str, data: Mapping[str, Any], *, checked_by: str, now: float
) -> None:
    """Store a descriptor once; the same content again only notes who checked it last."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    row = {"sha256": sha256, "text": text, "checked_by": checked_by, "created_at": now}
    if not insert_new(connection, descriptor, row):
        connection.execute(
            sa.update(descriptor).where(descriptor.c.sha256 == sha256).values(checked_by=checked_by)
        )


def data(connection: Connection, sha256: str) -> dict[str, Any]:
    """Read the stored descriptor.

    Raises:
        NotFound: it was never stored.
    """
    text = connection.execute(sa.select(descriptor.c.text).where(descriptor.c.sha256 == sha256)).scalar()
    if text is None:
        raise NotFound(f"no descriptor {sha256[:12]} in the database")
    data: dict[str, Any] = json.loads(text)
    return data


def checked_by(connection: Connection, sha256: str) -> str | None:
    """Return which validator accepted this descriptor, or None when it is new."""
    return connection.execute(
        sa.select(descriptor.c.checked_by).where(descriptor.c.sha256 == sha256)
    ).scalar()
