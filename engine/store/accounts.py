"""Accounts, their keys and their groups."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.domain.account import Account, Group, Membership, Quota, Role
from engine.errors import BadRequest, NotFound
from engine.store.rows import from_row, to_row
from engine.store.schema import account, api_key, membership, user_group
from engine.store.statements import insert_new


@dataclass(frozen=True, slots=True)
class KeyRow:
    """The row of a key; the key itself is nowhere."""

    account_id: str
    name: str
    created_at: float


# An account with a row for each of its groups; the ready-made one is asked with every request.
_WITH_GROUPS = (
    sa.select(
        account,
        user_group.c.id.label("group_id"),
        user_group.c.name.label("group_name"),
        membership.c.issuer.label("group_issuer"),
    )
    .outerjoin(membership, membership.c.account_id == account.c.id)
    .outerjoin(user_group, user_group.c.id == membership.c.group_id)
    .order_by(user_group.c.name)
)
_BY_ID = _WITH_GROUPS.where(account.c.id == sa.bindparam("id"))
_BY_KEY = _WITH_GROUPS.join(api_key, api_key.c.account_id == account.c.id).where(
    api_key.c.sha256 == sa.bindparam("sha256")
)


def add(connection: Connection, new: Account) -> None:
    """Write an account.

    Raises:
        BadRequest: the name is taken.
    """
    row = to_row(account, new, session_secret=secrets.token_hex(32), **to_row(account, new.quota))
    if not insert_new(connection, account, row):
        raise BadRequest(f"there is a user {new.name} already")


def by_id(connection: Connection, id_: str) -> Account | None:
    """Find the account of an id."""
    return _one(connection, _BY_ID, id=id_)


def named(connection: Connection, name: str) -> Account:
    """Find the account of a name.

    Raises:
        NotFound: there is none.
    """
    found = _one(connection, _WITH_GROUPS.where(account.c.name == name))
    if found is None:
        raise NotFound(f"no user {name}", remedy="engine user list shows them")
    return found


def by_key(connection: Connection, sha256: str) -> Account | None:
    """Find the account that a key opens."""
    return _one(connection, _BY_KEY, sha256=sha256)


def by_subject(connection: Connection, issuer: str, subject: str) -> Account | None:
    """Find the account that an identity provider calls `subject`."""
    return _one(connection, _WITH_GROUPS.where(account.c.issuer == issuer, account.c.subject == subject))


def every(connection: Connection) -> list[Account]:
    """All accounts, by name."""
    rows = connection.execute(sa.select(account).order_by(account.c.name)).all()
    query = sa.select(membership.c.account_id, membership.c.issuer, user_group).join(
        user_group, user_group.c.id == membership.c.group_id
    )
    groups: dict[str, list[Membership]] = {}
    for row in connection.execute(query.order_by(user_group.c.name)):
        groups.setdefault(row.account_id, []).append(Membership(row.id, row.name, row.issuer))
    return [_from_row(row, groups.get(row.id, ())) for row in rows]


def change(connection: Connection, id_: str, **values: Any) -> None:
    """Set columns of an account: role, locked, password, or quotas."""
    connection.execute(sa.update(account).where(account.c.id == id_).values(**values))


def lock(connection: Connection, id_: str) -> None:
    """Others who lock this account wait for the end of this transaction."""
    connection.execute(sa.select(account.c.id).where(account.c.id == id_).with_for_update())


def revoke(connection: Connection, id_: str, *, now: float) -> None:
    """Make sessions of an account worthless, and claims and tokens of the attempts that it has now."""
    change(connection, id_, session_secret=secrets.token_hex(32), revoked_at=now)


def revoked_at(connection: Connection, id_: str) -> float:
    """Until when all was revoked that attempts of an account had; 0.0: nothing was."""
    return connection.execute(sa.select(account.c.revoked_at).where(account.c.id == id_)).scalar() or 0.0


def session_secret_of(connection: Connection, id_: str) -> str:
    """Read what its sessions are signed with, besides the engine's key; empty when it can have none: it has
    no password.
    """
    query = sa.select(account.c.session_secret, account.c.password).where(account.c.id == id_)
    row = connection.execute(query).first()
    return f"{row.session_secret} {row.password}" if row and row.password and row.session_secret else ""


def password_of(connection: Connection, id_: str) -> str:
    """Read the stored form of its password; empty when it has none."""
    query = sa.select(account.c.password).where(account.c.id == id_)
    return connection.execute(query).scalar() or ""


# --- keys -----------------------------------------------------------------------------------------


def add_key(connection: Connection, id_: str, name: str, sha256: str, *, now: float) -> None:
    """Write the hash of a key.

    Raises:
        BadRequest: the account has a key of that name.
    """
    row = {"sha256": sha256, "account_id": id_, "name": name, "created_at": now}
    if not insert_new(connection, api_key, row):
        raise BadRequest(f"there is a key {name} already", remedy="revoke it, or choose another name")


def revoke_key(connection: Connection, id_: str, name: str) -> None:
    """Make a key worthless.

    Raises:
        NotFound: the account has none of that name.
    """
    query = sa.delete(api_key).where(api_key.c.account_id == id_, api_key.c.name == name)
    if not connection.execute(query).rowcount:
        raise NotFound(f"no key {name}", remedy="engine user keys shows them")


def keys(connection: Connection, id_: str) -> list[KeyRow]:
    """Its keys, oldest first."""
    query = sa.select(api_key).where(api_key.c.account_id == id_).order_by(api_key.c.created_at)
    return [KeyRow(row.account_id, row.name, row.created_at) for row in connection.execute(query)]


# --- groups ---------------------------------------------------------------------------------------


def add_group(connection: Connection, new: Group, *, now: float) -> None:
    """Write a group.

    Raises:
        BadRequest: the name is taken.
    """
    if not insert_new(connection, user_group, {"id": new.id, "name": new.name, "created_at": now}):
        raise BadRequest(f"there is a group {new.name} already")


def group_named(connection: Connection, name: str) -> Group:
    """Find the group of a name.

    Raises:
        NotFound: there is none.
    """
    row = connection.execute(sa.select(user_group).where(user_group.c.name == name)).first()
    if row is None:
        raise NotFound(f"no group {name}", remedy="engine user group add makes one")
    return Group(row.id, row.name)


def groups(connection: Connection) -> list[Group]:
    """All groups, by name."""
    rows = connection.execute(sa.select(user_group).order_by(user_group.c.name))
    return [Group(row.id, row.name) for row in rows]


def _one(connection: Connection, query: sa.Select[Any], **values: Any) -> Account | None:
    rows = connection.execute(query, values).all()
    if not rows:
        return None
    found = [Membership(row.group_id, row.group_name, row.group_issuer) for row in rows if row.group_id]
    return _from_row(rows[0], found)


def _from_row(row: Any, groups: Sequence[Membership]) -> Account:
    quota = from_row(Quota, row)
    return from_row(Account, row, role=Role(row.role), groups=tuple(groups), quota=quota)
