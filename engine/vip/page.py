"""What the portal sees of one execution: its tables and files, and what of them is still to be written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.domain.execution import Intent
from engine.domain.job import JobState
from engine.ids import ExecutionId, JobId
from engine.planning.vip_keys import RESULTS_DIRECTORY
from engine.store import descriptors, driven, job_counts, jobs, products
from engine.store.database import Database
from engine.store.driven import Try
from engine.store.executions import Execution
from engine.store.jobs import Job
from engine.store.launches import Launch
from engine.vip import rows, sums
from engine.vip.columns import shown
from engine.vip.files import WorkflowFiles
from engine.vip.h2 import Databases
from engine.vip.states import OF_EXECUTION
from engine.vip.workflowsdb import CLEANED, WorkflowsDb

_PAGE = 1000
H2, DATABASE, FILES = "H2", "workflowsdb", "files"
TARGETS = (FILES, H2, DATABASE)
"""What is written, in order: each may be away by itself."""

Written = Sequence[tuple[Job, Sequence[Try]]]


class WorkflowPage:
    """The page of one execution."""

    def __init__(self, db: Database, id_: ExecutionId) -> None:
        self._db = db
        self.id = id_
        self.dirty: dict[str, set[JobId] | None] = dict.fromkeys(TARGETS)
        """Target -> the jobs that are to be written there, None is all; without an entry it is up to date."""
        self.begun = False
        """Whether its database was written by this process."""
        self.not_before = 0.0
        self._laid = False
        self._listed = False
        self._product = 0

    def changed(self, job_ids: set[JobId] | None) -> None:
        """Note that jobs have changed; None: any may have."""
        for target in TARGETS:
            earlier = self.dirty.get(target, set())
            self.dirty[target] = None if job_ids is None or earlier is None else earlier | job_ids

    def write_files(self, files: WorkflowFiles, execution: Execution, launch: Launch) -> None:
        """Bring the files up to date."""
        if not self._laid:
            files.begin(execution, launch)
            self._laid = True
        for written in self._pages(FILES):
            for job, tries in written:
                files.put(execution, launch, job, tries)

    def write_h2(self, databases: Databases, execution: Execution, launch: Launch) -> None:
        """Bring the database of the execution up to date."""
        found = databases.of(execution.id)
        for written in self._pages(H2):
            found.write(one for job, tries in written for one in rows.of_job(execution, launch, job, tries))
        self.begun = True

    def write_database(self, database: WorkflowsDb, execution: Execution, launch: Launch) -> None:
        """Bring `workflowsdb` up to date."""
        if not self._listed:
            database.put_inputs(execution.id, list(self._inputs(execution, launch)))
            self._listed = True
        with self._db.read() as connection:
            tally = job_counts.of(connection, execution.id)
        completed = tally[JobState.SUCCEEDED]
        final = sum(count for state, count in tally.items() if state.is_final)
        queued, failed = sum(tally.values()) - final, final - completed
        database.progress(execution.id, launch.name, completed=completed, queued=queued, failed=failed)
        self._write_outputs(database)
        if execution.state.is_final:
            tries = (one for pages in self._every() for _, each in pages for one in each)
            database.put_stats(execution.id, sums.of_tries(tries))

    def finish(self, database: WorkflowsDb, execution: Execution) -> bool:
        """Write the end of an execution into its row; True when nothing is left to be done."""
        found = database.workflow(execution.id)
        over = execution.state.is_final
        if found is None:
            return False
        if over and found.status == CLEANED:
            return True
        status = OF_EXECUTION[execution.state]
        if over and (found.status != status or not found.finished):
            database.put_end(execution.id, status, execution.ended_at)
            return False  # the portal may write the whole row at this moment: it is looked at again
        if not over and execution.intent is not Intent.CANCEL and found.finished:
            database.put_end(execution.id, status, None)  # it runs again
        return over

    def _write_outputs(self, database: WorkflowsDb) -> None:
        while True:
            with self._db.read() as connection:
                page = products.page(connection, self.id, after=self._product, limit=_PAGE)
            database.put_outputs(self.id, [(one.output_id, rows.path(one.url)) for _, one in page])
            if page:
                self._product = page[-1][0]
            if len(page) < _PAGE:
                return

    def _inputs(self, execution: Execution, launch: Launch) -> Iterator[tuple[str, str, bool]]:
        with self._db.read() as connection:
            descriptor = descriptors.data(connection, execution.descriptor_sha256)
        kinds = {one.get("id"): one.get("type") for one in descriptor.get("inputs", ())}
        for name, value in launch.inputs.items():
            for one in value if isinstance(value, list) else [value]:
                yield name, shown(one if isinstance(one, str) else str(one)), kinds.get(name) == "File"
        if launch.location:
            yield RESULTS_DIRECTORY, shown(launch.location), True

    def _pages(self, target: str) -> Iterator[Written]:
        """Yield the jobs that are to be written to a target, with their attempts."""
        ids = self.dirty.get(target, set())
        if ids is None:
            yield from self._every()
            return
        wanted = sorted(ids)
        for at in range(0, len(wanted), _PAGE):
            with self._db.read() as connection:
                found = list(jobs.by_ids(connection, wanted[at : at + _PAGE]).values())
                tries = driven.tries(connection, [job.id for job in found])
            yield [(job, tries[job.id]) for job in found]

    def _every(self) -> Iterator[Written]:
        after = 0
        while True:
            with self._db.read() as connection:
                found = jobs.page(connection, self.id, after=after, limit=_PAGE)
                tries = driven.tries(connection, [job.id for job in found])
            if not found:
                return
            yield [(job, tries[job.id]) for job in found]
            after = found[-1].number
