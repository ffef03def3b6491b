"""Executions of the portal: found, told in terms of the virtual tree, killed, deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, TypeVar

from sqlalchemy.engine import Connection

from engine.app.access.tokens import Segments
from engine.app.application import Application
from engine.app.explain import history_of
from engine.app.portal import values, virtual
from engine.app.portal.audit import AuditTrail
from engine.app.portal.audited_actions import KILL, PAUSE, RESTART, RESUME, record_request
from engine.app.portal.carmin import CarminError, Code
from engine.app.portal.ending import end_all
from engine.app.portal.reach import check_again, check_kept, shown_location
from engine.app.portal.shown_messages import shown_message
from engine.app.portal.tracing import who
from engine.app.portal.trash import discard
from engine.app.portal.tree import FileTree, kept_in
from engine.domain.access import Action, may_touch_execution
from engine.domain.account import Account
from engine.domain.execution import ExecutionState
from engine.domain.job import JobState
from engine.ids import ExecutionId
from engine.reconcile.layout import PACKED
from engine.store import (
    accounts,
    attempts,
    executions,
    job_counts,
    launches,
    products,
    replicas,
    status_queries,
)
from engine.store.database import Database
from engine.store.jobs import Job
from engine.store.launches import Launch, LaunchRow
from engine.store.status_queries import JobRow, JobStatusRow, StatusSummary
from engine.usecases import ProductView, within_others

_L = TypeVar("_L", JobStatusRow, JobRow)


@dataclass(frozen=True, slots=True)
class Result:
    """A result, where a user finds it."""

    path: str
    """Its virtual path, or its URL when it is on another platform."""
    stored: Segments | None
    """Where it lies in the engine's storage; None when it is elsewhere."""
    product: ProductView

    @property
    def name(self) -> str:
        """What it is called below all results of its execution, wherever it lies."""
        return self.product.name + (PACKED if self.product.packed else "")


_TRIES = 3
"""Of a copy, after which an execution is told as failed; it is tried on."""


class Launches:
    """Every execution of the portal."""

    def __init__(
        self,
        db: Database,
        trail: AuditTrail,
        applications: Callable[[str], Application],
        tree: FileTree,
        trouble: Callable[[], str],
    ) -> None:
        """`trouble` tells why nothing moves, when a back-end does not answer."""
        self._db = db
        self._trail = trail
        self._applications = applications
        self._tree = tree
        self.trouble = trouble

    # --- asking -----------------------------------------------------------------------------------

    def find(self, account: Account, id_: str, action: Action) -> Launch:
        """Find a launch, if the account may do this with it. What is another's is as if it were not there.

        Raises:
            Refused: there is no such execution for this account.
        """
        with self._db.read() as connection:
            found = launches.get(connection, id_) if id_.isascii() and id_.isalnum() else None
        allowed = found is not None and may_touch_execution(account, found.account_id, action)
        if found is None or found.hidden or not allowed:
            raise CarminError(
                Code.NO_EXECUTION,
                f"there is no execution {values.shown(id_)}",
                execution_id="" if found is None else found.execution_id,
            )
        return found

    def newest(
        self, account: Account, *, limit: int, offset: int = 0, study: str | None = None
    ) -> list[LaunchRow]:
        """List the executions of an account, newest first."""
        with self._db.read() as connection:
            found = launches.newest(connection, account.id, limit=limit, offset=offset, study=study)
            return [replace(one, state=_with_copies(connection, one.launch, one.state)) for one in found]

    def count(self, account: Account, study: str | None = None) -> int:
        """Return how many executions an account has."""
        with self._db.read() as connection:
            return launches.count(connection, account.id, study)

    def application(self, found: Launch) -> Application:
        """Return the use cases, as the owner of an execution has them."""
        return self._applications(found.account_id)

    def results(self, found: Launch) -> Iterator[Result]:
        """Each result, as its owner finds it; what lies in a directory that is a result comes with that."""
        seen = self.visible(found)
        for product in _outermost(self.application(found).products(found.execution_id)):
            stored = self._tree.path_of(product.url)
            if (path := shown_location(seen, stored, product.url)) is not None:
                yield Result(path, stored, product)

    def returned(self, found: Launch, most: int) -> dict[str, list[str]]:
        """List the virtual paths, or URLs, of its first results by output: what all who wait for it ask."""
        with self._db.read() as connection:
            seen = _seen(connection, found)
            locations = products.locations(connection, found.execution_id, most)
        paths: dict[str, list[str]] = {}
        for output, url in locations:
            if (path := shown_location(seen, self._tree.path_of(url), url)) is not None:
                paths.setdefault(output, []).append(path)
        return paths

    def visible(self, found: Launch) -> Sequence[tuple[str, Segments]]:
        """List the parts of the virtual tree that its owner sees."""
        with self._db.read() as connection:
            return _seen(connection, found)

    def history(
        self, found: Launch, number: int
    ) -> tuple[Job, Sequence[Mapping[str, Any]], Mapping[str, Any]]:
        """Read a job, all that happened to it, and its last report.

        Raises:
            NotFound: the execution has no such number.
        """
        job = self.application(found).job(found.execution_id, number)
        with self._db.read() as connection:
            tries = attempts.of_job(connection, job.id)
            report = attempts.report_of(connection, tries[-1].id) if tries else None
        virtual_paths = self.virtual_paths(found)
        events_ = [
            {**one, "message": shown_message(str(one["message"]), virtual_paths)}
            for one in history_of(self._db, found.execution_id, job).events
        ]
        return replace(job, message=shown_message(job.message, virtual_paths)), events_, report or {}

    def backends(self) -> Mapping[str, tuple[int, int]]:
        """Active and ready jobs at each back-end."""
        with self._db.read() as connection:
            return job_counts.by_backend(connection)

    def state(self, found: Launch) -> ExecutionState:
        """Return how an execution stands, results that go to another platform included."""
        state = self.application(found).execution(found.execution_id).state
        with self._db.read() as connection:
            return _with_copies(connection, found, state)

    def status(self, found: Launch, most: int) -> tuple[StatusSummary, list[JobStatusRow]]:
        """Return how an execution stands, and each of its jobs when there are at most so many."""
        with self._db.read() as connection:
            stands = status_queries.of_execution(connection, found.execution_id)
            stands = replace(stands, state=_with_copies(connection, found, stands.state))
            lines = status_queries.lines(connection, found.execution_id, most) if stands.jobs <= most else []
        return stands, self._plain(found, lines)

    def page(self, found: Launch, states: Sequence[JobState], *, after: int, most: int) -> list[JobRow]:
        """List some jobs of an execution, those with numbers above `after`."""
        with self._db.read() as connection:
            some = status_queries.page(connection, found.execution_id, states, after=after, most=most)
        return self._plain(found, some)

    def _plain(self, found: Launch, lines: Sequence[_L]) -> list[_L]:
        """Rewrite messages so that they say nothing of the machine."""
        if not any(line.message for line in lines):
            return list(lines)
        virtual_paths = self.virtual_paths(found)
        return [
            replace(line, message=shown_message(line.message, virtual_paths)) if line.message else line
            for line in lines
        ]

    def virtual_paths(self, found: Launch) -> Callable[[str], str | None]:
        """Tell the virtual path of a URL, where its owner has access."""
        seen = self.visible(found)
        return lambda url: _shown(seen, self._tree.path_of(url))

    def who(self, what: str, time: str) -> list[Mapping[str, Any]]:
        """Return whose a job of a back-end was, or what ran on a host at a time."""
        return who(self._db, what, time)

    # --- changing ---------------------------------------------------------------------------------

    def kill(self, account: Account, id_: str) -> bool:
        """Ask for the end of an execution; False: it has ended, and stays as it is."""
        found = self.find(account, id_, Action.CHANGE)
        also = record_request(self._trail, account.id, KILL)
        return self.application(found).cancel(found.execution_id, also)

    def pause(self, account: Account, id_: str) -> bool:
        """Start nothing new of an execution until it is resumed; False: it has ended."""
        found = self.find(account, id_, Action.CHANGE)
        also = record_request(self._trail, account.id, PAUSE)
        return self.application(found).pause(found.execution_id, also)

    def resume(self, account: Account, id_: str) -> bool:
        """Let a paused execution go on; False: it has ended."""
        found = self.find(account, id_, Action.CHANGE)
        also = record_request(self._trail, account.id, RESUME)
        return self.application(found).resume(found.execution_id, also)

    def end_all(self, account_id: str, by: str) -> list[ExecutionId]:
        """Ask for the end of all that an account has at work, in the name of somebody."""
        return end_all(self._db, self._trail, self._applications(account_id), account_id, by)

    def restart(
        self,
        account: Account,
        id_: str,
        states: Sequence[JobState] = (JobState.FAILED, JobState.CANCELLED),
        number: int | None = None,
    ) -> int:
        """Run again what has failed or was killed, or one job of that; gives the number of jobs."""
        found = self.find(account, id_, Action.CHANGE)
        with self._db.read() as connection:
            check_again(connection, found)
        also = record_request(self._trail, account.id, RESTART)
        return self.application(found).retry(found.execution_id, states, number, also)

    def rename(self, account: Account, id_: str, name: str) -> Launch:
        """Give an execution another name."""
        found = self.find(account, id_, Action.CHANGE)
        with self._db.write() as connection:
            launches.rename(connection, found.execution_id, values.check_name(name))
        return self.find(account, id_, Action.READ)

    def delete(self, account: Account, id_: str, *, files: bool) -> None:
        """Forget an ended execution, with its files if asked: these go to the trash.

        Raises:
            Refused: it still runs.
        """
        found = self.find(account, id_, Action.CHANGE)
        execution = self.application(found).execution(found.execution_id)
        if not execution.state.is_final:
            raise CarminError(
                Code.GENERIC,
                "an execution that runs cannot be deleted",
                remedy="kill it and wait for its end",
            )
        if files:
            self._discard(found)
        with self._db.write() as connection:
            launches.hide(connection, found.execution_id)
        self._trail.record(account.id, "delete", "with files" if files else "done", execution_id=id_)

    def _discard(self, found: Launch) -> None:
        with self._db.read() as connection:
            kept = kept_in(self._tree, executions.get(connection, found.execution_id))
            check_kept(connection, found, kept)
        for path in kept:
            with suppress(FileNotFoundError):  # of several destinations most were not needed
                discard(self._tree, path, found.account_id)


def _outermost(products: Iterable[ProductView]) -> Iterator[ProductView]:
    for _, some in groupby(products, lambda one: one.job):
        of_job = list(some)
        within = within_others([one for one in of_job if not one.packed])
        yield from (one for one in of_job if one.name not in within)


def _seen(connection: Connection, found: Launch) -> Sequence[tuple[str, Segments]]:
    owner = accounts.by_id(connection, found.account_id)
    return virtual.bases(owner) if owner else ()


def _shown(seen: Sequence[tuple[str, Segments]], stored: Segments | None) -> str | None:
    return virtual.virtual_path(seen, stored) if stored else None


def _with_copies(connection: Connection, found: Launch, state: ExecutionState) -> ExecutionState:
    """Return how an execution stands for who waits for its results at another platform: it has not ended
    before they are there, and has failed when they cannot be brought.
    """
    if not state.is_final or found.location.startswith("/"):
        return state
    missing, tries = replicas.outstanding(connection, found.execution_id)
    if not missing or not executions.get(connection, found.execution_id).options.copies:
        return state
    return ExecutionState.ACTIVE if tries < _TRIES else ExecutionState.FAILED
