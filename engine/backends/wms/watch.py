"""Knowing the state of a hundred thousand jobs by asking small questions.

Each cycle asks what has changed since the last one, by the server's clock and with some overlap, and for the
number of active jobs by state. When that number is not ours, something was missed: a job was removed, or
its change was stamped by a clock that is late. Then, and every quarter of an hour, everything is compared.
The cost does not depend on the number of jobs that have ended, and answers are read page by page: of a job
nothing is kept but its number and what is said of it, which is the same words for most.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple, Protocol

from engine.backends.wms import states
from engine.ports import Observation, Seen

log = logging.getLogger("engine.backends.wms")

Row = Mapping[str, Any]
"""What DIRAC says of a job, by its own names."""

FIELDS = ["JobID", "Status", "MinorStatus", "ApplicationStatus", "Site", "JobGroup"]
"""What a row must have; those of `Questions.active` have JobName too."""
OVERLAP_S = 30.0
"""Seconds by which two questions about changes overlap."""
FULL_INTERVAL_S = 900.0
"""Seconds between two comparisons of everything."""
TOLERATED_MISMATCHES = 3
"""Cycles in which the numbers may differ before everything is compared: jobs move while we count."""
PAGE = 5000
"""Jobs of one question, and of one page of an answer: some five megabytes."""


class AnswerPage(NamedTuple):
    """A piece of an answer."""

    rows: Sequence[Row]
    at: float
    """When the question was asked, by the server's clock."""


class Questions(Protocol):
    """The questions to the server. Times are by its own clock, in seconds since 1970-01-01 UTC."""

    def changed(self, groups: Sequence[str], since: float) -> Iterator[AnswerPage]:
        """Jobs of these groups that have changed since then; one page at least."""

    def count_active(self, groups: Sequence[str]) -> int:
        """Count the jobs of these groups that may still move."""

    def active(self, groups: Sequence[str]) -> Iterator[AnswerPage]:
        """Jobs of these groups that may still move, with their names."""

    def of(self, numbers: Sequence[int]) -> AnswerPage:
        """Read these jobs, `PAGE` at most, as far as they are there."""

    def find(self, group: str, keys: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Native ids, oldest first, of the jobs of a group by their names."""

    def cancel(self, native_ids: Sequence[str]) -> None:
        """Ask for the end of these."""

    def delete(self, native_ids: Sequence[str]) -> None:
        """Ask for the end of these, and that nothing be kept of them."""


class _JobState(NamedTuple):
    """The state of a job, as the server has it."""

    seen: Seen
    words: str
    site: str


@dataclass(slots=True)
class _Cycle:
    """The times of one cycle of questions, by our own clock but for `mark`."""

    refreshed: float
    compared: float
    mark: float
    odd: int = 0


class JobWatch:
    """The known states of the jobs that somebody asked about."""

    def __init__(self, ask: Questions, clock: Callable[[], float], period: float) -> None:
        self._ask = ask
        self._clock = clock
        self._period = period
        self._known: dict[int, _JobState] = {}
        self._absent: set[int] = set()
        self._groups: set[str] = set()
        self._cycle: _Cycle | None = None

    def observe(self, native_ids: Sequence[str]) -> list[Observation]:
        """Return what is known now of these; an unknown one is absent."""
        now = self._clock()
        if self._cycle is None or now - self._cycle.refreshed >= self._period:
            self._refresh(now)
        numbers = _numbers(native_ids)
        self._look_up([n for n in numbers if n not in self._known and n not in self._absent])
        return [Observation(str(n), *self._known[n]) for n in numbers if n in self._known]

    def submitted(self, native_ids: Iterable[str], group: str, at: float) -> None:
        """Add new jobs: the server said so at this time of its clock."""
        self._begin(at)
        self._groups.add(group)
        self._known.update(dict.fromkeys(_numbers(native_ids), _RECEIVED))

    def forget(self, native_ids: Iterable[str]) -> None:
        """Nobody asks about these any more."""
        for number in _numbers(native_ids):
            self._known.pop(number, None)

    def hurry(self) -> None:
        """Ask again at the next occasion: something was done that changes states."""
        if self._cycle is not None:
            self._cycle.refreshed = float("-inf")

    # --- questions ---------------------------------------------------------------------------------

    def _look_up(self, numbers: Sequence[int]) -> None:
        for start in range(0, len(numbers), PAGE):
            asked = numbers[start : start + PAGE]
            page = self._ask.of(asked)
            self._begin(page.at)
            self._note(page.rows)
            self._absent.update(n for n in asked if n not in self._known)

    def _refresh(self, now: float) -> None:
        self._absent.clear()  # they are looked up again
        cycle = self._cycle
        if cycle is None or not self._count():
            self._cycle = None  # the next job starts a new one
            return
        groups = sorted(self._groups)
        mark = cycle.mark
        for nth, page in enumerate(self._ask.changed(groups, mark - OVERLAP_S)):
            mark = mark if nth else page.at
            self._note(self._ours(page.rows))
        cycle.mark = mark  # only now: an answer that breaks off is asked for once more
        there = self._ask.count_active(groups)
        cycle.odd = 0 if there == self._count() else cycle.odd + 1
        if cycle.odd >= TOLERATED_MISMATCHES or now - cycle.compared >= FULL_INTERVAL_S:
            self._compare(now, groups)
        cycle.refreshed = self._clock()  # a server that takes longer than a period is not asked without end

    def _compare(self, now: float, groups: Sequence[str]) -> None:
        """Look at every job that we think active: some are gone, some have changed unheard."""
        assert self._cycle is not None  # noqa: S101  # only `_refresh` comes here
        silent = {number for number in self._known if self._moves(number)}
        strange: list[tuple[str, str, int]] = []
        alive = set[str]()
        for page in self._ask.active(groups):
            ours = self._ours(page.rows)
            self._note(ours)
            silent.difference_update(int(row["JobID"]) for row in ours)
            alive.update(row["JobGroup"] for row in ours)
            if len(ours) < len(page.rows):
                rows = (row for row in page.rows if int(row["JobID"]) not in self._known)
                strange += [(row["JobGroup"], row["JobName"], int(row["JobID"])) for row in rows]
        self._groups = alive or set(groups)
        for number in silent:
            del self._known[number]
        self._look_up(sorted(silent))
        if missing := [str(number) for number in sorted(silent) if number not in self._known]:
            log.warning("%d jobs were removed from DIRAC: %s", len(missing), ", ".join(missing[:5]))
        self._end_copies(sorted(strange))
        self._cycle.compared, self._cycle.odd = now, 0  # only now: what breaks off is done once more

    def _end_copies(self, strange: Sequence[tuple[str, str, int]]) -> None:
        """End the copy of a submission that was given up and arrived late: its twin is the one that we know.
        `strange` are group, name and number of jobs that nobody asked about, sorted.
        """
        copies: list[str] = []
        for group, items in groupby(strange, key=itemgetter(0)):
            some = list(items)
            named = self._ask.find(group, [name for _, name, _ in some])
            ours = {name for name, ids in named.items() if any(self._moves(n) for n in _numbers(ids))}
            copies += [str(number) for _, name, number in some if name in ours]
        if copies:
            log.warning("%d jobs arrived twice; the copies end: %s", len(copies), ", ".join(copies[:5]))
            self._ask.cancel(copies)

    # --- memory ------------------------------------------------------------------------------------

    def _begin(self, at: float) -> None:
        """Begin the cycle with the first answer."""
        if self._cycle is None:
            now = self._clock()
            self._cycle = _Cycle(now, now, at)

    def _ours(self, rows: Iterable[Row]) -> list[Row]:
        return [row for row in rows if int(row["JobID"]) in self._known]

    def _note(self, rows: Iterable[Row]) -> None:
        for row in rows:
            minor, application = row.get("MinorStatus") or "", row.get("ApplicationStatus") or ""
            self._known[int(row["JobID"])] = _state(row["Status"], minor, application, row.get("Site") or "")
            if row.get("JobGroup"):
                self._groups.add(row["JobGroup"])

    def _moves(self, number: int) -> bool:
        """Say whether we know a job, and think that it may still move."""
        state = self._known.get(number)
        return state is not None and state.seen != Seen.FINISHED

    def _count(self) -> int:
        return sum(1 for state in self._known.values() if state.seen != Seen.FINISHED)


@lru_cache(maxsize=10_000)
def _state(status: str, minor: str, application: str, site: str) -> _JobState:
    """Parse what is said of a job, once for all of which the same is said."""
    where = "" if site in ("ANY", "Multiple", "Unknown") else site  # it has none yet
    return _JobState(states.seen(status), states.status_text(status, minor, application), where)


def _numbers(native_ids: Iterable[str]) -> list[int]:
    """DIRAC's numbers of jobs; another id is none of DIRAC's."""
    return [int(id_) for id_ in native_ids if id_.isdecimal() and id_.isascii()]


_RECEIVED = _state("Received", "", "", "")
