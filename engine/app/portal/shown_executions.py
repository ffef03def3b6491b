"""Executions of the portal in the engine's own words, as their users may see them: results by their paths in
the virtual tree, messages without paths of this machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from engine.app import incomplete, pauses
from engine.app.application import Application
from engine.app.explain import history_of
from engine.app.portal.launches import Launches
from engine.app.portal.reach import shown_location
from engine.app.portal.shown_messages import shown_message
from engine.app.portal.tree import FileTree
from engine.app.portal.users import Users
from engine.app.views import of_execution, of_product
from engine.domain import shown_states
from engine.domain.access import Action
from engine.domain.account import Account
from engine.domain.job import JobState
from engine.domain.shown_states import ShownJobState
from engine.errors import NotFound
from engine.store import job_counts, launches, products
from engine.store.database import Database
from engine.store.jobs import Job
from engine.store.launches import Launch
from engine.usecases import CheckedView, ExecutionView, JobHistory, JobView, ProductView

_LARGEST = 2**31 - 1
Said = Callable[[str], str]
"""Makes of a message what its user may read."""


class ShownExecutions:
    """Shows executions to the accounts that may see them."""

    def __init__(self, db: Database, every: Launches, users: Users, tree: FileTree) -> None:
        self._db = db
        self._launches = every
        self._users = users
        self._tree = tree

    def newest(
        self, account: Account, *, limit: int, before: str = "", starting: str = ""
    ) -> list[ExecutionView]:
        """List executions of an account, newest first: with ids that begin so, or older than an id."""
        with self._db.read() as connection:
            found = launches.ids(connection, account.id, limit=limit, before=before, starting=starting)
        return [self.execution(account, id_) for id_ in found]

    def execution(self, account: Account, id_: str) -> ExecutionView:
        """Show one execution."""
        return self.of(account, self._found(account, id_))

    def of(self, account: Account, found: Launch) -> ExecutionView:
        """Show a launch."""
        stands, _ = self._launches.status(found, 0)
        stored = self._app(found).execution(found.execution_id)
        with self._db.read() as connection:
            counts, running = job_counts.with_running(connection, found.execution_id)
            lines = incomplete.sentences(connection, found.execution_id)
            held = pauses.reason(connection, stored)
        trouble = self._trouble(account, stands.state.is_final)
        view = of_execution(stored, counts, running, trouble, lines, held)
        owner = account if account.id == found.account_id else self._users.by_id(found.account_id)
        return replace(
            view,
            state=shown_states.of_execution(stands.state, view.tally),
            owner=owner.name if owner else found.account_id,
            results=found.location,
            stores=[],
            image=view.image and self._said(found)(view.image),
            title=found.name,
        )

    def jobs(
        self, account: Account, id_: str, states: Sequence[ShownJobState], *, after: int, limit: int
    ) -> tuple[list[JobView], int | None]:
        """List some jobs of an execution, those with numbers above `after`; and the number after which the
        next ones come.
        """
        found = self._found(account, id_)
        some, following = self._app(found).jobs_page(found.execution_id, states, after=after, limit=limit)
        said = self._said(found)
        return [replace(one, message=said(one.message)) for one in some], following

    def job(self, account: Account, id_: str, number: int) -> JobView:
        """Show one job.

        Raises:
            NotFound: the execution has no such number.
        """
        found = self._found(account, id_)
        self._check_number(found, number)
        view = self._app(found).job_view(found.execution_id, number)
        return replace(view, message=self._said(found)(view.message))

    def history(self, account: Account, id_: str, number: int) -> JobHistory:
        """Tell what happened to a job."""
        found = self._found(account, id_)
        said = self._said(found)
        history = history_of(self._db, found.execution_id, self._job(found, number))
        events = [_event(one, said) for one in history.events]
        return JobHistory(events, [said(line) for line in history.summary], history.phases)

    def request(self, account: Account, id_: str) -> Launch:
        """Tell what was asked for: pipeline and values."""
        return self._found(account, id_)

    def log(self, account: Account, id_: str, number: int, stream: str, attempt: int, offset: int) -> bytes:
        """Read a piece of what an attempt of a job printed; nothing where there is no such attempt.

        Raises:
            NotFound: there is no such job.
        """
        found = self._found(account, id_)
        job = self._job(found, number)
        tries = self._app(found).tries(job)
        if attempt > len(tries):
            return b""
        return self._app(found).log(found.execution_id, job, tries[attempt - 1], stream, offset)

    def results(
        self, account: Account, id_: str, *, after: int, limit: int
    ) -> tuple[list[ProductView], int | None]:
        """List some results of an execution, and after which number the next ones come; None: no more."""
        found = self._found(account, id_)
        with self._db.read() as connection:
            some = products.page(connection, found.execution_id, after=after, limit=limit)
        seen = self._launches.visible(found)
        views = [of_product(one) for _, one in some]
        shown = [(one, shown_location(seen, self._tree.path_of(one.url), one.url)) for one in views]
        following = some[-1][0] if len(some) == limit else None
        return [replace(one, url=where) for one, where in shown if where is not None], following

    def check(
        self, account: Account, id_: str, *, deep: bool, after: int, limit: int
    ) -> tuple[list[CheckedView], int | None]:
        """Look whether some results of an execution are where they were put, and note what was found; also
        gives after which number the next ones come.
        """
        found = self._launches.find(account, id_, Action.CHANGE)
        some, following = self._app(found).check(found.execution_id, deep=deep, after=after, limit=limit)
        seen = self._launches.visible(found)
        shown = [(one, shown_location(seen, self._tree.path_of(one.url), one.url)) for one in some]
        return [replace(one, url=where) for one, where in shown if where is not None], following

    def cancel(self, account: Account, id_: str) -> bool:
        """Ask for the end of an execution; False when it is over already."""
        return self._launches.kill(account, id_)

    def pause(self, account: Account, id_: str) -> bool:
        """Start nothing new of an execution until it is resumed; False when it is over."""
        return self._launches.pause(account, id_)

    def resume(self, account: Account, id_: str) -> bool:
        """Let a paused execution go on; False when it is over."""
        return self._launches.resume(account, id_)

    def retry(self, account: Account, id_: str, states: Sequence[JobState], number: int | None) -> int:
        """Make finished jobs in these states ready again; returns how many."""
        return self._launches.restart(account, id_, states, number)

    def _found(self, account: Account, id_: str) -> Launch:
        return self._launches.find(account, id_, Action.READ)

    def _app(self, found: Launch) -> Application:
        return self._launches.application(found)

    def _check_number(self, found: Launch, number: int) -> None:
        if not 0 <= number <= _LARGEST:
            raise NotFound(f"no job {number} in execution {found.execution_id}")

    def _job(self, found: Launch, number: int) -> Job:
        self._check_number(found, number)
        return self._app(found).job(found.execution_id, number)

    def _trouble(self, account: Account, over: bool) -> str:
        """Why nothing moves: for administrators, since it tells of the machine."""
        return self._launches.trouble() if account.is_admin and not over else ""

    def _said(self, found: Launch) -> Said:
        virtual_paths = self._launches.virtual_paths(found)
        return lambda text: shown_message(text, virtual_paths)


def _event(one: Mapping[str, Any], said: Said) -> Mapping[str, Any]:
    return {**one, "detail": said(str(one["detail"])), "message": said(str(one["message"]))}
