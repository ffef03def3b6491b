"""Turns: executions beyond what a user may run at a time wait, and start as soon as there is room."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy.engine import Connection

from engine.app.portal.audit import AuditTrail
from engine.clock import Clock
from engine.domain.account import Account
from engine.domain.execution import Intent
from engine.ids import ExecutionId
from engine.settings.service import PortalSection
from engine.store import accounts, executions, launches
from engine.store.database import Database

INTERVAL_S = 0.5
"""Seconds between two looks."""


class PortalTasks:
    """The tasks of the daemon for the portal, beside reconciling."""

    def __init__(self, db: Database, settings: PortalSection, trail: AuditTrail, clock: Clock) -> None:
        self._db = db
        self._settings = settings
        self._trail = trail
        self._clock = clock
        self._next = 0.0

    def tick(self) -> bool:
        """Start executions whose turn it is, and write down the ends of others; True when there were any."""
        now = self._clock.now()
        if now < self._next:
            return False
        self._next = now + INTERVAL_S
        started, ended = self._start(now), self._announce_ends()
        return started or ended

    def _start(self, now: float) -> bool:
        with self._db.read() as connection:
            waiting = launches.waiting(connection)
        if not waiting:
            return False
        with self._db.write() as connection:
            ids = {one.account_id for one in waiting}
            room = {id_: self._room(accounts.by_id(connection, id_), connection) for id_ in sorted(ids)}
            ready = admitted(room, ((one.account_id, one.execution_id) for one in waiting))
            for id_ in ready:
                current = executions.get(connection, id_, lock=True)  # before its launch, as everywhere
                if current.intent == Intent.WAIT:  # else its user has paused or cancelled it meanwhile
                    executions.set_intent(connection, id_, Intent.RUN, now=now)
            launches.admit(connection, ready)
        return bool(ready)

    def _room(self, account: Account | None, connection: Connection) -> int:
        if account is None:
            return 0
        running, _ = launches.in_progress(connection, account.id)
        return most_running(account, self._settings) - running

    def _announce_ends(self) -> bool:
        with self._db.read() as connection:
            ended = launches.ended_untold(connection)
        for one in ended:
            kept = self._settings.retention
            until = (one.ended_at or self._clock.now()) + kept if kept else None
            record = self._trail.entry(
                one.launch.account_id,
                "end",
                one.state,
                execution_id=one.launch.execution_id,
                pipeline=one.launch.pipeline,
            )
            with self._db.write() as connection:
                if launches.mark_announced(connection, one, until):
                    self._trail.append(connection, [record])
        return bool(ended)


def most_running(account: Account, settings: PortalSection) -> int:
    """Return the number of executions that an account may run at a time."""
    return account.quota.running if account.quota.running is not None else settings.running


def admitted(room: Mapping[str, int], waiting: Iterable[tuple[str, ExecutionId]]) -> list[ExecutionId]:
    """Return those of the waiting, oldest first, for which their account has room."""
    left = dict(room)
    admitted = []
    for account, execution in waiting:
        if left.get(account, 0) > 0:
            left[account] -= 1
            admitted.append(execution)
    return admitted
