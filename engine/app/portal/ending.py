"""The end of all that an account has at work."""

from __future__ import annotations

from engine.app.application import Application
from engine.app.portal.audit import AuditTrail
from engine.app.portal.audited_actions import KILL, record_request
from engine.ids import ExecutionId
from engine.store import executions
from engine.store.database import Database


def end_all(db: Database, trail: AuditTrail, app: Application, account_id: str, by: str) -> list[ExecutionId]:
    """Ask for the end of every execution of an account, in the name of somebody (`by`)."""
    with db.read() as connection:
        found = executions.to_end(connection, account_id)
    for id_ in found:
        app.cancel(id_, record_request(trail, by, KILL))
    return found
