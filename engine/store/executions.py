"""Executions: what they are, and how they move."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.domain.attempt import Effect
from engine.domain.execution import FINAL, ExecutionState, Intent
from engine.domain.job import JobState
from engine.domain.options import Options
from engine.errors import BadRequest, NotFound
from engine.ids import ExecutionId
from engine.store import events
from engine.store.rows import from_row, to_row
from engine.store.schema import backend_pause, execution, outbox, submission, tally
from engine.store.statements import insert_new
from wrappers import wire

LONGEST = 255
"""Characters of a name, a key or an owner."""


@dataclass(frozen=True, slots=True)
class Execution:
    """An execution, as it is stored."""

    id: ExecutionId
    owner: str
    name: str
    descriptor_sha256: str
    options: Options
    backend: str
    results: str
    state: ExecutionState
    intent: Intent
    created_at: float
    jobs: int = 0
    key: str | None = None
    updated_at: float = 0.0
    ended_at: float | None = None


def create(connection: Connection, new: Execution) -> None:
    """Write an execution in its first state, without jobs.

    Raises:
        BadRequest: its key was taken, or a text is longer than the database holds.
    """
    for what, text in (("key", new.key or ""), ("setting owner", new.owner)):
        if len(text) > LONGEST:
            raise BadRequest(f"{what}: {len(text)} characters; {LONGEST} are possible")
        if "\0" in text or not _is_unicode(text):
            raise BadRequest(f"{what}: {text!r} is no text that a database can hold")
    row = to_row(execution, new, options=wire.dumps(new.options), jobs=0, updated_at=new.created_at)
    if not insert_new(connection, execution, row):
        raise BadRequest(
            f"key {new.key} was taken by another submit at this moment",
            remedy="submit again to follow that one",
        )
    connection.execute(
        sa.insert(tally), [{"execution_id": new.id, "state": state, "jobs": 0} for state in JobState]
    )
    events.append(connection, [events.Event(new.id, new.created_at, "created", state_to=new.state)])


def shown_name(name: str) -> str:
    """Render the name of a tool as executions show it: cut where it is too long, odd characters escaped."""
    plain = name.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
    return plain if len(plain) <= LONGEST else plain[: LONGEST - 1] + "…"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def get(connection: Connection, execution_id: ExecutionId, *, lock: bool = False) -> Execution:
    """One execution. With `lock`, others who lock it wait for the end of this transaction.

    Raises:
        NotFound: there is none.
    """
    query = sa.select(execution).where(execution.c.id == execution_id)
    if lock:  # SQLite has one writer at a time anyway
        query = query.with_for_update()
    row = connection.execute(query).first()
    if row is None:
        raise NotFound(f"no execution {execution_id}", remedy="engine list shows them")
    return _from_row(row)


def owner_of(connection: Connection, execution_id: ExecutionId) -> str:
    """Return whose an execution is; empty: there is none of that id."""
    query = sa.select(execution.c.owner).where(execution.c.id == execution_id)
    return connection.execute(query).scalar() or ""


def to_end(connection: Connection, owner: str) -> list[ExecutionId]:
    """List executions of an owner that have not ended."""
    query = sa.select(execution.c.id).where(execution.c.owner == owner, execution.c.state.not_in(FINAL))
    return [ExecutionId(id_) for id_ in connection.execute(query).scalars()]


def by_key(connection: Connection, key: str) -> Execution | None:
    """Find the execution that was submitted under the user's own key."""
    row = connection.execute(sa.select(execution).where(execution.c.key == key)).first()
    return _from_row(row) if row else None


def starting_with(connection: Connection, prefix: str) -> list[ExecutionId]:
    """At most two ids that begin with `prefix`: enough to tell unknown, unique and ambiguous apart."""
    query = (
        sa.select(execution.c.id)
        .where(execution.c.id.startswith(prefix, autoescape=True))  # collations differ, this does not
        .order_by(execution.c.id)
        .limit(2)
    )
    return [ExecutionId(id_) for id_ in connection.execute(query).scalars()]


def newest(
    connection: Connection, *, owner: str | None = None, limit: int = 50, before: str | None = None
) -> list[Execution]:
    """List executions, newest first, a page at a time (`before` is the last id of the page before)."""
    query = sa.select(execution).order_by(execution.c.id.desc()).limit(limit)
    if owner is not None:
        query = query.where(execution.c.owner == owner)
    if before is not None:
        query = query.where(execution.c.id < before)
    return [_from_row(row) for row in connection.execute(query)]


def in_state(
    connection: Connection,
    states: Sequence[ExecutionState],
    limit: int = 1000,
    backends: Collection[str] | None = None,
) -> list[Execution]:
    """Find executions in one of these states, oldest first; with `backends`, those of these alone."""
    query = sa.select(execution).where(execution.c.state.in_(states)).order_by(execution.c.id).limit(limit)
    if backends is not None:
        query = query.where(execution.c.backend.in_(backends))
    return [_from_row(row) for row in connection.execute(query)]


def moving(connection: Connection, backends: Collection[str]) -> bool:
    """Say whether anything is left to do for executions of these back-ends: of what is paused only what the
    back-end has accepted, or may have.
    """
    closed = sa.exists().where(backend_pause.c.backend == execution.c.backend)
    paused = sa.or_(execution.c.intent == Intent.PAUSE, sa.and_(execution.c.intent == Intent.RUN, closed))
    accepted = sa.exists().where(
        submission.c.execution_id == execution.c.id,
        submission.c.live.is_(True),
        submission.c.native_id.is_not(None),
    )
    perhaps = sa.exists().where(
        submission.c.execution_id == execution.c.id,
        outbox.c.submission_id == submission.c.id,
        outbox.c.effect == Effect.SUBMIT,
        outbox.c.tries > 0,
    )
    query = sa.select(sa.literal(1)).where(
        execution.c.state.not_in(FINAL),
        execution.c.backend.in_(sorted(backends)),
        sa.or_(~paused, accepted, perhaps),
    )
    return connection.execute(query.limit(1)).first() is not None


def backends_waited_for(connection: Connection, known: Collection[str]) -> list[str]:
    """Name the back-ends of executions that have not ended, but for the known ones."""
    query = sa.select(execution.c.backend).distinct().where(execution.c.state.not_in(FINAL))
    return sorted(connection.execute(query.where(execution.c.backend.not_in(sorted(known)))).scalars())


def to_cancel(connection: Connection, backend: str) -> list[ExecutionId]:
    """Active executions that the user wants to end."""
    query = sa.select(execution.c.id).where(
        execution.c.state == ExecutionState.ACTIVE,
        execution.c.intent == Intent.CANCEL,
        execution.c.backend == backend,
    )
    return [ExecutionId(id_) for id_ in connection.execute(query.order_by(execution.c.id)).scalars()]


def at_rest(connection: Connection, backend: str, limit: int = 1000) -> list[Execution]:
    """Active executions without a ready or active job: they are over, or their next stage may start."""
    moving = sa.exists().where(
        tally.c.execution_id == execution.c.id,
        tally.c.state.in_([JobState.READY, JobState.ACTIVE]),
        tally.c.jobs > 0,
    )
    query = (
        sa.select(execution)
        .where(execution.c.state == ExecutionState.ACTIVE, execution.c.backend == backend, ~moving)
        .order_by(execution.c.id)
        .limit(limit)
    )
    return [_from_row(row) for row in connection.execute(query)]


def count_by_state(connection: Connection) -> dict[str, int]:
    """Return how many executions there are in each state."""
    query = sa.select(execution.c.state, sa.func.count()).group_by(execution.c.state)
    return {state: int(number) for state, number in connection.execute(query)}


def reopen(connection: Connection, current: Execution, *, now: float) -> None:
    """Make a finished execution run again, after some of its jobs were made ready."""
    if current.state.is_final:
        connection.execute(
            sa.update(execution)
            .where(execution.c.id == current.id, execution.c.state == current.state)
            .values(state=ExecutionState.ACTIVE, intent=Intent.RUN, updated_at=now, ended_at=None)
        )
        events.append(
            connection,
            [
                events.Event(
                    current.id, now, "retried", state_from=current.state, state_to=ExecutionState.ACTIVE
                )
            ],
        )


def set_state(connection: Connection, current: Execution, state: ExecutionState, *, now: float) -> None:
    """Move an execution and tell it; the state it had is the guard."""
    moved = connection.execute(
        sa.update(execution)
        .where(execution.c.id == current.id, execution.c.state == current.state)
        .values(state=state, updated_at=now, ended_at=now if state.is_final else None)
    )
    if moved.rowcount:
        events.append(
            connection,
            [events.of_conclusion(current.id, now, current.state, state)],
        )


def free_key(connection: Connection, execution_id: ExecutionId) -> None:
    """Let the user's key be used again: nothing of this execution ever ran."""
    connection.execute(sa.update(execution).where(execution.c.id == execution_id).values(key=None))


def clear_at(connection: Connection, execution_id: ExecutionId, when: float | None) -> None:
    """Note when what its attempts left on storages is to be removed; None: nothing is left."""
    connection.execute(sa.update(execution).where(execution.c.id == execution_id).values(clear_at=when))


def to_clear(connection: Connection, backend: str, *, now: float, limit: int = 10) -> list[Execution]:
    """List ended executions whose attempts left something that should be removed now."""
    query = sa.select(execution).where(execution.c.clear_at <= now, execution.c.backend == backend)
    found = [_from_row(row) for row in connection.execute(query.order_by(execution.c.clear_at).limit(limit))]
    return [one for one in found if one.state.is_final]


def set_intent(connection: Connection, execution_id: ExecutionId, intent: Intent, *, now: float) -> None:
    """Write what the user wants."""
    connection.execute(
        sa.update(execution).where(execution.c.id == execution_id).values(intent=intent, updated_at=now)
    )
    events.append(connection, [events.Event(execution_id, now, f"{intent}_requested")])


def _from_row(row: Any) -> Execution:
    options = wire.loads(Options, row.options)
    state, intent = ExecutionState(row.state), Intent(row.intent)
    return from_row(Execution, row, options=options, state=state, intent=intent)
