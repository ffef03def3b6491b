"""Accounts of the portal: made and changed by administrators, recognised by keys, sessions and passwords."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any

from sqlalchemy.engine import Connection

from engine.app.access.key import Key
from engine.app.portal import passwords
from engine.clock import Clock
from engine.domain.account import Account, Group, Quota, Role
from engine.errors import BadRequest, NotFound
from engine.ids import new_id
from engine.store import accounts
from engine.store.accounts import KeyRow
from engine.store.database import Database

SESSION_SECONDS = 30 * 86_400.0
"""For how long what `authenticate` gives is good."""
_SESSION = "s."
_PURPOSE = "session"
_USER_NAME = re.compile(r"[\w.@+-]{1,100}")
_GROUP_NAME = re.compile(r"[\w.@+-][\w.@+ -]{0,99}")


class Users:
    """Every account."""

    def __init__(self, db: Database, key: Callable[[], Key], clock: Clock) -> None:
        self._db = db
        self._key = key
        self._clock = clock

    # --- recognising ------------------------------------------------------------------------------

    def by_secret(self, secret: str) -> Account | None:
        """The account that an API key or a session opens; None when it opens none."""
        if secret.startswith(_SESSION):
            return self._by_session(secret)
        with self._db.read() as connection:
            found = accounts.by_key(connection, passwords.key_hash(secret))
        return found if found and not found.locked else None

    def by_password(self, name: str, password: str) -> Account | None:
        """The account of a name and a password."""
        with self._db.read() as connection:
            found = _named(connection, name) if _USER_NAME.fullmatch(name) else None
            kept = accounts.password_of(connection, found.id) if found else ""
        return found if passwords.matches(password, kept) and found and not found.locked else None

    def session(self, account: Account) -> str:
        """A secret that opens an account for a while; it dies when the password is changed."""
        with self._db.read() as connection:
            kept = accounts.password_of(connection, account.id)
        fields = {"account": account.id, "expires": self._clock.now() + SESSION_SECONDS}
        payload = urlsafe_b64encode(json.dumps(fields).encode("ascii")).rstrip(b"=").decode("ascii")
        return f"{_SESSION}{payload}.{self._key().sign(_PURPOSE, payload + kept)}"

    def _by_session(self, secret: str) -> Account | None:
        payload, _, signature = secret.removeprefix(_SESSION).partition(".")
        try:
            fields = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
            id_, expires = str(fields["account"]), float(fields["expires"])
        except (ValueError, KeyError, TypeError):
            return None
        with self._db.read() as connection:
            found = accounts.by_id(connection, id_)
            kept = accounts.password_of(connection, id_)
        good = self._key().signed(_PURPOSE, payload + kept, signature) and self._clock.now() < expires
        return found if good and found and not found.locked else None

    def by_subject(self, issuer: str, subject: str, name: str, *, create: bool) -> Account | None:
        """The account of somebody whom an identity provider knows; made on the first visit, if allowed."""
        with self._db.read() as connection:
            found = accounts.by_subject(connection, issuer, subject)
        if found is None and create:
            plain = re.sub(r"[^\w.@+-]", "_", name)[:80] or "user"
            with self._db.write() as connection:
                found = accounts.by_subject(connection, issuer, subject)  # another request was faster
                if found is None:
                    taken = _named(connection, plain) is not None
                    id_ = new_id()
                    shown = f"{plain}-{id_[-8:].lower()}" if taken else plain
                    found = Account(id_, shown, created_at=self._clock.now())
                    accounts.add(connection, found, issuer=issuer, subject=subject)
        return found if found and not found.locked else None

    # --- managing ---------------------------------------------------------------------------------

    def add(self, name: str, role: Role = Role.USER, groups: tuple[str, ...] = ()) -> Account:
        """Make an account.

        Raises:
            BadRequest: the name is taken or cannot be one.
            NotFound: there is no such group.
        """
        if not _USER_NAME.fullmatch(name):
            raise BadRequest(f"user {name!r}: a name has letters, digits and . @ + - _ only")
        with self._db.write() as connection:
            new = Account(new_id(), name, role, created_at=self._clock.now())
            accounts.add(connection, new)
            for group in groups:
                accounts.join(connection, new.id, accounts.group_named(connection, group))
            return accounts.named(connection, name)

    def named(self, name: str) -> Account:
        """The account of a name.

        Raises:
            NotFound: there is none.
        """
        with self._db.read() as connection:
            return accounts.named(connection, name)

    def by_id(self, id_: str) -> Account | None:
        """The account of an id."""
        with self._db.read() as connection:
            return accounts.by_id(connection, id_)

    def all(self) -> list[Account]:
        """Every account, by name."""
        with self._db.read() as connection:
            return accounts.every(connection)

    def new_key(self, name: str, key_name: str) -> str:
        """A new API key of an account: shown now, and never again.

        Raises:
            BadRequest: the account has a key of that name.
            NotFound: there is no such account.
        """
        key = passwords.new_key()
        with self._db.write() as connection:
            id_ = accounts.named(connection, name).id
            accounts.add_key(connection, id_, key_name[:255], passwords.key_hash(key), now=self._clock.now())
        return key

    def revoke_key(self, name: str, key_name: str) -> None:
        """Make a key worthless from now on.

        Raises:
            NotFound: there is no such key.
        """
        with self._db.write() as connection:
            accounts.revoke_key(connection, accounts.named(connection, name).id, key_name)

    def keys(self, name: str) -> list[KeyRow]:
        """The keys of an account."""
        with self._db.read() as connection:
            return accounts.keys(connection, accounts.named(connection, name).id)

    def change(self, name: str, *, role: Role | None = None, locked: bool | None = None) -> None:
        """Change the role of an account, or lock and unlock it."""
        values: dict[str, Any] = {}
        if role is not None:
            values["role"] = role
        if locked is not None:
            values["locked"] = locked
        self._change(name, values)

    def set_quota(self, name: str, quota: Quota) -> None:
        """Set how much an account may have; None leaves it to the settings."""
        fields = (quota.running, quota.waiting, quota.jobs, quota.bytes)
        self._change(name, dict(zip(("running", "waiting", "jobs", "bytes"), fields, strict=True)))

    def set_password(self, name: str, password: str) -> None:
        """Set a password; sessions of the one before end.

        Raises:
            BadRequest: it is too short.
        """
        if not passwords.is_long_enough(password):
            raise BadRequest("a password has at least 12 characters")
        self._change(name, {"password": passwords.stored(password)})

    def _change(self, name: str, values: dict[str, Any]) -> None:
        with self._db.write() as connection:
            id_ = accounts.named(connection, name).id
            if values:
                accounts.change(connection, id_, **values)

    # --- groups -----------------------------------------------------------------------------------

    def add_group(self, name: str) -> Group:
        """Make a group.

        Raises:
            BadRequest: the name is taken or cannot be one.
        """
        if not _GROUP_NAME.fullmatch(name):
            raise BadRequest(f"group {name!r}: a name has letters, digits, spaces and . @ + - _ only")
        new = Group(new_id(), name)
        with self._db.write() as connection:
            accounts.add_group(connection, new, now=self._clock.now())
        return new

    def groups(self) -> list[Group]:
        """Every group, by name."""
        with self._db.read() as connection:
            return accounts.groups(connection)

    def join(self, name: str, group: str) -> None:
        """Make an account a member of a group."""
        with self._db.write() as connection:
            found = accounts.group_named(connection, group)
            accounts.join(connection, accounts.named(connection, name).id, found)

    def leave(self, name: str, group: str) -> None:
        """End a membership."""
        with self._db.write() as connection:
            found = accounts.group_named(connection, group)
            accounts.leave(connection, accounts.named(connection, name).id, found)


def _named(connection: Connection, name: str) -> Account | None:
    try:
        return accounts.named(connection, name)
    except NotFound:
        return None
