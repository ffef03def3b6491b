"""Removing what attempts left on storages: what was written and not committed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from engine.domain.attempt import AttemptState
from engine.domain.options import SANDBOX, Destination
from engine.errors import BadRequest, CredentialExpired, EngineError, Unavailable
from engine.ids import AttemptId
from engine.ports import Storage
from engine.reconcile import layout
from engine.store import attempts
from engine.store.database import Database
from engine.store.executions import Execution

PAGE = 1000
_WANTED = (AttemptState.SUCCEEDED, AttemptState.STRANDED)


def clear(
    db: Database,
    storage: Callable[[str], Storage],
    execution: Execution,
    *,
    wanted: Sequence[AttemptState] = _WANTED,
) -> list[EngineError]:
    """Remove what attempts of an ended execution left, but for those in the states `wanted`.

    Gives the trouble with each storage that could not be asked.
    """
    trouble: list[EngineError] = []
    for destination in layout.destinations(execution):
        if destination.url == SANDBOX:
            continue
        try:
            _clear_destination(db, storage(destination.url), execution, destination, wanted)
        except (Unavailable, CredentialExpired, BadRequest) as error:
            trouble.append(error)
    return trouble


def _clear_destination(
    db: Database,
    storage: Storage,
    execution: Execution,
    destination: Destination,
    wanted: Sequence[AttemptState],
) -> None:
    with db.read() as connection:
        keeps = AttemptState.STRANDED in wanted and attempts.any_undelivered(connection, execution.id)
    if destination.rename and not keeps:  # results that were committed lie elsewhere
        storage.delete(layout.attempts_url(destination))
        return
    for attempt, number in _unwanted(db, execution, wanted):
        storage.delete(layout.attempt_url(destination, number, attempt))


def _unwanted(
    db: Database, execution: Execution, wanted: Sequence[AttemptState]
) -> Iterator[tuple[AttemptId, int]]:
    after: AttemptId | None = None
    while True:
        with db.read() as connection:
            page = attempts.not_in(connection, execution.id, wanted, after=after, limit=PAGE)
        if not page:
            return
        yield from page
        after = page[-1][0]
