"""Pipelines that users propose, until an administrator publishes or refuses them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.store.rows import from_row, to_row
from engine.store.schema import proposal


class ProposalState(StrEnum):
    """The state of a proposal."""

    OPEN = "open"
    PUBLISHED = "published"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A descriptor that a user wishes to have published."""

    id: str
    account_id: str
    identifier: str
    """`name/version`."""
    descriptor_sha256: str
    note: str
    """The user's words."""
    created_at: float
    state: ProposalState = ProposalState.OPEN
    answer: str = ""
    """Why it was refused, or what it was published as."""
    decided_at: float | None = None


def add(connection: Connection, new: Proposal) -> None:
    """Write a proposal."""
    connection.execute(sa.insert(proposal).values(to_row(proposal, new)))


def get(connection: Connection, id_: str, *, lock: bool = False) -> Proposal | None:
    """One proposal; with `lock` others who lock it wait for the end of this transaction."""
    query = sa.select(proposal).where(proposal.c.id == id_)
    row = connection.execute(query.with_for_update() if lock else query).first()
    return None if row is None else _from_row(row)


def every(connection: Connection, account_id: str = "", *, decided: bool = False) -> list[Proposal]:
    """Return those of an account or of all, oldest first; only open ones, or with those that are
    `decided`.
    """
    query = sa.select(proposal).order_by(proposal.c.id)
    if account_id:
        query = query.where(proposal.c.account_id == account_id)
    if not decided:
        query = query.where(proposal.c.state == ProposalState.OPEN)
    return [_from_row(row) for row in connection.execute(query)]


def count_open(connection: Connection, account_id: str) -> int:
    """Return how many of an account are open."""
    query = sa.select(sa.func.count()).select_from(proposal)
    found = query.where(proposal.c.account_id == account_id, proposal.c.state == ProposalState.OPEN)
    return int(connection.execute(found).scalar() or 0)


def decide(connection: Connection, id_: str, state: ProposalState, answer: str, *, now: float) -> None:
    """Write down what has become of a proposal."""
    values = {"state": state, "answer": answer, "decided_at": now}
    connection.execute(sa.update(proposal).where(proposal.c.id == id_).values(**values))


def _from_row(row: Any) -> Proposal:
    return from_row(Proposal, row, state=ProposalState(row.state))
