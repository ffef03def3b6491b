"""Submissions: what a back-end knows of attempts, one job of its own for one or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.ids import ExecutionId, SubmissionId
from engine.store.rows import from_row
from engine.store.schema import submission
from engine.store.statements import set_each


@dataclass(frozen=True, slots=True)
class Live:
    """A submission that the back-end may know something about."""

    id: SubmissionId
    execution_id: ExecutionId
    native_id: str | None
    detail: str
    unknown_since: float | None


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
    return [from_row(Live, row) for row in connection.execute(query)]


def in_flight(connection: Connection, backend: str) -> int:
    """Return how many submissions are on their way to, in, or on their way back from a back-end."""
    query = sa.select(sa.func.count()).where(submission.c.backend == backend, submission.c.live.is_(True))
    return int(connection.execute(query).scalar_one())


def native_id(connection: Connection, submission_id: SubmissionId) -> str | None:
    """Under which name the back-end knows a submission."""
    return connection.execute(
        sa.select(submission.c.native_id).where(submission.c.id == submission_id)
    ).scalar()


def site_of(connection: Connection, submission_id: SubmissionId) -> str:
    """Return the site of the grid where a submission is or was; "" when it is not known."""
    query = sa.select(submission.c.site).where(submission.c.id == submission_id)
    return connection.execute(query).scalar() or ""


def set_native_ids(connection: Connection, ids: Mapping[SubmissionId, str]) -> None:
    """Note under which names the back-end knows these submissions."""
    set_each(connection, submission.c.native_id, ids)


def set_detail(connection: Connection, details: Mapping[SubmissionId, str]) -> None:
    """Note the back-end's own words."""
    set_each(connection, submission.c.detail, details)


def set_unknown_since(connection: Connection, ids: Sequence[SubmissionId], since: float | None) -> None:
    """Note when the back-end first did not know them; None when it does."""
    if ids:
        connection.execute(
            sa.update(submission).where(submission.c.id.in_(list(ids))).values(unknown_since=since)
        )
