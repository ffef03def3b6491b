"""Writing executions: everything that a submit leaves behind, or nothing of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from sqlalchemy.engine import Connection

from engine.app.data.destinations import destinations_of
from engine.app.data.uploads import ResultUploader, size_of, weight
from engine.app.planner import Plan, planned_jobs, results_of, validator
from engine.app.repeated import asks_the_same
from engine.clock import Clock
from engine.domain.execution import ExecutionState, Intent
from engine.domain.file_urls import to_path, to_url
from engine.errors import BadRequest, Unavailable
from engine.ids import ExecutionId, new_id
from engine.ports import Backend, Progress, Storage
from engine.settings.tree import Settings
from engine.store import descriptors, executions, jobs, plans, sources
from engine.store.database import Database
from engine.store.executions import Execution
from engine.store.jobs import NewJob
from engine.store.sources import ExecutionSource
from wrappers.containers.tree import remove

PAGE = 1000

UploadProgress = Callable[[int, int], Progress | None]
"""Told how many files and bytes of this machine are brought to a storage; gives what hears of each piece."""

Also = Callable[[Connection, Execution], None]
"""What is done in the commit that changes an execution: what it writes is there with the change, or not."""


class Submissions:
    """The step that makes executions of plans."""

    def __init__(
        self,
        settings: Settings,
        db: Database,
        backend: Callable[[str | None], Backend],
        storage: Callable[[str], Storage],
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._db = db
        self._backend = backend
        self._storage = storage
        self._clock = clock

    def write(
        self, planned: Plan, progress: UploadProgress | None = None, also: Also | None = None
    ) -> tuple[ExecutionId, bool]:
        """Write an execution with all its jobs; they may run from the commit that ends this.

        The second value tells whether it is new: a key that was used before gives the execution of then.

        Raises:
            BadRequest: some invocation is wrong, or the key was used for another request.
            Unavailable: the back-end takes no jobs now, or the results cannot be written.

        Whatever is raised, nothing is left behind.
        """
        key = planned.request.key
        if key and (earlier := self._by_key(key)):
            if earlier.state != ExecutionState.PLANNING:
                self._refuse_another(planned, earlier)
                return earlier.id, False
            self._remove(earlier.id)  # its planner died, or will find its plan gone and stop
        self._backend(planned.backend).check()
        new = self._new_execution(planned, key)
        directory = to_path(new.results)
        try:
            count = self._write_jobs(new, planned)
            _make_results_directory(directory)
            self._upload(new, progress)
            with self._db.write() as connection:
                plans.activate(connection, new.id, jobs=count, now=self._clock.now())
                if also is not None:
                    also(connection, new)
        except BaseException:
            self._remove(new.id)
            remove(directory / "inputs")
            with suppress(OSError):
                directory.rmdir()
            raise
        return new.id, True

    def _new_execution(self, planned: Plan, key: str | None) -> Execution:
        now = self._clock.now()
        id_ = planned.request.id or ExecutionId(new_id())
        results = to_url(results_of(planned.request, self._settings) / id_)
        home = "" if planned.needs_staging else results
        destinations = destinations_of(
            planned.request.stores,
            self._settings,
            self._storage,
            id_,
            home=home,
            spare=planned.request.spare,
        )
        planned.offer.require(destination.url for destination in destinations)
        new = Execution(
            id=id_,
            owner=self._settings.owner,
            name=executions.shown_name(planned.compiled.tool.name),
            key=key,
            descriptor_sha256=planned.descriptor.sha256,
            options=planned.options._replace(
                places=destinations,
                replicas=self._settings.data.replicas if destinations else 1,
                copies=list(planned.request.copies),
                registered=bool(destinations and self._settings.data.catalogue),
            ),
            backend=planned.backend,
            results=results,
            state=ExecutionState.PLANNING,
            intent=Intent.RUN,
            created_at=now,
        )
        with self._db.write() as connection:
            descriptors.store(
                connection,
                planned.descriptor.sha256,
                planned.descriptor.data,
                checked_by=validator(),
                now=now,
            )
            executions.create(connection, new)
        return new

    def _write_jobs(self, new: Execution, planned: Plan) -> int:
        page, count = list[tuple[NewJob, Sequence[ExecutionSource]]](), 0
        for job in planned_jobs(planned):
            page.append((job.new, job.sources))  # not its command line, which may be long
            if len(page) >= PAGE:
                count += self._write_page(new, page)
        count += self._write_page(new, page)
        if not count:
            raise BadRequest("there is no job to run: the invocations are empty")
        return count

    def _write_page(self, new: Execution, page: list[tuple[NewJob, Sequence[ExecutionSource]]]) -> int:
        with self._db.write() as connection:
            plans.touch(connection, new.id, now=self._clock.now())
            jobs.add(connection, new.id, [job for job, _ in page], now=self._clock.now())
            sources.add(connection, new.id, [source for _, files in page for source in files])
        written = len(page)
        page.clear()
        return written

    def _upload(self, new: Execution, progress: UploadProgress | None) -> None:
        """Bring local files to where jobs can read them, or to where they wait for the jobs with which they
        travel, after everything else was found to be right.
        """
        with self._db.read() as connection:
            wanted = sources.not_uploaded(connection, new.id)
        if not wanted:
            return
        upload_progress = progress(len(wanted), size_of(wanted)) if progress else None
        travel = weight(wanted) <= self._settings.data.travelling
        bringer = ResultUploader(
            self._settings, self._storage, upload_progress, new.results if travel else ""
        )
        for at in range(0, len(wanted), PAGE):
            found = bringer.upload_all(wanted[at : at + PAGE])
            with self._db.write() as connection:
                plans.touch(connection, new.id, now=self._clock.now())
                for one in found:
                    sources.brought(connection, new.id, one)

    def _remove(self, id_: ExecutionId) -> None:
        with self._db.write() as connection:
            plans.remove(connection, id_)

    def _refuse_another(self, planned: Plan, earlier: Execution) -> None:
        """Raise BadRequest when the execution of the key is of another request: its results would be taken
        for those of this one.
        """
        same = planned.descriptor.sha256 == earlier.descriptor_sha256
        if not (same and asks_the_same(planned.compiled.tool, planned.points, self._jobs(earlier.id))):
            raise BadRequest(
                f"key {earlier.key} was submitted before, as {earlier.id}, with another request",
                remedy="take another key",
            )

    def _jobs(self, id_: ExecutionId) -> Iterator[jobs.Job]:
        after = 0
        while True:
            with self._db.read() as connection:
                page = jobs.page(connection, id_, after=after, limit=PAGE)
            yield from page
            if len(page) < PAGE:
                return
            after = page[-1].number

    def _by_key(self, key: str) -> Execution | None:
        with self._db.read() as connection:
            return executions.by_key(connection, key)


def _make_results_directory(path: Path) -> None:
    try:
        path.mkdir(parents=True, mode=0o755)
    except OSError as error:
        raise Unavailable(
            f"cannot make the directory of results {path}: {error.strerror}",
            remedy="choose another with --results",
        ) from None
