"""What is done with the database as a whole: copies, putting one back, checks, and making it smaller."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.app.portal.audit import AuditTrail
from engine.clock import Clock
from engine.errors import Unavailable
from engine.reconcile.context import LEASE_S
from engine.store import audit, backup, consistency, lease, space
from engine.store.database import Database

_LONG_S = 9 * LEASE_S
"""Seconds for which we hold the lease at most: nobody prolongs it."""
_GAP = 1000
"""Fencing numbers that are left out: who took the lease all the same meanwhile cannot write afterwards."""


@dataclass(frozen=True, slots=True)
class Restored:
    """A replaced database: what is left of it."""

    kept: Path
    """The copy of it."""
    lines: int
    """Lines of the audit trail that are in that copy only."""


class DatabaseAdministration:
    """Does it in the name of somebody: see `engine.app.portal.audited_actions.local_actor`."""

    def __init__(
        self,
        db: Database,
        trail: AuditTrail,
        clock: Clock,
        by: str,
        *,
        holder: str,
        is_dead: Callable[[str], bool],
    ) -> None:
        """`holder` is this process, as the lease names it."""
        self._db = db
        self._trail = trail
        self._clock = clock
        self._by = by
        self._holder = holder
        self._is_dead = is_dead

    def back_up(self, file: Path) -> int:
        """Write a consistent copy to a file, also while engines work; returns its size.

        Raises:
            BadRequest: the file is there, or cannot be written.
            Unavailable: the program that PostgreSQL needs for it is missing, or fails.
        """
        return backup.make(self._db, file)

    def restore(self, file: Path) -> Restored:
        """Replace the database by a copy. What happened after it is found again by the next engine.

        Raises:
            BadRequest: the file is no whole copy of such a database; nothing was changed.
            Unavailable: an engine is at work, or a program of PostgreSQL is missing.
        """
        backup.examine(file, sqlite=self._db.sqlite)
        held = self._take_lease()
        replaced = False
        try:
            kept = _beside(file, self._clock.now())
            backup.make(self._db, kept)
            with self._db.read() as connection:
                last = audit.head(connection).number
            backup.put_back(self._db, file)
            replaced = True
            self._db.migrate(self._is_dead)
            with self._db.write() as connection:
                first = audit.head(connection).number
                lease.after_restore(connection, above=held.fence + _GAP)
                entry = self._trail.entry(self._by, audit.RESTORED, str(max(last, first)))
                self._trail.append(connection, [entry])
        finally:
            if not replaced:
                lease.release(self._db, held, now=self._clock.now())
        return Restored(kept, max(last - first, 0))

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with the file, references, counters and the audit trail, a line each."""
        with self._db.read() as connection:
            yield from consistency.problems(connection)
        for problem in self._trail.problems():
            yield f"audit trail: {problem}"

    def shrink(self) -> tuple[int, int]:
        """Give back to the disk what removed rows took; the bytes before and after.

        Raises:
            Unavailable: the database is busy, or its disk is full.
        """
        before = space.size(self._db)
        space.vacuum(self._db)
        return before, space.size(self._db)

    def _take_lease(self) -> lease.Lease:
        now = self._clock.now()
        held = lease.acquire(self._db, self._holder, now=now, seconds=_LONG_S, is_dead=self._is_dead)
        if held is None:
            other = lease.current(self._db)
            host, pid = [*(other.holder if other else "").split(":"), ""][:2]
            raise Unavailable(
                f"an engine (process {pid} of {host}) is at work on the database",
                remedy="stop it, its jobs go on; then restore",
            )
        return held


def _beside(file: Path, now: float) -> Path:
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    return file.with_name(f"{file.name}.before-{stamp}")
