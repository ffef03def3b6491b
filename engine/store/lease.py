"""The lease: of all engines on one database, the holder alone writes events and performs effects.

Every write of the holder carries its fencing number: an engine that slept through its lease and wakes up
cannot write a line (Kleppmann, "How to do distributed locking", 2016).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.errors import EngineError, SettingsError
from engine.store.database import REVISION, Database, revision
from engine.store.schema import lease
from engine.store.statements import insert_new

NAME = "reconciler"
FAR = 10
"""A lease that runs for this many times longer than it can was given before the clock was set back."""


class LeaseLost(EngineError):
    """Another engine reconciles this database now; nothing was written."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to reconcile, until `until`."""

    holder: str
    fence: int
    until: float


def acquire(
    db: Database,
    holder: str,
    *,
    now: float,
    seconds: float,
    is_dead: Callable[[str], bool] = lambda _: False,
) -> Lease | None:
    """Take the lease if it is free, has run out, or its holder is known to be dead.

    None while another holder's is good.

    Raises:
        SettingsError: a newer engine has changed the tables since this one opened the database.
    """
    with db.write() as connection:
        if (found := revision(connection)) != REVISION:
            raise SettingsError(
                f"the database was brought to schema {found} while this engine, which knows {REVISION}, ran",
                remedy="use the newer engine",
            )
        row = connection.execute(sa.select(lease).where(lease.c.name == NAME).with_for_update()).first()
        if row is None:
            first = {"name": NAME, "holder": holder, "fence": 1, "until": now + seconds}
            return Lease(holder, 1, now + seconds) if insert_new(connection, lease, first) else None
        good = now < row.until < now + FAR * seconds
        if good and row.holder != holder and not is_dead(row.holder):
            return None
        connection.execute(
            sa.update(lease)
            .where(lease.c.name == NAME)
            .values(holder=holder, fence=row.fence + 1, until=now + seconds)
        )
        return Lease(holder, row.fence + 1, now + seconds)


def release(db: Database, held: Lease, *, now: float) -> None:
    """Give it back, so that the next engine need not wait. A lease that was lost is left alone."""
    with db.write() as connection:
        connection.execute(
            sa.update(lease).where(lease.c.name == NAME, lease.c.fence == held.fence).values(until=now)
        )


def current(db: Database) -> Lease | None:
    """Return who holds it, or held it last."""
    with db.read() as connection:
        row = connection.execute(sa.select(lease).where(lease.c.name == NAME)).first()
    return Lease(row.holder, row.fence, row.until) if row else None


@contextmanager
def fenced(db: Database, held: Lease, *, until: float) -> Iterator[Connection]:
    """Open a write transaction of the holder; it also prolongs the lease.

    Raises:
        LeaseLost: the fencing number is no longer the newest.
    """
    with db.write() as connection:
        renewed = connection.execute(
            sa.update(lease).where(lease.c.name == NAME, lease.c.fence == held.fence).values(until=until)
        )
        if renewed.rowcount != 1:
            raise LeaseLost("another engine has taken over this database")
        yield connection
