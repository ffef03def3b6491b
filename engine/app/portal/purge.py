"""`engine purge`: ended executions whose time is over, removed with their files if asked."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from engine.app.portal.audit import AuditTrail
from engine.clock import Clock
from engine.ids import ExecutionId
from engine.storages.file import to_path
from engine.store import audit, executions, purge
from engine.store.database import Database


def purge_due(
    db: Database, trail: AuditTrail, clock: Clock, *, older: float | None, files: bool, dry_run: bool
) -> Iterator[ExecutionId]:
    """Remove executions whose retention has ended, and, if `older` is given, those without one that ended
    more than so many seconds ago; never one that still has its retention. Gives each when it is gone.
    """
    seen: set[ExecutionId] = set()
    while True:
        now = clock.now()
        before = None if older is None else now - older
        with db.read() as connection:
            found = purge.due(connection, ended_before=before, now=now, limit=100 + len(seen))
        fresh = [id_ for id_ in found if id_ not in seen]
        if not fresh:
            return
        for id_ in fresh:
            seen.add(id_)
            if dry_run or _remove(db, trail, id_, files=files):
                yield id_
        if not dry_run:
            seen.clear()


def _remove(db: Database, trail: AuditTrail, id_: ExecutionId, *, files: bool) -> bool:
    """The files first: what is interrupted between the two is found again."""
    with db.read() as connection:
        execution = executions.get(connection, id_)
    if files and execution.results.startswith("file:"):
        shutil.rmtree(to_path(execution.results), ignore_errors=True)
    with db.write() as connection:
        if not purge.remove(connection, id_):
            return False
        status = "with files" if files else "without files"
        deed = trail.deed("", "purge", status, execution_id=id_)
        audit.append(connection, [deed])
    return True
