"""Pausing back-ends for everybody, while something is wrong there or about to be changed."""

from __future__ import annotations

from collections.abc import Collection

from engine.app.portal.audit import AuditTrail
from engine.app.portal.audited_actions import AuditedActions
from engine.clock import Clock
from engine.errors import NotFound
from engine.store import pauses
from engine.store.database import Database


class PausedBackends(AuditedActions):
    """The pausing of back-ends in the name of somebody."""

    def __init__(
        self, db: Database, names: Collection[str], trail: AuditTrail, clock: Clock, by: str
    ) -> None:
        """`names` are those of the settings."""
        super().__init__(db, trail, clock, by)
        self._names = names

    def set(self, backend: str, *, paused: bool) -> bool:
        """Submit nothing new to a back-end, or do so again; False when that was so already.

        Raises:
            NotFound: there is no such back-end.
        """
        if backend not in self._names:
            known = ", ".join(sorted(self._names))
            raise NotFound(f"no back-end {backend!r}", remedy=f"those of the settings are {known}")
        with self._action("backend.pause" if paused else "backend.resume") as doing:
            doing.fields["data"] = (backend,)
            if paused:
                return pauses.add(doing.connection, backend, now=self._clock.now())
            return pauses.remove(doing.connection, backend)
