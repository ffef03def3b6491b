"""The use cases of executions with the engine in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli import show
from engine.domain.job import JobState
from engine.domain.shown_states import ShownJobState
from engine.ids import ExecutionId
from engine.usecases import CheckedView, ExecutionView, JobHistory, JobView, Location, ProductView

if TYPE_CHECKING:
    from engine.app.submission import Also
    from engine.wiring import Engine


class InProcess:
    """`engine.usecases.Executions` in this process."""

    interval_s = 0.3
    goes_on = False

    def __init__(self, engine: Engine, leave: Callable[[], None]) -> None:
        """`leave` starts an engine in the background."""
        self._engine = engine
        self._app = engine.app
        self.leave = leave

    def resolve(self, text: str | None) -> str:
        """Find the id that a person means."""
        return self._app.resolve(text)

    def newest(self, *, limit: int, before: str | None = None) -> Sequence[ExecutionView]:
        """List executions, newest first."""
        return self._app.newest(limit=limit, before=before)

    def status(self, id_: str) -> ExecutionView:
        """Show how an execution stands."""
        return self._app.status(ExecutionId(id_))

    def jobs(self, id_: str, states: Sequence[ShownJobState] = ()) -> Iterator[JobView]:
        """List the jobs of an execution by number."""
        return self._app.jobs(ExecutionId(id_), states)

    def job(self, id_: str, number: int) -> JobView:
        """Show one job."""
        return self._app.job_view(ExecutionId(id_), number)

    def history(self, id_: str, number: int) -> JobHistory:
        """Tell what happened to a job, also what the back-end itself tells of it."""
        from engine.app.explain import history_of
        from engine.app.health.grid import backend_history

        ours, execution = self._engine, ExecutionId(id_)
        job = self._app.job(execution, number)
        history = history_of(ours.db, execution, job)
        there = backend_history(ours.db, ours.backends, self._app.execution(execution).backend, job)
        return JobHistory(history.events, [*history.summary, *there], history.phases)

    def log(self, id_: str, number: int, stream: str, attempt: int, offset: int) -> bytes:
        """Read a piece of what an attempt of a job printed."""
        job = self._app.job(ExecutionId(id_), number)
        tries = self._app.tries(job)
        if attempt > len(tries):
            return b""
        return self._app.log(ExecutionId(id_), job, tries[attempt - 1], stream, offset)

    def products(self, id_: str) -> Iterator[ProductView]:
        """List the results of an execution."""
        return self._app.products(ExecutionId(id_))

    def download(self, id_: str, into: Path) -> Iterator[ProductView]:
        """Bring the results of an execution into a directory."""
        return self._app.download(ExecutionId(id_), into)

    def check(self, id_: str, *, deep: bool) -> Iterator[CheckedView]:
        """Look whether the results of an execution are where they were put."""
        after: int | None = 0
        while after is not None:
            some, after = self._app.check(ExecutionId(id_), deep=deep, after=after)
            yield from some

    def location(self, view: ExecutionView) -> Location:
        """Say where the results of an execution are, and which storages that were wanted hold some."""
        from engine.domain.file_urls import to_path

        path = to_path(view.results)
        where = show.short(str(path))
        parts = {"outputs": "results", "provenance": "provenance", "logs": "logs"}
        there = [f"{what} in {where}/{part}" for part, what in parts.items() if (path / part).is_dir()]
        lines = [", ".join(there) or f"nothing is in {where}"]
        if view.stores and view.tally.get("succeeded"):
            lines += self._on_stores(view)
        return Location(where, lines)

    def _on_stores(self, view: ExecutionView) -> list[str]:
        if on := [url for url in view.stores if self._app.kept_on(ExecutionId(view.id), url)]:
            return [f"results on {', '.join(on)}; engine results {view.id} --download DIR brings them home"]
        return [
            f"no result could be kept on {', '.join(view.stores)}",
            f"engine results {view.id} shows where they are",
        ]

    def follow(self, id_: str, watch: Callable[[ExecutionView], None]) -> ExecutionView:
        """Run an execution to its end."""
        return self._engine.driver.follow(ExecutionId(id_), watch)

    def cancel(self, id_: str) -> bool:
        """Ask for the end of an execution."""
        from engine.app.portal.audited_actions import KILL

        return self._app.cancel(ExecutionId(id_), self._recorded(KILL))

    def pause(self, id_: str) -> bool:
        """Start nothing new of an execution until it is resumed."""
        from engine.app.portal.audited_actions import PAUSE

        return self._app.pause(ExecutionId(id_), self._recorded(PAUSE))

    def resume(self, id_: str) -> bool:
        """Let a paused execution go on."""
        from engine.app.portal.audited_actions import RESUME

        return self._app.resume(ExecutionId(id_), self._recorded(RESUME))

    def retry(self, id_: str, states: Sequence[JobState], number: int | None) -> int:
        """Make finished jobs in these states ready again."""
        from engine.app.portal.audited_actions import RESTART

        return self._app.retry(ExecutionId(id_), states, number, self._recorded(RESTART))

    def _recorded(self, action: str) -> Also:
        from engine.app.portal.audited_actions import local_actor, record_request

        return record_request(self._engine.trail, local_actor(), action)
