"""What somebody does to the portal itself: the change and its line of the audit trail are one commit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.engine import Connection

from engine.app.portal.audit import AuditTrail
from engine.app.submission import Also
from engine.clock import Clock
from engine.store import launches
from engine.store.database import Database
from engine.store.executions import Execution

KILL, RESTART, PAUSE, RESUME = "kill", "restart", "pause", "resume"


def local_actor() -> str:
    """Return who types commands on this machine, as the audit trail tells it: by number, which has no name
    in it.
    """
    return f"local:{os.getuid()}"


def record_request(trail: AuditTrail, by: str, action: str) -> Also:
    """For the commit of a wish: writes down who asked for the end of a portal's execution (KILL), for a pause
    or its end (PAUSE, RESUME), or for what failed to run again (RESTART): its end is told once more then.
    Without an account there is no line.
    """

    def also(connection: Connection, execution: Execution) -> None:
        if launches.get(connection, execution.id) is None:
            return
        if action == RESTART:
            launches.untold(connection, execution.id)
        trail.append(connection, [trail.entry(by, action, "asked", execution_id=execution.id)])

    return also


@dataclass(frozen=True, slots=True)
class AuditedAction:
    """An action while it is done."""

    connection: Connection
    fields: dict[str, Any] = field(default_factory=dict)
    """What its line tells besides: `data` are the ids of accounts and groups that it is about."""


class AuditedActions:
    """Does things in the name of somebody (`by`): the id of an account, or `local_actor`."""

    def __init__(self, db: Database, trail: AuditTrail, clock: Clock, by: str) -> None:
        self._db = db
        self._trail = trail
        self._clock = clock
        self._by = by

    @contextmanager
    def _action(self, action: str) -> Iterator[AuditedAction]:
        """Run a transaction that ends with a line of the trail; nothing is written of what fails."""
        with self._db.write() as connection:
            doing = AuditedAction(connection)
            yield doing
            self._trail.append(connection, [self._trail.entry(self._by, action, "done", **doing.fields)])
