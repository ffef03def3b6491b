"""Executions as CARMIN tells them: VIP's keys, all of them, null where there is nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from engine.api.carmin.models import ExecutionModel, JobModel, ResultProperties
from engine.app.portal.carmin import CarminError, Code, execution_status, job_status
from engine.app.portal.launches import Launches, Result
from engine.app.portal.tree import FileTree
from engine.domain.execution import ExecutionState
from engine.domain.job import JobState
from engine.errors import NotFound
from engine.store.launches import Launch, LaunchRow
from engine.store.status_queries import JobStatusRow, StatusSummary

MANY = 1000
"""Jobs, and results in `returnedFiles`, that are told one by one; `results` has them all."""
_TOGETHER = 8


class CarminExecutions:
    """Executions in CARMIN's terms."""

    def __init__(self, launches: Launches, tree: FileTree) -> None:
        self._launches = launches
        self._tree = tree

    def listed(self, one: LaunchRow) -> ExecutionModel:
        """Make a line of a list."""
        return _model(one.launch, one.state, one.created_at, one.ended_at)

    def summary(self, found: Launch) -> ExecutionModel:
        """Return how it stands."""
        return _summary(found, *self._launches.status(found, MANY))

    def outline(self, found: Launch) -> ExecutionModel:
        """Return how it stands, and which values it was given, but none of them: Shanoir's service account
        asks for the whole, and looks for its inputs.
        """
        view = self.summary(found)
        view.inputValues = dict.fromkeys(found.inputs, "")
        return view

    def whole(self, found: Launch) -> ExecutionModel:
        """All that is known."""
        stands, lines = self._launches.status(found, MANY)
        view = _summary(found, stands, lines)
        view.inputValues = dict(found.inputs)
        view.resultsLocation = found.location
        if JobState.SUCCEEDED in stands.counts:
            view.returnedFiles = self._launches.returned(found, MANY) or None
        return view

    def jobs(self, found: Launch) -> int:
        """Return how many jobs it has."""
        return self._launches.application(found).execution(found.execution_id).jobs

    def is_over(self, found: Launch) -> bool:
        """Say whether it has ended."""
        return self._launches.application(found).execution(found.execution_id).state.is_final

    def results(self, found: Launch, limit: int | None = None) -> list[ResultProperties]:
        """Every result, or the first ones."""
        with ThreadPoolExecutor(_TOGETHER) as pool:  # a storage is asked for each
            some = islice(self._launches.results(found), limit)
            return list(pool.map(lambda one: self._result(one, found), some))

    def log(self, found: Launch, number: int, stream: str) -> Iterator[bytes]:
        """Read what the last attempt of a job wrote; jobs are counted from 0.

        Raises:
            Refused: there is no such job.
        """
        app = self._launches.application(found)
        try:
            job = app.job(found.execution_id, number + 1)
        except (NotFound, OverflowError):
            raise CarminError(Code.GENERIC, f"this execution has no job {number}") from None
        tries = app.tries(job)

        def pieces() -> Iterator[bytes]:
            offset = 0
            while tries and (piece := app.log(found.execution_id, job, tries[-1], stream, offset)):
                offset += len(piece)
                yield piece

        return pieces()

    def _result(self, one: Result, found: Launch) -> ResultProperties:
        exists, modified = True, 0.0
        if one.stored is not None:
            try:
                modified = self._tree.item(one.stored).modified
            except OSError:
                exists = False
        return ResultProperties(
            path=one.path,
            platformPath=one.path,
            lastModificationDate=int(modified),
            isDirectory=one.product.directory and not one.product.packed,
            exists=exists,
            size=one.product.size,
            executionId=found.execution_id,
            mimeType="application/octet-stream",
            name=one.name,
        )


def _summary(found: Launch, stands: StatusSummary, lines: Sequence[JobStatusRow]) -> ExecutionModel:
    view = _model(found, stands.state, stands.created_at, stands.ended_at)
    summary: dict[str, int] = {}
    for state, count in stands.counts.items():
        summary[job_status(state)] = summary.get(job_status(state), 0) + count
    view.jobsSummary = summary
    if stands.jobs <= MANY:
        view.jobs = {str(one.number - 1): _job(one) for one in lines}
    return view


def _model(launch: Launch, state: ExecutionState, created: float, ended: float | None) -> ExecutionModel:
    return ExecutionModel(
        identifier=launch.execution_id,
        name=launch.name,
        pipelineIdentifier=launch.pipeline,
        timeout=0,
        status=execution_status(state),
        inputValues=None,
        returnedFiles=None,
        studyIdentifier=launch.study or None,
        errorCode=None,
        startDate=int(created * 1000),
        endDate=int(ended * 1000) if ended else None,
        resultsLocation=None,
        jobs=None,
    )


def _job(one: JobStatusRow) -> JobModel:
    return JobModel(
        status=job_status(one.state), exitCode=one.exit_code, exitMessage=one.message or one.failure or None
    )
