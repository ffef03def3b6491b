"""What the portal knows of the executions that were started through it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.domain.execution import FINAL, ExecutionState
from engine.ids import ExecutionId
from engine.store import executions
from engine.store.json_rows import JsonRows
from engine.store.rows import from_row, to_row
from engine.store.schema import execution, launch


@dataclass(frozen=True, slots=True)
class Launch:
    """A request of a portal's user."""

    execution_id: ExecutionId
    account_id: str
    pipeline: str
    """Identifier of the pipeline, or the DOI; empty for a descriptor that was uploaded."""
    name: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """As they were asked for."""
    location: str = ""
    """Where results were wanted, as it was asked for."""
    study: str = ""
    waiting: bool = False
    """Whether it waits for its turn."""
    hidden: bool = False
    address: str = ""
    """Of the client that asked for it."""


@dataclass(frozen=True, slots=True)
class LaunchRow:
    """A line of a list of executions."""

    launch: Launch
    state: ExecutionState
    jobs: int
    created_at: float
    ended_at: float | None


_GET = sa.select(launch).where(launch.c.execution_id == sa.bindparam("id"))
_LISTED = (
    sa.select(
        *(column for column in launch.c if column.name not in ("inputs", "told", "keep_until")),
        execution.c.state,
        execution.c.jobs,
        execution.c.created_at,
        execution.c.ended_at,
    )
    .join(execution, execution.c.id == launch.c.execution_id)
    .where(launch.c.hidden.is_(False))
    .order_by(launch.c.execution_id.desc())
    .limit(sa.bindparam("limit"))
    .offset(sa.bindparam("offset"))
)
_ACCOUNTS = _LISTED.where(launch.c.account_id == sa.bindparam("account"))
_OF_ACCOUNT = JsonRows(_ACCOUNTS)
_OF_STUDY = JsonRows(_ACCOUNTS.where(launch.c.study == sa.bindparam("study")))


def add(connection: Connection, new: Launch) -> None:
    """Write a launch, with its execution."""
    connection.execute(
        sa.insert(launch).values(
            to_row(
                launch,
                new,
                inputs=json.dumps(new.inputs, separators=(",", ":")),
                address=new.address[:64],
            )
        )
    )


def get(connection: Connection, id_: str) -> Launch | None:
    """One launch."""
    row = connection.execute(_GET, {"id": id_}).first()
    return _from_row(row) if row else None


def waits(connection: Connection, id_: ExecutionId) -> bool:
    """Say whether an execution is a launch that waits for its turn."""
    query = sa.select(launch.c.waiting).where(launch.c.execution_id == id_)
    return bool(connection.execute(query).scalar())


def newest(
    connection: Connection, account_id: str, *, limit: int, offset: int = 0, study: str | None = None
) -> list[LaunchRow]:
    """List launches of an account, newest first, without their inputs."""
    query = _OF_ACCOUNT if study is None else _OF_STUDY
    values = {"account": account_id, "limit": limit, "offset": offset}
    rows = query.rows(connection, values if study is None else {**values, "study": study})
    return [_listed(row) for row in rows]


def ids(
    connection: Connection, account_id: str, *, limit: int, before: str = "", starting: str = ""
) -> list[ExecutionId]:
    """Ids of launches of an account, newest first: older than one, or with a beginning."""
    query = (
        sa.select(launch.c.execution_id)
        .where(launch.c.account_id == account_id, launch.c.hidden.is_(False))
        .order_by(launch.c.execution_id.desc())
        .limit(limit)
    )
    if before:
        query = query.where(launch.c.execution_id < before)
    if starting:
        query = query.where(launch.c.execution_id.startswith(starting, autoescape=True))
    return [ExecutionId(id_) for id_ in connection.execute(query).scalars()]


def count(connection: Connection, account_id: str | None, study: str | None = None) -> int:
    """Return how many launches an account has, or all have."""
    query = sa.select(sa.func.count()).select_from(launch).where(launch.c.hidden.is_(False))
    if account_id is not None:
        query = query.where(launch.c.account_id == account_id)
    if study is not None:
        query = query.where(launch.c.study == study)
    return int(connection.execute(query).scalar_one())


def rename(connection: Connection, id_: str, name: str) -> None:
    """Give a launch another name."""
    connection.execute(sa.update(launch).where(launch.c.execution_id == id_).values(name=name))


def hide(connection: Connection, id_: str) -> None:
    """Its user is done with it."""
    connection.execute(sa.update(launch).where(launch.c.execution_id == id_).values(hidden=True))


# --- turns ----------------------------------------------------------------------------------------


def in_progress(connection: Connection, account_id: str) -> tuple[int, int]:
    """Return how many executions of an account run, and how many wait for their turn."""
    query = (
        sa.select(launch.c.waiting, sa.func.count())
        .join(execution, execution.c.id == launch.c.execution_id)
        .where(launch.c.account_id == account_id, execution.c.state.not_in(FINAL))
        .group_by(launch.c.waiting)
    )
    counts = {bool(waiting): number for waiting, number in connection.execute(query)}
    return counts.get(False, 0), counts.get(True, 0)


def waiting(connection: Connection, limit: int = 1000) -> list[Launch]:
    """List launches that wait for their turn, oldest first."""
    query = (
        sa.select(launch)
        .join(execution, execution.c.id == launch.c.execution_id)
        .where(launch.c.waiting.is_(True), execution.c.state == ExecutionState.ACTIVE)
        .order_by(launch.c.execution_id)
        .limit(limit)
    )
    return [_from_row(row) for row in connection.execute(query)]


def admit(connection: Connection, ids: Sequence[ExecutionId]) -> None:
    """Mark these launches as started: it is their turn."""
    connection.execute(sa.update(launch).where(launch.c.execution_id.in_(ids)).values(waiting=False))


# --- ends -----------------------------------------------------------------------------------------


def ended_untold(connection: Connection, limit: int = 100) -> list[LaunchRow]:
    """List launches that are over, and whose end is not announced."""
    query = (
        sa.select(launch, execution.c.state, execution.c.jobs, execution.c.created_at, execution.c.ended_at)
        .join(execution, execution.c.id == launch.c.execution_id)
        .where(launch.c.told.is_(False), execution.c.state.in_(FINAL))
        .limit(limit)
    )
    return [_listed(row) for row in connection.execute(query)]


def mark_announced(connection: Connection, ended: LaunchRow, keep_until: float | None) -> bool:
    """Its end is told, and it may be purged after that time. False: it was restarted since that was read."""
    id_ = ended.launch.execution_id
    now = executions.get(connection, id_, lock=True)
    if (now.state, now.ended_at) != (ended.state, ended.ended_at):
        return False
    connection.execute(
        sa.update(launch)
        .where(launch.c.execution_id == id_)
        .values(told=True, waiting=False, keep_until=keep_until)
    )
    return True


def untold(connection: Connection, id_: str) -> None:
    """Mark the end of a launch as not announced: it runs again."""
    connection.execute(
        sa.update(launch).where(launch.c.execution_id == id_).values(told=False, keep_until=None)
    )


def _listed(row: Any) -> LaunchRow:
    return LaunchRow(_from_row(row), ExecutionState(row.state), row.jobs, row.created_at, row.ended_at)


def _from_row(row: Any) -> Launch:
    inputs = getattr(row, "inputs", None)
    return from_row(Launch, row, inputs=json.loads(inputs) if inputs else {})
