"""Knowing the state of a hundred thousand jobs by asking small questions.

Each cycle asks what has changed since the last one, by the server's clock and with some overlap, and for the
number of active jobs by state. When that number is not ours, something was missed: a job was removed, or
its change was stamped by a clock that is late. Then, and every quarter of an hour, everything is compared.
The cost does not depend on the number of jobs that have ended.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from sys import intern
from typing import Any, Protocol

from engine.backends.wms import states
from engine.ports import Observation, Seen

log = logging.getLogger("engine.backends.wms")

Row = Mapping[str, Any]
"""What DIRAC says of a job, by its own names."""

FIELDS = ["JobID", "Status", "MinorStatus", "ApplicationStatus", "Site", "JobGroup"]
"""What a row must have; `Questions.active` gives JobName too."""
OVERLAP = 30.0
"""Seconds by which two questions about changes overlap."""
FULL_EVERY = 900.0
"""Seconds between two comparisons of everything."""
PATIENCE = 3
"""Cycles in which the numbers may differ before everything is compared: jobs move while we count."""
PAGE = 5000


class Questions(Protocol):
    """What is asked of the server. Times are by its own clock, in seconds since 1970-01-01 UTC."""

    def changed(self, groups: Sequence[str], since: float) -> tuple[list[Row], float]:
        """Jobs of these groups that have changed since then, and when that was asked."""

    def count_active(self, groups: Sequence[str]) -> int:
        """The number of jobs of these groups that may still move."""

    def active(self, groups: Sequence[str]) -> list[Row]:
        """Jobs of these groups that may still move, with their names."""

    def of(self, numbers: Sequence[int]) -> tuple[list[Row], float]:
        """These jobs, as far as they are there, and when that was asked."""

    def cancel(self, native_ids: Sequence[str]) -> None:
        """Ask for the end of these."""


@dataclass(slots=True)
class _Cycle:
    """When what was asked, by our own clock but for `mark`."""

    refreshed: float
    compared: float
    mark: float
    odd: int = 0


class Watch:
    """What is known of the jobs that somebody asked about."""

    def __init__(self, ask: Questions, clock: Callable[[], float], period: float) -> None:
        self._ask = ask
        self._clock = clock
        self._period = period
        self._known: dict[str, Observation] = {}
        self._absent: set[str] = set()
        self._groups: set[str] = set()
        self._cycle: _Cycle | None = None

    def observe(self, native_ids: Sequence[str]) -> list[Observation]:
        """What is known now of these; an unknown one is absent."""
        now = self._clock()
        if self._cycle is None or now - self._cycle.refreshed >= self._period:
            self._refresh(now)
        new = [id_ for id_ in native_ids if id_ not in self._known and id_ not in self._absent]
        self._look_up(new)
        return [self._known[id_] for id_ in native_ids if id_ in self._known]

    def submitted(self, native_ids: Iterable[str], group: str, at: float) -> None:
        """These are new: the server said so at this time of its clock."""
        self._begin(at)
        self._groups.add(group)
        for id_ in native_ids:
            self._known[id_] = Observation(id_, Seen.QUEUED, "Received")

    def forget(self, native_ids: Iterable[str]) -> None:
        """Nobody asks about these any more."""
        for id_ in native_ids:
            self._known.pop(id_, None)

    def hurry(self) -> None:
        """Ask again at the next occasion: something was done that changes states."""
        if self._cycle is not None:
            self._cycle.refreshed = float("-inf")

    # --- questions ---------------------------------------------------------------------------------

    def _look_up(self, ids: Sequence[str]) -> None:
        numbers = [int(id_) for id_ in ids if id_.isdigit()]
        found = set[str]()
        for start in range(0, len(numbers), PAGE):
            rows, at = self._ask.of(numbers[start : start + PAGE])
            self._begin(at)
            self._note(rows)
            found.update(str(row["JobID"]) for row in rows)
        self._absent.update(id_ for id_ in ids if id_ not in found)

    def _refresh(self, now: float) -> None:
        self._absent.clear()  # they are looked up again
        cycle = self._cycle
        if cycle is None or not self._count():
            self._cycle = None  # the next job starts a new one
            return
        cycle.refreshed = now
        groups = sorted(self._groups)
        rows, cycle.mark = self._ask.changed(groups, cycle.mark - OVERLAP)
        self._note(row for row in rows if str(row["JobID"]) in self._known)
        there = self._ask.count_active(groups)
        cycle.odd = 0 if there == self._count() else cycle.odd + 1
        if cycle.odd >= PATIENCE or now - cycle.compared >= FULL_EVERY:
            self._compare(now, groups)

    def _compare(self, now: float, groups: Sequence[str]) -> None:
        """Look at every job that we think active: some are gone, some have changed unheard."""
        assert self._cycle is not None  # noqa: S101  # only `_refresh` comes here
        self._cycle.compared, self._cycle.odd = now, 0
        rows = self._ask.active(groups)
        there = {str(row["JobID"]): row["JobName"] for row in rows}
        self._end_copies(there)
        self._note(row for row in rows if str(row["JobID"]) in self._known)
        silent = [id_ for id_, o in self._known.items() if o.seen != Seen.FINISHED and id_ not in there]
        for id_ in silent:
            del self._known[id_]
        self._look_up(silent)
        if missing := [id_ for id_ in silent if id_ not in self._known]:
            log.warning("%d jobs were removed from DIRAC: %s", len(missing), ", ".join(missing[:5]))
        self._groups = {row["JobGroup"] for row in rows if str(row["JobID"]) in self._known} | {
            group for group in self._groups if not rows
        }

    def _end_copies(self, names: Mapping[str, str]) -> None:
        """A submission that was given up and arrived late has a twin, which is the one that we know."""
        ours = {name for id_, name in names.items() if id_ in self._known}
        copies = [id_ for id_, name in names.items() if id_ not in self._known and name in ours]
        if copies:
            log.warning("%d jobs arrived twice; the copies end: %s", len(copies), ", ".join(copies[:5]))
            self._ask.cancel(copies)

    # --- memory ------------------------------------------------------------------------------------

    def _begin(self, at: float) -> None:
        """The first answer starts the cycle."""
        if self._cycle is None:
            now = self._clock()
            self._cycle = _Cycle(now, now, at)

    def _note(self, rows: Iterable[Row]) -> None:
        for row in rows:
            id_ = str(row["JobID"])
            seen = states.seen(row["Status"])
            words = states.words(
                row["Status"], row.get("MinorStatus") or "", row.get("ApplicationStatus") or ""
            )
            self._known[id_] = Observation(id_, seen, intern(words), intern(_site(row.get("Site") or "")))
            if row.get("JobGroup"):
                self._groups.add(row["JobGroup"])

    def _count(self) -> int:
        return sum(1 for o in self._known.values() if o.seen != Seen.FINISHED)


def _site(name: str) -> str:
    """The site of a job, once it has one."""
    return "" if name in ("ANY", "Multiple", "Unknown") else name
