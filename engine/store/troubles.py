"""Why a back-end is left in peace: told by whoever reconciles, for all who ask how things stand."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.store.schema import trouble


def note(connection: Connection, backend: str, words: str, *, now: float) -> None:
    """It is in trouble of this kind; since when, is kept as long as the trouble lasts."""
    known = connection.execute(sa.select(trouble.c.since).where(trouble.c.backend == backend)).scalar()
    clear(connection, backend)
    since = now if known is None else known
    connection.execute(sa.insert(trouble).values(backend=backend, words=words, since=since))


def clear(connection: Connection, backend: str) -> None:
    """It is in no trouble."""
    connection.execute(sa.delete(trouble).where(trouble.c.backend == backend))


def told(connection: Connection, backend: str) -> str:
    """Its trouble; "" when there is none."""
    query = sa.select(trouble.c.words).where(trouble.c.backend == backend)
    return connection.execute(query).scalar() or ""
