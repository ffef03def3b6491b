"""The audit trail as it is asked for: verified, and its head exported."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import Connection

from engine.app.access.key import Key
from engine.app.portal.heads import HeadExporter
from engine.clock import Clock, iso
from engine.store import audit
from engine.store.audit import AuditLine, AuditRecord, Head
from engine.store.database import Database, afterwards

if TYPE_CHECKING:
    from engine.app.access.signature import Signer

_PURPOSE = "audit"
_MANY = 1000
START = Head(0, audit.START)
"""Before the first line."""


class AuditTrail:
    """The append-only list of who did what."""

    def __init__(
        self, db: Database, key: Callable[[], Key], clock: Clock, heads: HeadExporter | None = None
    ) -> None:
        """`heads`: where its end is written besides."""
        self._db = db
        self._key = key
        self._clock = clock
        self._heads = heads or HeadExporter([])

    @cached_property
    def _signer(self) -> Signer:
        from engine.app.access.signature import Signer  # its cryptography need not be loaded to read

        return Signer(self._key())

    def record(self, account_id: str, action: str, status: str, **more: Any) -> None:
        """Write one line now."""
        self.write([self.entry(account_id, action, status, **more)])

    def write(self, records: Sequence[AuditRecord]) -> None:
        """Write lines now."""
        with self._db.write() as connection:
            self.append(connection, records)

    def append(self, connection: Connection, records: Sequence[AuditRecord]) -> None:
        """Write lines in a transaction of the caller's; its end is told outside when that is committed."""
        head = audit.append(connection, records, self._signer.sign)
        afterwards(connection, lambda: self._heads.write(head))

    def entry(self, account_id: str, action: str, status: str, **more: Any) -> AuditRecord:
        """Make a record for a transaction of the caller's."""
        return AuditRecord(self._clock.now(), account_id, action, status, **more)

    def data_ids(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return ids that stand for logical names of data: the same name has the same id, and nobody without
        the engine's key can tell which. At most a thousand.
        """
        found = dict.fromkeys(names)
        return tuple(self._key().sign(_PURPOSE, name) for name, _ in zip(found, range(_MANY), strict=False))

    def head(self) -> Head:
        """Return the end of the trail, to be anchored on another machine."""
        with self._db.read() as connection:
            return audit.head(connection)

    def published_head(self) -> Mapping[str, Any]:
        """Return the head with the public key that shows who signed it, and the number of the line up to
        which an older engine signed no heads (0: all were signed).
        """
        with self._db.read() as connection:
            found, unsigned = audit.head(connection), audit.migrated(connection)
        return {**asdict(found), "public_key": self._signer.public, "unsigned": unsigned}

    def lines(self, after: int = 0) -> Iterator[Mapping[str, Any]]:
        """Yield the lines as they are published, a page from each transaction: who reads them may be slow."""
        while True:
            with self._db.read() as connection:
                page = list(islice(audit.lines(connection, after), _MANY))
            yield from map(_published, page)
            if len(page) < _MANY:
                return
            after = page[-1].number

    def problems(self, anchors: Iterable[Head] = ()) -> Iterator[str]:
        """Yield what is wrong with the trail, a line each; nothing when it is whole.

        `anchors` are heads that were exported earlier: the trail must still contain them.
        """
        known = list(anchors)
        found, at = self.problems_after(START, known)
        yield from found
        while at is not None:
            found, at = self.problems_after(at, known)
            yield from found

    def _anchors(self, given: Iterable[Head], at: Head, found: list[str]) -> dict[int, str]:
        """Heads that must be there, by number: those that are given, and those that were written to files."""
        known: dict[int, str] = {}
        first = at == START
        for head in given:
            if first and head.signature and not self._is_ours(head):
                found.append(f"the exported head of line {head.number} is not signed by this engine")
            known[head.number] = head.sha256
        for path, line, head_ in self._heads.read():
            if head_ is None or not self._is_ours(head_):
                if first:
                    found.append(f"{path}, line {line}: no head that this engine signed")
            elif head_.number > at.number:
                known[head_.number] = head_.sha256
        return {number: sha256 for number, sha256 in known.items() if number > at.number}

    def _is_ours(self, head: Head) -> bool:
        from engine.app.access.signature import is_signed

        return is_signed(head.signed_text, head.signature, self._signer.public)

    def _wrong_end(self, head: Head, last: AuditLine | None) -> str:
        """Check the end of the trail; return what is wrong, empty when nothing is."""
        if head.signature:
            return "" if self._is_ours(head) else "the end of the trail is not signed by this engine"
        if head.number == 0 or (last is not None and last.record.action == audit.MIGRATED):
            return ""
        return "the end of the trail is not signed"

    def problems_after(
        self, at: Head, anchors: Iterable[Head], most: int = _MANY
    ) -> tuple[list[str], Head | None]:
        """Verify at most `most` lines after `at` (`START`: from the first). Return the problems and the last
        line that was checked; None when the end of the trail was reached.
        """
        found: list[str] = []
        known = self._anchors(anchors, at, found)
        before, last, count = at.sha256, at.number, 0
        newest: AuditLine | None = None
        with self._db.read() as connection:
            head = audit.head(connection)
            for line in islice(audit.lines(connection, last), most):
                if line.number != last + 1:
                    found.append(f"lines {last + 1} to {line.number - 1} are missing")  # and the hash unknown
                elif not _same(audit.digest(before, line.number, line.record), line.sha256):
                    found.append(f"line {line.number} is not what was written, or the line before it is not")
                if line.number in known and not _same(known.pop(line.number), line.sha256):
                    found.append(f"line {line.number} is not that of the exported head")
                before, last, count, newest = line.sha256, line.number, count + 1, line
            over = count < most
            if over and (wrong := self._wrong_end(head, newest)):
                found.append(wrong)
        if over and last != head.number:
            found.append(f"the trail ends with line {last}, and {head.number} were written")
        elif over and last and not _same(before, head.sha256):
            found.append("the last line is not the one that was written last")
        missing = sorted(number for number in known if over or number <= last)
        found += [f"line {number} of an exported head is missing" for number in missing]
        return found, None if over else Head(last, before)


def read_head(text: str) -> Head:
    """Parse an exported head.

    Raises:
        ValueError: it is none.
    """
    fields = json.loads(text)
    if not isinstance(fields, dict):
        raise ValueError("an object is needed")
    return head_of(fields)


def head_of(fields: Mapping[str, Any]) -> Head:
    """Parse a head as it is published.

    Raises:
        ValueError, KeyError, TypeError: it is none.
    """
    return Head(int(fields["number"]), str(fields["sha256"]), str(fields.get("signature", "")))


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode("utf-8", "replace"))


def _published(line: AuditLine) -> Mapping[str, Any]:
    record = line.record
    return {
        "number": line.number,
        "at": iso(record.at),
        "account": record.account_id,
        "action": record.action,
        "status": record.status,
        "execution": record.execution_id,
        "pipeline": record.pipeline,
        "descriptor": record.descriptor_sha256,
        "data": list(record.data),
        "sha256": line.sha256,
    }
