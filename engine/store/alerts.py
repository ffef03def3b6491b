"""Why a back-end is left in peace, or the results of an execution wait: told by whoever reconciles, for all
who ask how things stand. Ids of executions and names of back-ends share a column: they are never the same.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.store.schema import trouble


def note(connection: Connection, of: str, words: str, *, now: float) -> None:
    """Record an alert for a back-end or execution, with the time at which it was first raised."""
    known = connection.execute(sa.select(trouble.c.since).where(trouble.c.backend == of)).scalar()
    clear(connection, of)
    since = now if known is None else known
    connection.execute(sa.insert(trouble).values(backend=of, words=words, since=since))


def clear(connection: Connection, of: str) -> None:
    """Remove its alert."""
    connection.execute(sa.delete(trouble).where(trouble.c.backend == of))


def alert_of(connection: Connection, of: str) -> str:
    """Its trouble; "" when there is none."""
    query = sa.select(trouble.c.words).where(trouble.c.backend == of)
    return connection.execute(query).scalar() or ""
