"""Accounts of the portal, recognised by keys, sessions, passwords, and what identity providers say."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sqlalchemy.engine import Connection

from engine.app.access.key import Key
from engine.app.portal import passwords
from engine.app.portal.audit import AuditTrail
from engine.clock import Clock
from engine.domain.account import Account, Group
from engine.errors import NotFound
from engine.ids import new_id
from engine.store import accounts
from engine.store.audit import AuditRecord
from engine.store.database import Database

if TYPE_CHECKING:
    from engine.app.portal.provided import ProvidedGroups
    from engine.settings.service import IssuerSection

SESSION_LIFETIME_S = 30 * 86_400.0
"""Seconds for which what `authenticate` gives is good."""
_SESSION = "s."
_PURPOSE = "session"
_PARTS = re.compile(r"s\.(?P<account>[0-9A-Z]{26})\.(?P<expires>[0-9]{1,12})\.(?P<signature>[\w-]{43})", re.A)
_USER_NAME = re.compile(r"[\w.@+-]{1,100}")


class Users:
    """Every account."""

    def __init__(self, db: Database, key: Callable[[], Key], clock: Clock, trail: AuditTrail) -> None:
        self._db = db
        self._key = key
        self._clock = clock
        self._trail = trail

    # --- recognising ------------------------------------------------------------------------------

    def by_secret(self, secret: str) -> Account | None:
        """Find the account that an API key or a session opens; None when it opens none."""
        if secret.startswith(_SESSION):
            return self._by_session(secret)
        with self._db.read() as connection:
            found = accounts.by_key(connection, passwords.key_hash(secret))
        return found if found and not found.locked else None

    def named(self, name: str) -> tuple[Account | None, str]:
        """Find the account of a name, and what is stored of its password."""
        with self._db.read() as connection:
            found = _named(connection, name) if _USER_NAME.fullmatch(name) else None
            kept = accounts.password_of(connection, found.id) if found else ""
        return found, kept

    def session(self, account: Account) -> str:
        """Make a secret that opens an account for a while; it dies when the password is changed, or all that
        the account has is revoked. The engine's key alone makes none.
        """
        with self._db.read() as connection:
            own = accounts.session_secret_of(connection, account.id)
        text = f"{account.id}.{int(self._clock.now() + SESSION_LIFETIME_S)}"
        return f"{_SESSION}{text}.{self._key().sign(_PURPOSE, f'{text} {own}')}"

    def _by_session(self, secret: str) -> Account | None:
        parts = _PARTS.fullmatch(secret)
        if parts is None:
            return None
        with self._db.read() as connection:
            found = accounts.by_id(connection, parts["account"])
            own = accounts.session_secret_of(connection, parts["account"])
        text = f"{parts['account']}.{parts['expires']}"
        good = own and self._key().signed(_PURPOSE, f"{text} {own}", parts["signature"])
        valid = self._clock.now() < int(parts["expires"])
        return found if good and valid and found and not found.locked else None

    def by_subject(self, issuer: str, subject: str, name: str, *, create: bool) -> Account | None:
        """Find the account of somebody whom an identity provider knows; make it on the first visit, if
        allowed.
        """
        with self._db.read() as connection:
            found = accounts.by_subject(connection, issuer, subject)
        if found is None and create:
            plain = re.sub(r"[^a-z0-9._@+-]", "_", name.lower())[:80] or "user"
            with self._db.write() as connection:
                found = accounts.by_subject(connection, issuer, subject)  # another request was faster
                if found is None:
                    taken = _named(connection, plain) is not None
                    id_ = new_id()
                    shown = f"{plain}-{id_[-8:].lower()}" if taken else plain
                    now = self._clock.now()
                    found = Account(id_, shown, created_at=now, issuer=issuer, subject=subject)
                    accounts.add(connection, found)
                    record = AuditRecord(now, id_, "user.add", "first visit", data=(id_,))
                    self._trail.append(connection, [record])
        return found if found and not found.locked else None

    def provided(self, sections: Mapping[str, IssuerSection]) -> ProvidedGroups:
        """Return the groups that these identity providers name."""
        from engine.app.portal.provided import ProvidedGroups  # not for commands without one

        return ProvidedGroups(self._db, self._trail, self._clock, sections)

    # --- reading ----------------------------------------------------------------------------------

    def by_id(self, id_: str) -> Account | None:
        """Find the account of an id."""
        with self._db.read() as connection:
            return accounts.by_id(connection, id_)

    def all(self) -> list[Account]:
        """Every account, by name."""
        with self._db.read() as connection:
            return accounts.every(connection)

    def groups(self) -> list[Group]:
        """Every group, by name."""
        with self._db.read() as connection:
            return accounts.groups(connection)


def _named(connection: Connection, name: str) -> Account | None:
    try:
        return accounts.named(connection, name)
    except NotFound:
        return None
