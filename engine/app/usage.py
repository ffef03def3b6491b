"""What the work of users has taken: jobs, core hours, GPU hours, bytes, failures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import chain
from typing import Any

from engine.domain.usage import DIMENSIONS, Slot, UsageTotals, summed
from engine.errors import BadRequest
from engine.store import accounts, usage
from engine.store.database import Database

MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])", re.ASCII)


def usage_of(db: Database, by: Sequence[str], since: str = "", until: str = "") -> list[dict[str, Any]]:
    """Give the sums by these dimensions, of months from `since` to `until` (YYYY-MM, both included).

    Raises:
        BadRequest: there is no such dimension, or a month is none.
    """
    if unknown := [one for one in by if one not in DIMENSIONS]:
        raise BadRequest(f"usage by {unknown[0]!r} is not known", remedy=f"there is {', '.join(DIMENSIONS)}")
    for month in (since, until):
        if month and not MONTH.fullmatch(month):
            raise BadRequest(f"{month!r} is no month", remedy="for example 2026-11")
    with db.read() as connection:
        groups = {one.id: [group.name for group in one.groups] for one in accounts.every(connection)}
        found = _within(chain(usage.purged(connection), usage.counted(connection)), since, until)
        sums = summed(found, by, groups)
    return [{**dict(zip(by, key, strict=True)), **_rounded(each)} for key, each in sums]


def _within(
    found: Iterator[tuple[Slot, UsageTotals]], since: str, until: str
) -> Iterator[tuple[Slot, UsageTotals]]:
    return (pair for pair in found if since <= pair[0].month and (not until or pair[0].month <= until))


def _rounded(sums: UsageTotals) -> dict[str, Any]:
    return {**asdict(sums), "core_hours": round(sums.core_hours, 6), "gpu_hours": round(sums.gpu_hours, 6)}
