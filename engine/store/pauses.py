"""Back-ends to which nothing new is submitted until somebody resumes them."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.store.rows import from_row
from engine.store.schema import backend_pause
from engine.store.statements import insert_new


@dataclass(frozen=True, slots=True)
class BackendPause:
    """A back-end that is paused."""

    backend: str
    since: float


def add(connection: Connection, backend: str, *, now: float) -> bool:
    """Pause a back-end; False when it was paused already."""
    return insert_new(connection, backend_pause, {"backend": backend, "since": now})


def remove(connection: Connection, backend: str) -> bool:
    """Resume a back-end; False when it was not paused."""
    done = connection.execute(sa.delete(backend_pause).where(backend_pause.c.backend == backend))
    return bool(done.rowcount)


def of(connection: Connection, backend: str) -> BackendPause | None:
    """Return the pause of a back-end; None: it takes jobs."""
    query = sa.select(backend_pause).where(backend_pause.c.backend == backend)
    row = connection.execute(query).first()
    return from_row(BackendPause, row) if row else None
