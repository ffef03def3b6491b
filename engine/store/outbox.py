"""What must still be done in the outside world: written before it is done, removed after.

Effects are at least once and each is idempotent by the submission's key. `claim` raises `tries` and puts
the row out of sight *before* the call, so whoever comes after a crash knows that it may have happened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.domain.attempt import AttemptState, Effect
from engine.domain.execution import ExecutionState, Intent
from engine.ids import ExecutionId, SubmissionId
from engine.store.schema import attempt, backend_pause, execution, outbox, submission
from engine.store.statements import slices


@dataclass(frozen=True, slots=True)
class Due:
    """An effect that is to be performed now."""

    submission_id: SubmissionId
    execution_id: ExecutionId
    native_id: str | None
    tries: int
    """How often it was tried before, perhaps with success."""
    held: bool = False
    """Whether it must not be tried anew: its execution or its back-end is paused."""


def put(connection: Connection, effect: Effect, ids: Sequence[SubmissionId], *, now: float) -> None:
    """Ask for an effect; asking twice is asking once."""
    for some in slices(ids):
        query = sa.select(outbox.c.submission_id).where(
            outbox.c.effect == effect, outbox.c.submission_id.in_(some)
        )
        known = set(connection.execute(query).scalars())
        rows = [
            {"submission_id": id_, "effect": effect, "not_before": now, "tries": 0}
            for id_ in some
            if id_ not in known
        ]
        if rows:
            connection.execute(sa.insert(outbox), rows)


def due(connection: Connection, effect: Effect, backend: str, *, now: float, limit: int) -> list[Due]:
    """Effects whose time has come, oldest submission first. Submissions of what is paused are left out, but
    for those that were tried before: they may have happened. Forgetting waits for the whole submission, and
    for results that somebody may still take up.
    """
    held = _held(backend) if effect == Effect.SUBMIT else sa.false()
    query = (
        sa.select(
            *(outbox.c.submission_id, submission.c.execution_id, submission.c.native_id, outbox.c.tries),
            held.label("held"),
        )
        .join(submission, submission.c.id == outbox.c.submission_id)
        .where(outbox.c.effect == effect, outbox.c.not_before <= now, submission.c.backend == backend)
        .order_by(outbox.c.submission_id)
        .limit(limit)
    )
    if effect == Effect.SUBMIT:
        query = query.join(execution, execution.c.id == submission.c.execution_id)
        query = query.where(sa.or_(outbox.c.tries > 0, ~held))
    if effect == Effect.FORGET:
        stranded = sa.exists().where(
            attempt.c.submission_id == submission.c.id, attempt.c.state == AttemptState.STRANDED
        )
        query = query.where(submission.c.live.is_(False), ~stranded)
    return [
        Due(r.submission_id, r.execution_id, r.native_id, r.tries, bool(r.held))
        for r in connection.execute(query)
    ]


def _held(backend: str) -> sa.ColumnElement[bool]:
    """Say that nothing new may be submitted for an execution; one that ends or has ended drops what it has
    prepared.
    """
    paused = sa.exists().where(backend_pause.c.backend == backend)
    return sa.and_(
        execution.c.state == ExecutionState.ACTIVE,
        sa.or_(execution.c.intent == Intent.PAUSE, sa.and_(paused, execution.c.intent != Intent.CANCEL)),
    )


def claim(connection: Connection, effect: Effect, items: Sequence[Due], *, again_at: float) -> None:
    """Note that these are about to be tried, and when they are to be tried again if nothing is heard."""
    if items:
        connection.execute(
            sa.update(outbox)
            .where(outbox.c.effect == effect, outbox.c.submission_id.in_([d.submission_id for d in items]))
            .values(tries=outbox.c.tries + 1, not_before=again_at)
        )


def postpone(connection: Connection, effect: Effect, until: Mapping[SubmissionId, float]) -> None:
    """Try these again then, and not before."""
    if until:
        connection.execute(
            sa.update(outbox)
            .where(outbox.c.effect == effect, outbox.c.submission_id == sa.bindparam("b_id"))
            .values(not_before=sa.bindparam("b_until")),
            [{"b_id": id_, "b_until": when} for id_, when in until.items()],
        )


def put_back(connection: Connection, effect: Effect, ids: Sequence[SubmissionId], *, now: float) -> None:
    """Note that the tries of these have come to nothing: as if there had been none."""
    if ids:
        connection.execute(
            sa.update(outbox)
            .where(outbox.c.effect == effect, outbox.c.submission_id.in_(list(ids)))
            .values(tries=0, not_before=now)
        )


def hurry(connection: Connection, effect: Effect, *, now: float) -> None:
    """Bring back into sight at once what was claimed."""
    connection.execute(
        sa.update(outbox).where(outbox.c.effect == effect, outbox.c.not_before > now).values(not_before=now)
    )


def done(connection: Connection, effect: Effect, ids: Sequence[SubmissionId]) -> None:
    """Mark the effect as done: it has happened, or is no longer wanted."""
    if ids:
        connection.execute(
            sa.delete(outbox).where(outbox.c.effect == effect, outbox.c.submission_id.in_(list(ids)))
        )


def tries(connection: Connection, effect: Effect, id_: SubmissionId) -> int | None:
    """Return how often an effect was tried; None when it is not (or no longer) asked for."""
    return connection.execute(
        sa.select(outbox.c.tries).where(outbox.c.submission_id == id_, outbox.c.effect == effect)
    ).scalar()
