"""The engine as a program uses it: every use case is a method, with plain values on both sides."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.app import incomplete, pauses, views
from engine.clock import Clock
from engine.domain.attempt import AttemptEvent
from engine.domain.execution import Intent
from engine.domain.file_urls import to_path
from engine.domain.job import JobState
from engine.domain.shown_states import ShownJobState, stored_states
from engine.errors import BadRequest
from engine.ids import ExecutionId
from engine.ports import Backend, Catalogue, Identifying, Progress, Storage
from engine.reconcile import layout
from engine.reconcile.finish import finish_jobs
from engine.settings.tree import Settings
from engine.store import (
    alerts,
    attempts,
    events,
    executions,
    job_counts,
    jobs,
    launches,
    lifecycle,
    needs,
    products,
    replicas,
    submissions,
)
from engine.store.database import Database
from engine.store.events import Event
from engine.store.executions import Execution
from engine.store.jobs import Job, Move
from engine.usecases import CheckedView, ExecutionView, JobView, ProductView, newest_of, only

if TYPE_CHECKING:  # commands that only look at executions do without: a sixth of their time, measured
    from engine.app.planner import Plan
    from engine.app.requests import SubmitRequest
    from engine.app.submission import Also, Submissions, UploadProgress

PAGE = 1000
CHECKED = 100
"""Results that are looked for together."""
PIECE = 1 << 20
"""Bytes of a log that are read at a time."""


class Application:
    """The use cases of the engine, on one database."""

    def __init__(
        self,
        settings: Settings,
        db: Database,
        backends: Mapping[str, Backend],
        storage: Callable[[str], Storage],
        catalogues: Sequence[Catalogue],
        clock: Clock,
    ) -> None:
        self.settings = settings
        self._storage = storage
        self._catalogues = catalogues
        self._db = db
        self._backends = backends
        self._clock = clock

    @cached_property
    def _submissions(self) -> Submissions:
        from engine.app.submission import Submissions

        return Submissions(self.settings, self._db, self._backend, self._storage, self._clock)

    # --- submitting -------------------------------------------------------------------------------

    def plan(self, request: SubmitRequest) -> Plan:
        """Check a request as far as it goes without reading its invocations.

        Raises:
            BadRequest, Unavailable: see `engine.app.planner.plan`.
        """
        from engine.app.planner import plan

        can = self._backend(request.backend).capabilities
        return plan(request, self.settings, self._db, can, self._storage, self._catalogues)

    def dry_run(self, planned: Plan) -> Iterator[Mapping[str, Any]]:
        """Each job as it would run; nothing is written.

        Raises:
            BadRequest: after the last job, when any point was wrong.
        """
        from engine.app.planner import planned_jobs
        from engine.app.summary import job_summary

        for job in planned_jobs(planned):
            yield job_summary(planned, job, self.settings)

    def submit(
        self,
        planned: Plan,
        progress: UploadProgress | None = None,
        also: Also | None = None,
    ) -> tuple[ExecutionView, bool]:
        """Write an execution with all its jobs: see `engine.app.submission.Submissions.write`."""
        id_, fresh = self._submissions.write(planned, progress, also)
        return self.status(id_), fresh

    # --- asking -----------------------------------------------------------------------------------

    def resolve(self, text: str | None) -> ExecutionId:
        """Find the execution that a person means: an id, a unique beginning of one, or nothing for the
        newest.

        Raises:
            NotFound: there is none, or more than one.
        """
        with self._db.read() as connection:
            if not text:
                newest = executions.newest(connection, owner=self.settings.owner, limit=1)
                return ExecutionId(newest_of([one.id for one in newest]))
            return ExecutionId(only(executions.starting_with(connection, text.upper()), text))

    def status(self, id_: ExecutionId, trouble: str = "") -> ExecutionView:
        """One execution."""
        with self._db.read() as connection:
            found = executions.get(connection, id_)
            if not found.state.is_final:
                if found.backend not in self._backends:
                    trouble = f"back-end {found.backend} is not in the settings: it goes on once it is there"
                trouble = trouble or alerts.alert_of(connection, found.backend)
                trouble = trouble or alerts.alert_of(connection, id_)
            counts, running = job_counts.with_running(connection, id_)
            held = pauses.reason(connection, found)
            lines = incomplete.sentences(connection, id_)
            dataset = events.dataset(connection, id_) if found.state.is_final else ("", "")
            return views.of_execution(found, counts, running, trouble, lines, held, dataset)

    def newest(self, *, limit: int = 50, before: str | None = None) -> list[ExecutionView]:
        """List executions, newest first."""
        with self._db.read() as connection:
            found = executions.newest(connection, limit=limit, before=before)
            return [views.of_execution(e, *job_counts.with_running(connection, e.id)) for e in found]

    def jobs(self, id_: ExecutionId, states: Sequence[ShownJobState] = ()) -> Iterator[JobView]:
        """Yield the jobs of an execution, read a page at a time."""
        after: int | None = 0
        while after is not None:
            page, after = self.jobs_page(id_, states, after=after, limit=PAGE)
            yield from page

    def jobs_page(
        self, id_: ExecutionId, states: Sequence[ShownJobState], *, after: int, limit: int
    ) -> tuple[list[JobView], int | None]:
        """List some jobs of an execution, those with numbers above `after`; and the number after which the
        next ones come. There may be less than `limit` before that.
        """
        with self._db.read() as connection:
            stored = stored_states(states)
            page = jobs.page(connection, id_, states=stored, after=after, limit=limit)
            running = attempts.running_jobs(connection, [j.id for j in page if j.state == JobState.ACTIVE])
        shown = [views.of_job(one, runs=one.id in running) for one in page]
        wanted = [one for one in shown if not states or one.state in states]
        return wanted, page[-1].number if len(page) == limit else None

    def job_view(self, id_: ExecutionId, number: int) -> JobView:
        """Show one job.

        Raises:
            NotFound: the execution has no such number.
        """
        with self._db.read() as connection:
            found = jobs.numbered(connection, id_, number)
            return views.of_job(found, runs=bool(attempts.running_jobs(connection, [found.id])))

    def job(self, id_: ExecutionId, number: int) -> Job:
        """One job.

        Raises:
            NotFound: the execution has no such number.
        """
        with self._db.read() as connection:
            return jobs.numbered(connection, id_, number)

    def products(self, id_: ExecutionId) -> Iterator[ProductView]:
        """Yield the results of an execution, read a page at a time."""
        after = 0
        while True:
            with self._db.read() as connection:
                page = products.page(connection, id_, after=after, limit=PAGE)
            yield from (views.of_product(product) for _, product in page)
            if len(page) < PAGE:
                return
            after = page[-1][0]

    def download(
        self, id_: ExecutionId, into: Path, progress: Progress | None = None
    ) -> Iterator[ProductView]:
        """Bring the results of an execution into a directory; gives each when it is there.

        Raises:
            EngineError: one could not be had; the others were brought.
        """
        with self._db.read() as connection:
            copies = replicas.of_execution(connection, id_)
        from engine.app.data.download import Downloads

        downloads = Downloads(self._storage, copies, into, progress)
        return downloads.download_all(self.products(id_), self.settings.data.parallel)

    def check(
        self, id_: ExecutionId, *, deep: bool, after: int = 0, limit: int = CHECKED
    ) -> tuple[list[CheckedView], int | None]:
        """Look whether some results of an execution are where they were put: see `engine.app.data.check`."""
        from engine.app.data.check import check

        parallel = self.settings.data.parallel
        return check(self._db, self._storage, id_, deep=deep, parallel=parallel, after=after, limit=limit)

    def execution(self, id_: ExecutionId) -> Execution:
        """Read the stored execution."""
        with self._db.read() as connection:
            return executions.get(connection, id_)

    def tries(self, job: Job) -> list[attempts.Attempt]:
        """Every try of a job."""
        with self._db.read() as connection:
            return attempts.of_job(connection, job.id)

    def log(self, id_: ExecutionId, job: Job, attempt: attempts.Attempt, stream: str, offset: int) -> bytes:
        """Read a piece of what an attempt printed, from `offset` on: from the results, or where it runs."""
        execution = self.execution(id_)
        path = to_path(layout.log_url(execution, job.number, attempt.ordinal, stream))
        if path.exists():
            with path.open("rb") as file:
                file.seek(offset)
                return file.read(PIECE)
        with self._db.read() as connection:
            native_id = submissions.native_id(connection, attempt.submission_id)
        if native_id is None:
            return b""
        return self._backend(execution.backend).log(native_id, f"{attempt.id}.{stream}", offset)

    # --- wishing ----------------------------------------------------------------------------------

    def cancel(self, id_: ExecutionId, also: Also | None = None) -> bool:
        """Ask for the end of an execution; False when it is over already. `also`: done in the same commit."""
        with self._db.write() as connection:
            execution = executions.get(connection, id_, lock=True)  # it must not end meanwhile
            if execution.state.is_final:
                return False
            executions.set_intent(connection, id_, Intent.CANCEL, now=self._clock.now())
            if also is not None:
                also(connection, execution)
        return True

    def pause(self, id_: ExecutionId, also: Also | None = None) -> bool:
        """Start nothing new of an execution until it is resumed; False when it is over. What its back-end
        has accepted goes on. `also`: done in the same commit.

        Raises:
            BadRequest: it is being cancelled.
        """
        return self._set_paused(id_, True, also)

    def resume(self, id_: ExecutionId, also: Also | None = None) -> bool:
        """Let a paused execution go on, or wait for its turn; False when it is over. `also`: done in the same
        commit.

        Raises:
            BadRequest: it is being cancelled.
        """
        return self._set_paused(id_, False, also)

    def _set_paused(self, id_: ExecutionId, paused: bool, also: Also | None) -> bool:
        with self._db.write() as connection:
            execution = executions.get(connection, id_, lock=True)  # it must not end meanwhile
            if execution.state.is_final:
                return False
            if execution.intent == Intent.CANCEL:
                raise BadRequest(
                    f"execution {id_} is being cancelled",
                    remedy="wait for its end; engine retry runs what was cancelled",
                )
            resumed = Intent.WAIT if launches.waits(connection, id_) else Intent.RUN
            intent = Intent.PAUSE if paused else resumed
            if intent != execution.intent:
                executions.set_intent(connection, id_, intent, now=self._clock.now())
                if also is not None:
                    also(connection, execution)
        return True

    def cancel_job(self, id_: ExecutionId, number: int, also: Also | None = None) -> bool:
        """Ask for the end of one job; False when it is over already. `also`: done in the same commit.

        Jobs that the back-end runs as one with it end too, and are tried again.
        """
        now = self._clock.now()
        with self._db.write() as connection:
            execution = executions.get(connection, id_, lock=True)  # it must not end meanwhile
            job = jobs.numbered(connection, id_, number)
            if job.state.is_final:
                return False
            if job.state == JobState.ACTIVE:
                busy = [a for a in attempts.of_job(connection, job.id) if not a.state.at_rest]
                notices = [lifecycle.EventNotice(a, AttemptEvent.CANCEL_REQUESTED) for a in busy]
                finish_jobs(connection, lifecycle.apply_events(connection, notices, now=now), now=now)
            else:
                jobs.move(connection, [Move(job, JobState.CANCELLED, message="cancelled")], now=now)
                event = Event(id_, now, "cancelled", job.id, None, job.state, JobState.CANCELLED)
                events.append(connection, [event])
            if also is not None:
                also(connection, execution)
        return True

    def retry(
        self,
        id_: ExecutionId,
        states: Sequence[JobState],
        number: int | None = None,
        also: Also | None = None,
    ) -> int:
        """Make finished jobs ready again; returns how many. What succeeded is never run again.

        Jobs that were skipped wait again for those that are tried again. `also`: done in the commit of the
        first of them, and in any other that opens the execution again.

        Raises:
            BadRequest: the execution still runs and is being cancelled.
        """
        now, count, after = self._clock.now(), 0, 0
        wanted = [*states, JobState.SKIPPED]
        while True:
            with self._db.write() as connection:
                current = executions.get(connection, id_, lock=True)  # it must not end meanwhile
                if current.intent == Intent.CANCEL and not current.state.is_final:
                    raise BadRequest(
                        f"execution {id_} is being cancelled", remedy="wait for its end, then retry"
                    )
                page = jobs.page(connection, id_, states=wanted, after=after, limit=PAGE)
                if not page:
                    break
                after = page[-1].number
                moves = [Move(j, _start_of(j), forgive=True) for j in page if number in (None, j.number)]
                jobs.move(connection, moves, now=now)
                needs.count_anew(connection, id_)
                retried = [Event(id_, now, "retried", m.job.id, None, m.job.state, m.to) for m in moves]
                events.append(connection, retried)
                if moves:
                    executions.reopen(connection, current, now=now)
                if moves and also is not None and (not count or current.state.is_final):
                    also(connection, current)
                count += len(moves)
        return count

    def kept_on(self, id_: ExecutionId, url: str) -> int:
        """Count the results of an execution that lie below a URL."""
        with self._db.read() as connection:
            return products.count_below(connection, id_, url)

    def now(self) -> float:
        """Return the time, in seconds since 1970-01-01 UTC."""
        return self._clock.now()

    def wait(self, seconds: float) -> None:
        """Wait; not at all when that is over already."""
        if seconds > 0:
            self._clock.sleep(seconds)

    def url_of_id(self, url: str, text: str) -> str | None:
        """Find the URL of what a text names by an id at the storage of a URL; None when it is no id there.

        Raises:
            NotFound, BadRequest, Unavailable: see `engine.ports.Identifying`.
        """
        storage = self._storage(url)
        return (
            storage.url_of_id(url, text) if isinstance(storage, Identifying) and storage.is_id(text) else None
        )

    def needs_staging(self, backend: str | None = None) -> bool:
        """Say whether files must be brought to where the jobs of a back-end run."""
        return self._backend(backend).capabilities.needs_staging

    def runs_here(self, backend: str | None = None) -> bool:
        """Say whether jobs of a back-end run on this machine, under the engine's account."""
        return self._backend(backend).capabilities.on_this_machine

    def _backend(self, name: str | None) -> Backend:
        wanted = name or self.settings.backend
        try:
            return self._backends[wanted]
        except KeyError:
            raise BadRequest(
                f"no back-end {wanted}", remedy=f"there is {', '.join(sorted(self._backends))}"
            ) from None


def _start_of(job: Job) -> JobState:
    """Return where a job that is tried again begins: it waits again for what is tried again before it."""
    return JobState.BLOCKED if job.waits else JobState.READY
