"""`engine purge`: ended executions whose time is over, removed with their files if asked."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from engine.app.portal.audit import AuditTrail
from engine.app.portal.site import TreeStorage
from engine.clock import Clock
from engine.domain.attempt import AttemptState
from engine.domain.file_urls import to_path
from engine.errors import BadRequest, CredentialExpired, Unavailable
from engine.ids import ExecutionId
from engine.ports import Backend, Storage
from engine.reconcile.clearing import clear
from engine.store import attempts, executions, purge
from engine.store.database import Database
from engine.store.executions import Execution
from wrappers.containers.tree import remove_all

log = logging.getLogger("engine.purge")

Remove = Callable[[Execution], None]
"""Removes something of an execution."""


def files_of(site: TreeStorage | None, storage: Callable[[str], Storage]) -> Remove:
    """Make the function that removes the directory of an execution's results, and its directories in the
    virtual tree where a storage holds that; results that were sent to other storages stay.
    """

    def remove_files(execution: Execution) -> None:
        if execution.results.startswith("file:"):
            _remove_results(to_path(execution.results))
        for destination in execution.options.places:
            if site and site.path_of(destination.url):
                storage(destination.url).delete(destination.url)

    return remove_files


def _remove_results(directory: Path) -> None:
    try:
        remove_all(directory)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not os.path.lexists(directory):
            return  # somebody was faster
        raise Unavailable(f"{directory}: {error.strerror}") from None


def giving_up(db: Database, backends: Mapping[str, Backend], storage: Callable[[str], Storage]) -> Remove:
    """Make the function that removes results that were delivered and never fetched (`stranded`): once their
    execution is forgotten, nobody finds them any more. The back-end may drop what it keeps of them.
    """

    def give_up(execution: Execution) -> None:
        with db.read() as connection:
            native_ids = attempts.undelivered_by_backend(connection, execution.id)
        if not native_ids:
            return
        for error in clear(db, storage, execution, wanted=[AttemptState.SUCCEEDED]):
            raise error
        if execution.backend in backends:  # else its settings are gone
            backends[execution.backend].forget(native_ids)

    return give_up


def purge_due(
    db: Database,
    trail: AuditTrail,
    clock: Clock,
    *,
    older: float | None,
    files: Remove | None,
    give_up: Remove,
    dry_run: bool,
    by: str = "",
) -> Iterator[ExecutionId]:
    """Remove executions whose retention has ended, and, if `older` is given, those without one that ended
    more than so many seconds ago; never one that still has its retention. Gives each when it is gone. `files`
    removes their files too, `give_up` what `engine retry` could have taken up. `by`: who it is, for the audit
    trail.

    Raises:
        Unavailable: at the end, when some stay, since not all that is theirs could be removed.
    """
    seen: set[ExecutionId] = set()
    stay: set[ExecutionId] = set()
    while True:
        now = clock.now()
        before = None if older is None else now - older
        with db.read() as connection:
            found = purge.due(connection, ended_before=before, now=now, limit=100 + len(seen))
        fresh = [id_ for id_ in found if id_ not in seen]
        if not fresh:
            break
        for id_ in fresh:
            seen.add(id_)
            try:
                if dry_run or _remove(db, trail, id_, give_up, files, by):
                    yield id_
            except (Unavailable, CredentialExpired, BadRequest) as error:
                log.warning("execution %s stays: what it left cannot be removed: %s", id_, error)
                stay.add(id_)
        if not dry_run:
            seen = set(stay)
    if stay:
        raise Unavailable(f"{len(stay)} of the executions stay", remedy="purge again later")


def _remove(
    db: Database, trail: AuditTrail, id_: ExecutionId, give_up: Remove, files: Remove | None, by: str
) -> bool:
    """Remove the files first: what is interrupted between the two is found again."""
    with db.read() as connection:
        execution = executions.get(connection, id_)
    give_up(execution)
    if files is not None:
        files(execution)
    with db.write() as connection:
        if not purge.remove(connection, id_):
            return False
        status = "with files" if files else "without files"
        record = trail.entry(by, "purge", status, execution_id=id_)
        trail.append(connection, [record])
    return True
