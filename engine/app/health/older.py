"""Whether the database is older than what was done: a backup, or a copy that was put back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from engine.app.health.findings import OK, WARNING, CheckFinding
from engine.domain.execution import ExecutionState
from engine.errors import CredentialExpired, EngineError, Unavailable
from engine.ports import Backend, Enumerable, Storage
from engine.reconcile import records
from engine.store import executions, submissions
from engine.store.database import Database
from engine.store.executions import Execution

_MOST = 200
"""Executions that are looked at, oldest first."""
_CHECK = "age of the database"


def findings(
    database: Callable[[], Database],
    backends: Callable[[], Mapping[str, Backend]],
    storage: Callable[[str], Storage],
) -> Iterator[CheckFinding]:
    """Yield what there is of active executions, here and on storages, that the database does not know."""
    try:
        db, there = database(), backends()
    except EngineError:  # another check has it
        return
    with db.read() as connection:
        active = executions.in_state(connection, [ExecutionState.ACTIVE], _MOST)
    ahead = {e.id: found for e in active if (found := _ahead(db, storage, e))}
    unknown = [f"{len(found)} jobs of {id_}" for id_, found in ahead.items()]
    for name, backend in there.items():
        if backend.capabilities.on_this_machine and isinstance(backend, Enumerable):
            unknown += _held(db, name, backend)
    if not unknown:
        yield CheckFinding(_CHECK, OK, "nothing is known of active executions that it does not know")
        return
    yield CheckFinding(
        _CHECK,
        WARNING,
        f"it does not know of {'; '.join(unknown)}",
        "the next engine verifies these and takes them over. Of executions that it does not know, they are "
        "of another database with this spool, or were submitted after the copy that was put back: "
        "`touch SPOOL/jobs/KEY/cancel` ends one",
    )


def _ahead(db: Database, storage: Callable[[str], Storage], execution: Execution) -> Mapping[int, int]:
    try:
        return records.look(db, storage, execution)
    except (Unavailable, CredentialExpired):
        return {}


def _held(db: Database, name: str, backend: Enumerable) -> Iterator[str]:
    try:
        there = backend.held([])
    except Unavailable:
        return
    with db.read() as connection:
        unknown = sorted(there.keys() - submissions.known(connection, there))
    if unknown:
        yield f"{len(unknown)} submissions at {name}: {', '.join(unknown[:5])}"
