"""The audit trail: append-only, each line bound to the one before it by its hash.

The hash of a line covers the hash of the line before and its own canonical JSON, so that altering, removing
or reordering any line breaks every later one; the head says how long the trail is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.store.rows import from_row, to_row
from engine.store.schema import audit, audit_head
from engine.store.statements import insert_new

START = "0" * 64
"""What stands before the first line."""
MIGRATED = "audit.migrate"
"""The action of the last line that an engine wrote without signing the head."""
Sign = Callable[[str], str]
"""A signature of a text."""


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """A record of who did what, without names of files or values: they can carry a patient's name."""

    at: float
    account_id: str
    action: str
    status: str
    execution_id: str = ""
    pipeline: str = ""
    descriptor_sha256: str = ""
    data: Sequence[str] = ()
    """Keyed hashes of the logical names of data."""


@dataclass(frozen=True, slots=True)
class AuditLine:
    """A record in its place."""

    number: int
    record: AuditRecord
    sha256: str


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the trail."""

    number: int
    sha256: str
    signature: str = ""
    """Of `signed_text`; empty: an older engine's."""

    @property
    def signed_text(self) -> str:
        """What is signed of it."""
        return f"audit head {self.number} {self.sha256}"


def digest(before: str, number: int, record: AuditRecord) -> str:
    """Compute the hash of a line."""
    fields = [
        number,
        repr(record.at),
        record.account_id,
        record.action,
        record.status,
        record.execution_id,
        record.pipeline,
        record.descriptor_sha256,
        list(record.data),
    ]
    text = before + json.dumps(fields, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def append(connection: Connection, records: Sequence[AuditRecord], sign: Sign) -> Head:
    """Write lines at the end, and sign it; whoever else writes waits for the end of this transaction."""
    insert_new(connection, audit_head, {"id": 1, "number": 0, "sha256": START})
    current = head(connection, lock=True)
    number, before, rows = current.number, current.sha256, []
    for record in records:
        number += 1
        before = digest(before, number, record)
        data = json.dumps(list(record.data), separators=(",", ":"))
        rows.append(to_row(audit, record, number=number, data=data, sha256=before))
    if not rows:
        return current
    connection.execute(sa.insert(audit), rows)
    made = Head(number, before)
    made = Head(number, before, sign(made.signed_text))
    connection.execute(sa.update(audit_head).values(number=number, sha256=before, signature=made.signature))
    return made


def head(connection: Connection, *, lock: bool = False) -> Head:
    """Read the end of the trail."""
    query = sa.select(audit_head)
    row = connection.execute(query.with_for_update() if lock else query).first()
    return from_row(Head, row) if row else Head(0, START)


def migrated(connection: Connection) -> int:
    """Read the number of the line up to which no head was signed; 0: all were."""
    query = sa.select(sa.func.min(audit.c.number)).where(audit.c.action == MIGRATED)
    return int(connection.execute(query).scalar() or 0)


def lines(connection: Connection, after: int = 0) -> Iterator[AuditLine]:
    """All lines after a number, in order, a page at a time."""
    while True:
        query = sa.select(audit).where(audit.c.number > after).order_by(audit.c.number).limit(1000)
        page = connection.execute(query).all()
        if not page:
            return
        yield from (_from_row(row) for row in page)
        after = page[-1].number


def _from_row(row: Any) -> AuditLine:
    try:
        data = tuple(json.loads(row.data))
    except (ValueError, TypeError):
        data = (f"not what was written: {row.data}",)  # its hash will not fit
    return AuditLine(row.number, from_row(AuditRecord, row, data=data), row.sha256)
