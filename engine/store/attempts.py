"""Attempts, as they are stored: what they are, and what is asked of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.domain.attempt import FINAL, AttemptState
from engine.domain.job import JobState
from engine.domain.shown_states import RUNNING_ATTEMPTS
from engine.ids import AttemptId, ExecutionId, JobId, SubmissionId
from engine.store.rows import from_row
from engine.store.schema import attempt, job, submission
from engine.store.statements import set_each, slices


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt, as it is stored."""

    id: AttemptId
    job_id: JobId
    submission_id: SubmissionId
    execution_id: ExecutionId
    ordinal: int
    state: AttemptState
    manifest_sha256: str
    failure: str
    quarantined: bool
    version: int
    created_at: float
    updated_at: float


def find(connection: Connection, id_: AttemptId) -> Attempt | None:
    """Find an attempt, if there is one of that id."""
    row = connection.execute(_select().where(attempt.c.id == id_)).first()
    return _from_row(row) if row else None


def of_job(connection: Connection, job_id: JobId) -> list[Attempt]:
    """Every try of a job, first to last."""
    query = _select().where(attempt.c.job_id == job_id).order_by(attempt.c.ordinal)
    return [_from_row(row) for row in connection.execute(query)]


def of_submissions(connection: Connection, ids: Sequence[SubmissionId]) -> dict[SubmissionId, list[Attempt]]:
    """List the attempts of these submissions, in the order of their manifests."""
    found: dict[SubmissionId, list[Attempt]] = {id_: [] for id_ in ids}
    for some in slices(ids):
        query = _select().where(attempt.c.submission_id.in_(some)).order_by(attempt.c.id)
        for row in connection.execute(query):
            found[row.submission_id].append(_from_row(row))
    return found


def unfinished(
    connection: Connection, execution_id: ExecutionId, backend: str, *, limit: int
) -> list[Attempt]:
    """List attempts of an execution that nobody has asked to end and that are not final."""
    decided = [*FINAL, AttemptState.CANCELLING, AttemptState.FINALISING, AttemptState.STRANDED]
    query = (
        _select()
        .where(
            submission.c.backend == backend,
            submission.c.live.is_(True),
            # An expression, so that SQLite takes the index of the few that are live.
            sa.func.coalesce(submission.c.execution_id, "") == execution_id,
            attempt.c.state.not_in(decided),
        )
        .order_by(attempt.c.id)
        .limit(limit)
    )
    return [_from_row(row) for row in connection.execute(query)]


def undelivered(connection: Connection, job_ids: Sequence[JobId]) -> list[Attempt]:
    """List attempts of these jobs whose results are on a storage that was gone."""
    query = _select().where(attempt.c.state == AttemptState.STRANDED)
    return [
        _from_row(row)
        for some in slices(job_ids)
        for row in connection.execute(query.where(attempt.c.job_id.in_(some)))
    ]


def any_undelivered(connection: Connection, execution_id: ExecutionId) -> bool:
    """Say whether an execution has results on a storage that was gone."""
    query = (
        sa.select(attempt.c.id)
        .join(submission, submission.c.id == attempt.c.submission_id)
        .where(submission.c.execution_id == execution_id, attempt.c.state == AttemptState.STRANDED)
    )
    return connection.execute(query.limit(1)).first() is not None


def undelivered_by_backend(connection: Connection, execution_id: ExecutionId) -> list[str]:
    """Find the back-ends' names of submissions that left results of an execution on such a storage."""
    query = (
        sa.select(submission.c.native_id)
        .join(attempt, attempt.c.submission_id == submission.c.id)
        .where(
            submission.c.execution_id == execution_id,
            submission.c.native_id.is_not(None),
            attempt.c.state == AttemptState.STRANDED,
        )
        .distinct()
    )
    return list(connection.execute(query).scalars())


def not_in(
    connection: Connection,
    execution_id: ExecutionId,
    states: Sequence[AttemptState],
    *,
    after: AttemptId | None,
    limit: int,
) -> list[tuple[AttemptId, int]]:
    """List attempts in none of these states, with the numbers of their jobs, a page at a time."""
    query = (
        sa.select(attempt.c.id, job.c.number)
        .join(job, job.c.id == attempt.c.job_id)
        .where(job.c.execution_id == execution_id, attempt.c.state.not_in(states))
        .order_by(attempt.c.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(attempt.c.id > after)
    return [(AttemptId(row.id), row.number) for row in connection.execute(query)]


def running_jobs(connection: Connection, job_ids: Iterable[JobId]) -> set[JobId]:
    """Find which of these jobs run."""
    return {
        job_id
        for some in slices(job_ids)
        for job_id in connection.execute(
            sa.select(attempt.c.job_id).where(
                attempt.c.job_id.in_(some), attempt.c.state.in_(RUNNING_ATTEMPTS)
            )
        ).scalars()
    }


def count_running(connection: Connection, execution_id: ExecutionId) -> int:
    """Return how many jobs of an execution run."""
    query = (
        sa.select(sa.func.count(sa.distinct(job.c.id)))
        .join(attempt, attempt.c.job_id == job.c.id)
        .where(
            job.c.execution_id == execution_id,
            job.c.state == JobState.ACTIVE,
            attempt.c.state.in_(RUNNING_ATTEMPTS),
        )
    )
    return int(connection.execute(query).scalar_one())


def failures_of(connection: Connection, job_ids: Sequence[JobId]) -> dict[tuple[JobId, str], int]:
    """Return how often each job failed in each class since the user last had it retried."""
    query = (
        sa.select(attempt.c.job_id, attempt.c.failure, sa.func.count())
        .join(job, job.c.id == attempt.c.job_id)
        .where(attempt.c.failure != "", attempt.c.ordinal > job.c.forgiven)
        .group_by(attempt.c.job_id, attempt.c.failure)
    )
    return {
        (job_id, failure): n
        for some in slices(job_ids)
        for job_id, failure, n in connection.execute(query.where(attempt.c.job_id.in_(some)))
    }


def report_of(connection: Connection, attempt_id: AttemptId) -> dict[str, Any] | None:
    """Read the verified report of an attempt."""
    text = report_text(connection, attempt_id)
    return json.loads(text) if text else None


def report_text(connection: Connection, attempt_id: AttemptId) -> str | None:
    """Read the verified report of an attempt, as it came."""
    return connection.execute(sa.select(attempt.c.report).where(attempt.c.id == attempt_id)).scalar()


def set_manifests(connection: Connection, hashes: Mapping[AttemptId, str]) -> None:
    """Note, before they are handed over, which manifest each attempt carries."""
    set_each(connection, attempt.c.manifest_sha256, hashes)


def _select() -> Any:
    return sa.select(
        attempt.c.id,
        attempt.c.job_id,
        attempt.c.submission_id,
        submission.c.execution_id,
        attempt.c.ordinal,
        attempt.c.state,
        attempt.c.manifest_sha256,
        attempt.c.failure,
        attempt.c.quarantined,
        attempt.c.version,
        attempt.c.created_at,
        attempt.c.updated_at,
    ).join(submission, submission.c.id == attempt.c.submission_id)


def _from_row(row: Any) -> Attempt:
    return from_row(Attempt, row, state=AttemptState(row.state))
