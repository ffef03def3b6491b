"""Why nothing new starts although nothing is wrong."""

from __future__ import annotations

from sqlalchemy.engine import Connection

from engine.clock import iso
from engine.domain.execution import Intent
from engine.store import pauses
from engine.store.executions import Execution


def reason(connection: Connection, execution: Execution) -> str:
    """Say what has to happen before jobs of an execution start; "" when they may."""
    if execution.state.is_final or execution.intent == Intent.CANCEL:
        return ""
    if execution.intent == Intent.PAUSE:
        return f"it is paused; engine resume {execution.id} lets it go on"
    if execution.intent == Intent.WAIT:
        return "it waits for its turn: its user has as many at work as may be"
    if paused := pauses.of(connection, execution.backend):
        name, since = paused.backend, iso(paused.since)
        return f"back-end {name} is paused since {since}; engine resume --backend {name} ends that"
    return ""
