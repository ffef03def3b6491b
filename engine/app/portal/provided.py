"""Groups that identity providers name: an account is in them for as long as its newest token says so."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from sqlalchemy.engine import Connection

from engine.app.portal.audit import AuditTrail
from engine.app.portal.entitlements import GroupMap, values_of
from engine.clock import Clock
from engine.domain.account import Account
from engine.settings.service import IssuerSection
from engine.store import accounts, memberships
from engine.store.audit import AuditRecord
from engine.store.database import Database

log = logging.getLogger("engine.portal")
JOIN, LEAVE, PROVIDER = "group.join", "group.leave", "provider"


class ProvidedGroups:
    """The groups of every provider of the settings."""

    def __init__(
        self, db: Database, trail: AuditTrail, clock: Clock, sections: Mapping[str, IssuerSection]
    ) -> None:
        self._db = db
        self._trail = trail
        self._clock = clock
        self._sections = sections
        self._maps = {one.url: GroupMap(one.groups.map) for one in sections.values()}
        self._doubtful: set[str] = set()

    def follow(self, account: Account, section: IssuerSection, claims: Mapping[str, Any]) -> Account:
        """Give an account the groups that a token names, and take those away that it names no more. Tokens
        older than the newest one that was shown say nothing.
        """
        current = {one.name for one in account.groups if one.issuer}
        at = _issued_at(claims, self._clock.now())
        if (not section.groups.map and not current) or at < account.groups_told_at:
            return account
        values, wrong = values_of(claims, section.groups.claim)
        if wrong:
            self._doubt(section, wrong)
        wanted = self._maps[section.url].names(values)
        by_hand = {one.name for one in account.groups if not one.issuer}
        if wanted - by_hand == current and at == account.groups_told_at:
            return account
        return self._changed(account, section.url, wanted, at)

    def _changed(self, account: Account, issuer: str, wanted: frozenset[str], at: float) -> Account:
        with self._db.write() as connection:
            accounts.lock(connection, account.id)
            before = accounts.by_id(connection, account.id) or account
            if at < before.groups_told_at:
                return before
            ids = {one.id for one in accounts.groups(connection) if one.name in wanted}
            memberships.follow(connection, account.id, issuer, ids, at=at)
            after = accounts.by_id(connection, account.id) or account
            here, there = ({one.id for one in each.groups} for each in (before, after))
            records = [
                *self._records(JOIN, account.id, there - here),
                *self._records(LEAVE, account.id, here - there),
            ]
            if records:
                self._trail.append(connection, records)
        return after

    def end_unmapped(self) -> list[str]:
        """End memberships that a provider named and that the settings map no more; gives a line for each
        group that they map to and that is not there.
        """
        with self._db.read() as connection:
            some = memberships.provided(connection)
        if some:
            self._end_unmapped()
        return missing_groups(self._db, self._sections)

    def _end_unmapped(self) -> None:
        with self._db.write() as connection:
            ended = memberships.end_others(connection, self._kept(connection))
            records = [record for id_, group in ended for record in self._records(LEAVE, id_, {group})]
            if records:
                self._trail.append(connection, records)

    def _kept(self, connection: Connection) -> dict[str, set[str]]:
        ids = {one.name: one.id for one in accounts.groups(connection)}
        return {
            section.url: {ids[name] for name in section.groups.map.values() if name in ids}
            for section in self._sections.values()
        }

    def _records(self, action: str, id_: str, groups: set[str]) -> list[AuditRecord]:
        return [self._trail.entry(id_, action, PROVIDER, data=(id_, group)) for group in sorted(groups)]

    def _doubt(self, section: IssuerSection, wrong: str) -> None:
        """Tell once what is wrong with a claim, without what is in it."""
        words = f"{section.url}: claim {section.groups.claim}: {wrong}"
        if words not in self._doubtful and len(self._doubtful) < 100:
            self._doubtful.add(words)
            log.warning("groups of %s", words)


def missing_groups(db: Database, sections: Mapping[str, IssuerSection]) -> list[str]:
    """List the groups that maps of the settings name, but nobody has made, a line for each."""
    with db.read() as connection:
        there = {one.name for one in accounts.groups(connection)}
    return [
        f"portal.issuers.{name}.groups.map: there is no group {group!r}"
        for name, section in sections.items()
        for group in sorted({*section.groups.map.values()} - there)
    ]


def _issued_at(claims: Mapping[str, Any], now: float) -> float:
    """Return when a token was made; one that does not tell, or of later than now, is of now."""
    claim = claims.get("iat")
    return float(max(0, min(claim, now))) if isinstance(claim, int) else now
