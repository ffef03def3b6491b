"""Accounts of the portal, their keys and their groups, as administrators make and change them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from sqlalchemy.engine import Connection

from engine.app.portal import passwords
from engine.app.portal.audited_actions import AuditedAction, AuditedActions
from engine.app.portal.values import shown
from engine.domain.account import Account, Group, Quota, Role
from engine.errors import BadRequest, NotFound
from engine.ids import new_id
from engine.store import accounts, memberships
from engine.store.accounts import KeyRow

_USER_NAME = re.compile(r"[\w.@+-]{1,100}")
_NEW_USER_NAME = re.compile(r"[a-z0-9._@+-]{1,100}")  # no two of them look alike
_GROUP_NAME = re.compile(r"[\w.@+-][\w.@+ -]{0,99}")
_LONGEST = 255


class Administration(AuditedActions):
    """The use cases of accounts and groups. NotFound is raised for a name that nobody has."""

    def add_user(self, name: str, role: Role = Role.USER, groups: Sequence[str] = ()) -> tuple[Account, str]:
        """Make an account; gives it with its first API key, which is shown now and never again.

        Raises:
            BadRequest: the name is taken or cannot be one.
            NotFound: there is no such group.
        """
        if not _NEW_USER_NAME.fullmatch(name) or not name.strip("."):
            raise BadRequest(f"user {name!r}: a name has the letters a to z, digits and . @ + - _ only")
        new, key = Account(new_id(), name, role, created_at=self._clock.now()), passwords.new_key()
        with self._action("user.add") as doing:
            accounts.add(doing.connection, new)
            joined = [_group(doing.connection, group) for group in groups]
            for group in joined:
                memberships.join(doing.connection, new.id, group)
            self._add_key(doing.connection, new.id, "first", key)
            doing.fields["data"] = (new.id, *(group.id for group in joined))
            return accounts.named(doing.connection, name), key

    def user_keys(self, name: str) -> list[KeyRow]:
        """Return which keys an account has; never the keys."""
        with self._db.read() as connection:
            return accounts.keys(connection, _account(connection, name).id)

    def new_key(self, name: str, purpose: str) -> str:
        """Make a further API key of an account: shown now, and never again.

        Raises:
            BadRequest: the account has a key of that name, or it can be none.
        """
        if not 0 < len(purpose) <= _LONGEST or not purpose.isprintable():
            raise BadRequest(f"the name of a key is a line of 1 to {_LONGEST} characters")
        if purpose.endswith("/"):  # a URL that names it would name the key without
            raise BadRequest(f"key {purpose!r}: the name of a key has no / at its end")
        key = passwords.new_key()
        with self._about("user.key", name) as (doing, account):
            self._add_key(doing.connection, account.id, purpose, key)
        return key

    def revoke_key(self, name: str, purpose: str) -> None:
        """Make a key worthless from now on."""
        with self._about("user.revoke", name) as (doing, account):
            if not purpose.isprintable():
                raise NotFound(f"no key {shown(purpose)}")
            accounts.revoke_key(doing.connection, account.id, purpose)

    def change_user(
        self,
        name: str,
        *,
        role: Role | None = None,
        locked: bool | None = None,
        quota: Quota | None = None,
        password: str | None = None,
        revoke: bool = False,
    ) -> Account:
        """Change what an account is for, lock and unlock it, set how much it may have (None in there leaves
        it to the settings) or its password (sessions of the one before end), make sessions, claims and tokens
        that it has now worthless (`revoke`): all that is given, or nothing.

        Raises:
            BadRequest: the password is too short.
        """
        if password is not None and not passwords.is_long_enough(password):
            raise BadRequest("a password has at least 12 characters")
        changes: dict[str, dict[str, Any]] = {}
        if quota is not None:
            changes["user.quota"] = asdict(quota)
        if password is not None:
            changes["user.password"] = {"password": passwords.stored(password)}
        if role is not None:
            changes["user.role"] = {"role": role}
        if locked is not None:
            changes["user.lock" if locked else "user.unlock"] = {"locked": locked}
        with self._db.write() as connection:
            id_ = _account(connection, name).id
            for values in changes.values():
                accounts.change(connection, id_, **values)
            if revoke:
                accounts.revoke(connection, id_, now=self._clock.now())
                changes["user.revoke_all"] = {}
            self._trail.append(
                connection, [self._trail.entry(self._by, action, "done", data=(id_,)) for action in changes]
            )
            return _account(connection, name)

    def add_group(self, name: str) -> Group:
        """Make a group.

        Raises:
            BadRequest: the name is taken or cannot be one.
        """
        if problem := _group_name_problem(name):
            raise BadRequest(f"group {name!r}: {problem}")
        new = Group(new_id(), name)
        with self._action("group.add") as doing:
            for other in accounts.groups(doing.connection):
                if other.name != name and _looks(other.name) == _looks(name):
                    raise BadRequest(f"group {name!r}: it looks like the group {other.name!r}")
            accounts.add_group(doing.connection, new, now=self._clock.now())
            doing.fields["data"] = (new.id,)
        return new

    def join(self, group: str, name: str) -> None:
        """Make an account a member of a group; again is fine. It stays one, whatever a provider says."""
        with self._about("group.join", name, group) as (doing, account):
            memberships.join(doing.connection, account.id, _group(doing.connection, group))

    def remove_member(self, group: str, name: str) -> None:
        """End a membership; none is fine.

        Raises:
            BadRequest: an identity provider says so: the next token would bring it back.
        """
        with self._about("group.leave", name, group) as (doing, account):
            if teller := next((one.issuer for one in account.groups if one.name == group), ""):
                raise BadRequest(
                    f"user {name} is in group {group} because {teller} says so",
                    remedy="take it away there; or take it out of groups.map of that issuer, and start "
                    "engine serve again",
                )
            memberships.remove(doing.connection, account.id, _group(doing.connection, group))

    def _add_key(self, connection: Connection, id_: str, purpose: str, key: str) -> None:
        accounts.add_key(connection, id_, purpose, passwords.key_hash(key), now=self._clock.now())

    @contextmanager
    def _about(self, action: str, name: str, group: str = "") -> Iterator[tuple[AuditedAction, Account]]:
        """Begin an action that is about an account, and perhaps a group."""
        with self._action(action) as doing:
            account = _account(doing.connection, name)
            groups = (_group(doing.connection, group).id,) if group else ()
            doing.fields["data"] = (account.id, *groups)
            yield doing, account


def _account(connection: Connection, name: str) -> Account:
    if not _USER_NAME.fullmatch(name):  # perhaps no text that every database holds
        raise NotFound(f"no user {shown(name)}", remedy="engine user list shows them")
    return accounts.named(connection, name)


def _group(connection: Connection, name: str) -> Group:
    if not _GROUP_NAME.fullmatch(name):
        raise NotFound(f"no group {shown(name)}", remedy="engine user group list shows them")
    return accounts.group_named(connection, name)


def _group_name_problem(name: str) -> str:
    """Say why a group cannot be called so; "" when it can. Members see the name as that of a directory."""
    if not _GROUP_NAME.fullmatch(name) or not name.strip("."):
        return "a name has letters, digits, spaces and . @ + - _ only"
    if name != unicodedata.normalize("NFKC", name) or name != " ".join(name.split()):
        return "it can be written in another way that looks the same"
    if len({unicodedata.name(one, "").partition(" ")[0] for one in name if one.isalpha()}) > 1:
        return "its letters are of several scripts, which look alike"
    return ""


def _looks(name: str) -> str:
    """Give what is the same for names that people take for one another."""
    return unicodedata.normalize("NFKC", name.casefold())
