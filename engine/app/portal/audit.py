"""The audit trail as it is asked for: verified, and its head exported."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from engine.app.access.key import Key
from engine.clock import Clock, iso
from engine.store import audit
from engine.store.audit import Deed, Head
from engine.store.database import Database

_PURPOSE = "audit"
_MANY = 1000
START = Head(0, audit.START)
"""Before the first line."""


class AuditTrail:
    """Who did what, append-only."""

    def __init__(self, db: Database, key: Callable[[], Key], clock: Clock) -> None:
        self._db = db
        self._key = key
        self._clock = clock

    def record(self, account_id: str, action: str, status: str, **more: Any) -> None:
        """Write one line now."""
        self.write([self.deed(account_id, action, status, **more)])

    def write(self, deeds: Sequence[Deed]) -> None:
        """Write lines now."""
        with self._db.write() as connection:
            audit.append(connection, deeds)

    def deed(self, account_id: str, action: str, status: str, **more: Any) -> Deed:
        """A line for a transaction of the caller's."""
        return Deed(self._clock.now(), account_id, action, status, **more)

    def data_ids(self, names: Iterable[str]) -> tuple[str, ...]:
        """What stands for logical names of data: the same name has the same id, and nobody without the
        engine's key can tell which. At most a thousand.
        """
        found = dict.fromkeys(names)
        return tuple(self._key().sign(_PURPOSE, name) for name, _ in zip(found, range(_MANY), strict=False))

    def head(self) -> Head:
        """The end of the trail, to be anchored elsewhere."""
        with self._db.read() as connection:
            return audit.head(connection)

    def lines(self, after: int = 0) -> Iterator[Mapping[str, Any]]:
        """The lines as they are told."""
        with self._db.read() as connection:
            for line in audit.lines(connection, after):
                deed = line.deed
                yield {
                    "number": line.number,
                    "at": iso(deed.at),
                    "account": deed.account_id,
                    "action": deed.action,
                    "status": deed.status,
                    "execution": deed.execution_id,
                    "pipeline": deed.pipeline,
                    "descriptor": deed.descriptor_sha256,
                    "data": list(deed.data),
                    "sha256": line.sha256,
                }

    def problems(self, anchors: Iterable[Head] = ()) -> Iterator[str]:
        """What is wrong with the trail, a line each; nothing when it is whole.

        `anchors` are heads that were exported earlier: the trail must still contain them.
        """
        known = list(anchors)
        found, at = self.problems_after(START, known)
        yield from found
        while at is not None:
            found, at = self.problems_after(at, known)
            yield from found

    def problems_after(
        self, at: Head, anchors: Iterable[Head], most: int = _MANY
    ) -> tuple[list[str], Head | None]:
        """The same of at most so many lines after one (`START`: from the first), and the last of these; None:
        it was the last of all.
        """
        known = {anchor.number: anchor.sha256 for anchor in anchors if anchor.number > at.number}
        found, before, last, count = [], at.sha256, at.number, 0
        with self._db.read() as connection:
            head = audit.head(connection)
            for line in islice(audit.lines(connection, last), most):
                if line.number != last + 1:
                    found.append(f"lines {last + 1} to {line.number - 1} are missing")  # and the hash unknown
                elif not _same(audit.digest(before, line.number, line.deed), line.sha256):
                    found.append(f"line {line.number} is not what was written, or the line before it is not")
                if line.number in known and not _same(known.pop(line.number), line.sha256):
                    found.append(f"line {line.number} is not that of the exported head")
                before, last, count = line.sha256, line.number, count + 1
        over = count < most
        if over and last != head.number:
            found.append(f"the trail ends with line {last}, and {head.number} were written")
        elif over and last and not _same(before, head.sha256):
            found.append("the last line is not the one that was written last")
        missing = sorted(number for number in known if over or number <= last)
        found += [f"line {number} of an exported head is missing" for number in missing]
        return found, None if over else Head(last, before)


def read_head(text: str) -> Head:
    """An exported head.

    Raises:
        ValueError: it is none.
    """
    fields = json.loads(text)
    if not isinstance(fields, dict):
        raise ValueError("an object is needed")
    return head_of(fields)


def head_of(fields: Mapping[str, Any]) -> Head:
    """A head as it is told.

    Raises:
        ValueError, KeyError, TypeError: it is none.
    """
    return Head(int(fields["number"]), str(fields["sha256"]))


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode("utf-8", "replace"))
