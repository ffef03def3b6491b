"""Who is in which group, and who says so: an administrator (an empty issuer), or an identity provider."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.domain.account import Group
from engine.store.schema import account, membership
from engine.store.statements import insert_new


def join(connection: Connection, id_: str, group: Group) -> None:
    """Make an account a member by hand; again is fine. It stays one whatever a provider says."""
    row = {"account_id": id_, "group_id": group.id, "issuer": ""}
    if not insert_new(connection, membership, row):
        connection.execute(sa.update(membership).where(_is(id_, group.id)).values(issuer=""))


def remove(connection: Connection, id_: str, group: Group) -> None:
    """End a membership; none is fine."""
    connection.execute(sa.delete(membership).where(_is(id_, group.id)))


def follow(connection: Connection, id_: str, issuer: str, wanted: Collection[str], *, at: float) -> None:
    """Make an account a member of those groups (ids), and of no others, that a provider names; what was given
    by hand stays. `at`: when the provider said so.
    """
    of_issuer = sa.and_(membership.c.account_id == id_, membership.c.issuer == issuer)
    connection.execute(sa.delete(membership).where(of_issuer, membership.c.group_id.not_in(wanted)))
    for group_id in sorted(wanted):
        insert_new(connection, membership, {"account_id": id_, "group_id": group_id, "issuer": issuer})
    connection.execute(sa.update(account).where(account.c.id == id_).values(groups_told_at=at))


def provided(connection: Connection) -> bool:
    """Say whether any provider named a member of a group."""
    query = sa.select(membership.c.account_id).where(membership.c.issuer != "").limit(1)
    return connection.execute(query).first() is not None


def end_others(connection: Connection, kept: Mapping[str, Collection[str]]) -> list[tuple[str, str]]:
    """End what providers said, but for these groups (ids) of these issuers; gives accounts and groups."""
    query = sa.select(membership).where(membership.c.issuer != "").order_by(membership.c.account_id)
    ended = [
        (row.account_id, row.group_id)
        for row in connection.execute(query)
        if row.group_id not in kept.get(row.issuer, ())
    ]
    for account_id, group_id in ended:
        connection.execute(sa.delete(membership).where(_is(account_id, group_id)))
    return ended


def _is(id_: str, group_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(membership.c.account_id == id_, membership.c.group_id == group_id)
