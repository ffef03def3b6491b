"""Attempts and the submissions that hold them. `tell` is the one way in which an attempt moves."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.domain.attempt import FINAL, AttemptState, Effect, News, Step, advance
from engine.errors import IllegalTransition, LostRace
from engine.ids import AttemptId, ExecutionId, JobId, SubmissionId
from engine.store import events, outbox
from engine.store.schema import attempt, job, submission
from engine.store.statements import slices


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


@dataclass(frozen=True, slots=True)
class NewAttempt:
    """An attempt to be prepared."""

    id: AttemptId
    job_id: JobId
    submission_id: SubmissionId
    execution_id: ExecutionId
    ordinal: int


@dataclass(frozen=True, slots=True)
class Live:
    """A submission that the back-end may know something about."""

    id: SubmissionId
    execution_id: ExecutionId
    native_id: str | None
    detail: str
    unknown_since: float | None


@dataclass(frozen=True, slots=True)
class Word:
    """One piece of news for one attempt."""

    attempt: Attempt
    news: News
    detail: str = ""
    failure: str = ""
    report: str | None = None


def prepare(connection: Connection, backend: str, new: Sequence[NewAttempt], *, now: float) -> None:
    """Write attempts with their submissions, and ask for these to be submitted."""
    if not new:
        return
    holders = {a.submission_id: a.execution_id for a in new}
    connection.execute(
        sa.insert(submission),
        [
            {"id": id_, "execution_id": execution_id, "backend": backend, "live": True, "created_at": now}
            for id_, execution_id in holders.items()
        ],
    )
    to = advance(AttemptState.PREPARED, News.SUBMIT_REQUESTED).to
    connection.execute(
        sa.insert(attempt),
        [
            {
                "id": a.id,
                "job_id": a.job_id,
                "submission_id": a.submission_id,
                "ordinal": a.ordinal,
                "state": to,
                "created_at": now,
                "updated_at": now,
            }
            for a in new
        ],
    )
    outbox.put(connection, Effect.SUBMIT, list(holders), now=now)
    events.append(
        connection,
        [
            events.Event(
                a.execution_id,
                now,
                News.SUBMIT_REQUESTED,
                a.job_id,
                a.id,
                AttemptState.PREPARED,
                to,
                backend,
            )
            for a in new
        ],
    )


def live(connection: Connection, backend: str, *, after: str = "", limit: int = 1000) -> list[Live]:
    """Submissions that were accepted and have not ended, a page at a time."""
    query = (
        sa.select(submission)
        .where(
            submission.c.backend == backend,
            submission.c.live.is_(True),
            submission.c.native_id.is_not(None),
            submission.c.id > after,
        )
        .order_by(submission.c.id)
        .limit(limit)
    )
    return [
        Live(r.id, r.execution_id, r.native_id, r.detail, r.unknown_since) for r in connection.execute(query)
    ]


def in_flight(connection: Connection, backend: str) -> int:
    """How many submissions are on their way to, in, or on their way back from a back-end."""
    query = sa.select(sa.func.count()).where(submission.c.backend == backend, submission.c.live.is_(True))
    return int(connection.execute(query).scalar_one())


def of_submissions(connection: Connection, ids: Sequence[SubmissionId]) -> dict[SubmissionId, list[Attempt]]:
    """The attempts of these submissions, in the order of their manifests."""
    found: dict[SubmissionId, list[Attempt]] = {id_: [] for id_ in ids}
    for some in slices(ids):
        query = _select().where(attempt.c.submission_id.in_(some)).order_by(attempt.c.id)
        for row in connection.execute(query):
            found[row.submission_id].append(_from_row(row))
    return found


def find(connection: Connection, id_: AttemptId) -> Attempt | None:
    """An attempt, if there is one of that id."""
    row = connection.execute(_select().where(attempt.c.id == id_)).first()
    return _from_row(row) if row else None


def of_job(connection: Connection, job_id: JobId) -> list[Attempt]:
    """Every try of a job, first to last."""
    query = _select().where(attempt.c.job_id == job_id).order_by(attempt.c.ordinal)
    return [_from_row(row) for row in connection.execute(query)]


def stranded(connection: Connection, job_ids: Sequence[JobId]) -> list[Attempt]:
    """Attempts of these jobs whose results are on a storage that was gone."""
    query = _select().where(attempt.c.state == AttemptState.STRANDED)
    return [
        _from_row(row)
        for some in slices(job_ids)
        for row in connection.execute(query.where(attempt.c.job_id.in_(some)))
    ]


def any_stranded(connection: Connection, execution_id: ExecutionId) -> bool:
    """Whether an execution has results on a storage that was gone."""
    query = (
        sa.select(attempt.c.id)
        .join(submission, submission.c.id == attempt.c.submission_id)
        .where(submission.c.execution_id == execution_id, attempt.c.state == AttemptState.STRANDED)
    )
    return connection.execute(query.limit(1)).first() is not None


def report_of(connection: Connection, attempt_id: AttemptId) -> dict[str, Any] | None:
    """The verified report of an attempt."""
    text = report_text(connection, attempt_id)
    return json.loads(text) if text else None


def report_text(connection: Connection, attempt_id: AttemptId) -> str | None:
    """The verified report of an attempt, as it came."""
    return connection.execute(sa.select(attempt.c.report).where(attempt.c.id == attempt_id)).scalar()


def native_id(connection: Connection, submission_id: SubmissionId) -> str | None:
    """Under which name the place knows a submission."""
    return connection.execute(
        sa.select(submission.c.native_id).where(submission.c.id == submission_id)
    ).scalar()


def unfinished(
    connection: Connection, execution_id: ExecutionId, backend: str, *, limit: int
) -> list[Attempt]:
    """Attempts of an execution that nobody has asked to end and that are not final."""
    settled = [*FINAL, AttemptState.CANCELLING, AttemptState.FINALISING, AttemptState.STRANDED]
    query = (
        _select()
        .where(
            submission.c.backend == backend,
            submission.c.live.is_(True),
            # An expression, so that SQLite takes the index of the few that are live.
            sa.func.coalesce(submission.c.execution_id, "") == execution_id,
            attempt.c.state.not_in(settled),
        )
        .order_by(attempt.c.id)
        .limit(limit)
    )
    return [_from_row(row) for row in connection.execute(query)]


def failures_of(connection: Connection, job_ids: Sequence[JobId]) -> dict[tuple[JobId, str], int]:
    """How often each job failed in each class since the user last had it retried."""
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


def set_manifests(connection: Connection, hashes: Mapping[AttemptId, str]) -> None:
    """Note, before they are handed over, which orders each attempt carries."""
    _set_each(connection, attempt.c.manifest_sha256, hashes)


def set_native_ids(connection: Connection, ids: Mapping[SubmissionId, str]) -> None:
    """Note under which names the place knows these submissions."""
    _set_each(connection, submission.c.native_id, ids)


def set_detail(connection: Connection, details: Mapping[SubmissionId, str]) -> None:
    """Note the place's own words."""
    _set_each(connection, submission.c.detail, details)


def _set_each(connection: Connection, column: sa.Column[Any], values: Mapping[Any, str]) -> None:
    """Give the rows of these ids a value each."""
    if values:
        table = column.table
        connection.execute(
            sa.update(table)
            .where(table.c.id == sa.bindparam("b_id"))
            .values({column.name: sa.bindparam("b_value")}),
            [{"b_id": id_, "b_value": value} for id_, value in values.items()],
        )


def set_unknown_since(connection: Connection, ids: Sequence[SubmissionId], since: float | None) -> None:
    """Note when the place first did not know them; None when it does."""
    if ids:
        connection.execute(
            sa.update(submission).where(submission.c.id.in_(list(ids))).values(unknown_since=since)
        )


def tell(connection: Connection, words: Sequence[Word], *, now: float) -> list[Word]:
    """Apply news: new states, events and effects, all in the caller's transaction.

    News that contradicts an attempt's state quarantines that attempt and nothing else. Returns the words
    that brought an attempt to rest.

    Raises:
        LostRace: an attempt changed since it was read; the caller's transaction must end.
    """
    steps: list[tuple[Word, Step]] = []
    strange: list[Word] = []
    for word in words:
        try:
            step = advance(word.attempt.state, word.news)
        except IllegalTransition:
            strange.append(word)
        else:
            if step.to != word.attempt.state or step.effects:
                steps.append((word, step))
    _write(connection, steps, now=now)
    _quarantine(connection, strange, now=now)
    _end_submissions(connection, [w.attempt.submission_id for w, s in steps if s.to.at_rest])
    _revive(connection, [w.attempt.submission_id for w, s in steps if w.news == News.TAKEN_UP])
    for effect in (Effect.SUBMIT, Effect.COLLECT, Effect.CANCEL, Effect.FORGET):
        outbox.put(
            connection, effect, [w.attempt.submission_id for w, s in steps if effect in s.effects], now=now
        )
    return [w for w, s in steps if s.to.at_rest and not w.attempt.state.at_rest]


def _write(connection: Connection, steps: Sequence[tuple[Word, Step]], *, now: float) -> None:
    if not steps:
        return
    statement = (
        sa.update(attempt)
        .where(attempt.c.id == sa.bindparam("b_id"), attempt.c.version == sa.bindparam("b_version"))
        .values(
            state=sa.bindparam("b_state"),
            version=attempt.c.version + 1,
            updated_at=now,
            failure=sa.bindparam("b_failure"),
            report=sa.func.coalesce(sa.bindparam("b_report", type_=sa.Text), attempt.c.report),
        )
    )
    rows = [
        {
            "b_id": w.attempt.id,
            "b_version": w.attempt.version,
            "b_state": s.to,
            "b_failure": "" if w.news == News.TAKEN_UP else w.failure or w.attempt.failure,
            "b_report": w.report,
        }
        for w, s in steps
    ]
    if connection.execute(statement, rows).rowcount != len(rows):
        raise LostRace("an attempt changed while news of it was written")
    events.append(
        connection,
        [
            events.Event(
                w.attempt.execution_id,
                now,
                w.news,
                w.attempt.job_id,
                w.attempt.id,
                w.attempt.state,
                s.to,
                w.detail,
            )
            for w, s in steps
        ],
    )


def _quarantine(connection: Connection, strange: Sequence[Word], *, now: float) -> None:
    if not strange:
        return
    for some in slices(w.attempt.id for w in strange):
        connection.execute(
            sa.update(attempt).where(attempt.c.id.in_(some)).values(quarantined=True, updated_at=now)
        )
    events.append(
        connection,
        [
            events.Event(
                w.attempt.execution_id,
                now,
                "quarantined",
                w.attempt.job_id,
                w.attempt.id,
                w.attempt.state,
                w.attempt.state,
                f"{w.news} cannot be: {w.detail}".rstrip(": "),
            )
            for w in strange
        ],
    )


def _end_submissions(connection: Connection, ids: Sequence[SubmissionId]) -> None:
    """A submission lives until the last of its attempts has come to rest."""
    rest = [state for state in AttemptState if state.at_rest]
    for some in slices(ids):
        still = sa.exists().where(attempt.c.submission_id == submission.c.id, attempt.c.state.not_in(rest))
        connection.execute(sa.update(submission).where(submission.c.id.in_(some), ~still).values(live=False))
        query = sa.select(submission.c.id).where(submission.c.id.in_(some), submission.c.live.is_(False))
        over = list(connection.execute(query).scalars())
        for effect in (Effect.SUBMIT, Effect.CANCEL, Effect.COLLECT):
            outbox.done(connection, effect, over)


def _revive(connection: Connection, ids: Sequence[SubmissionId]) -> None:
    """What an attempt left there is wanted again."""
    for some in slices(ids):
        connection.execute(sa.update(submission).where(submission.c.id.in_(some)).values(live=True))


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
    return Attempt(
        id=row.id,
        job_id=row.job_id,
        submission_id=row.submission_id,
        execution_id=row.execution_id,
        ordinal=row.ordinal,
        state=AttemptState(row.state),
        manifest_sha256=row.manifest_sha256,
        failure=row.failure,
        quarantined=row.quarantined,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def without_results(
    connection: Connection, execution_id: ExecutionId, *, after: AttemptId | None, limit: int
) -> list[tuple[AttemptId, int]]:
    """Attempts that left nothing anybody wants, with the numbers of their jobs, a page at a time."""
    query = (
        sa.select(attempt.c.id, job.c.number)
        .join(job, job.c.id == attempt.c.job_id)
        .where(
            job.c.execution_id == execution_id,
            attempt.c.state.not_in([AttemptState.SUCCEEDED, AttemptState.STRANDED]),
        )
        .order_by(attempt.c.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(attempt.c.id > after)
    return [(AttemptId(row.id), row.number) for row in connection.execute(query)]
