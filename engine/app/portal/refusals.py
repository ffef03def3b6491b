"""Refused requests in the audit trail: a line for each kind of refusal that somebody meets in a minute, and a
second one that counts its repetitions.

Whoever asks never waits for the trail, and cannot fill it: strangers together, and each account, have at
most `MOST` kinds in a minute; what goes beyond is counted in one more line. A stranger's address is told as a
keyed hash. Refusals of the last moment are lost when the process is killed.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from threading import Condition, Thread

from engine.app.portal.audit import AuditTrail
from engine.clock import Clock
from engine.errors import EngineError
from engine.store.audit import AuditRecord

WINDOW_S = 60.0
"""Seconds in which the same refusal is one line."""
MOST = 20
"""Kinds of refusals in that time that have lines of their own, for each account and for all strangers."""
_HELD = 1000
"""Lines that wait for a database that does not answer."""
_RETRY_INTERVAL_S = 5.0
_OTHERS = "others"
_LONGEST = 32
logger = logging.getLogger("engine.audit")


@dataclass(frozen=True, slots=True)
class RecordedRefusal:
    """A request that was refused: who, what, and with which words. No name, no value, no path."""

    account_id: str
    """Empty: nobody who is known."""
    address: str
    """Of the client; told for those who are not known."""
    action: str
    """Method and route."""
    status: int
    code: int = 0
    """`errorCode` of the answer; 0: it had none."""
    execution_id: str = ""

    @property
    def words(self) -> str:
        """How it was answered."""
        return f"refused {self.status} {self.code}" if self.code else f"refused {self.status}"


class Minutes:
    """The lines and counts of refusals in each minute. Pure: given the time, it does nothing by itself."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._seen: dict[str, Counter[RecordedRefusal]] = {}

    def add(self, one: RecordedRefusal, now: float) -> bool:
        """Count a refusal; gives whether it has a line of its own at once."""
        who = one.account_id
        self._since.setdefault(who, now)
        seen = self._seen.setdefault(who, Counter())
        if one not in seen and len(seen) >= MOST:
            one = replace(one, address="", action=_OTHERS, status=0, code=0, execution_id="")
        seen[one] += 1
        return seen[one] == 1 and one.action != _OTHERS

    def ends(self) -> float | None:
        """Return when the next minute is over; None: there is nothing to count."""
        return min(self._since.values()) + WINDOW_S if self._since else None

    def over(self, now: float) -> Iterator[tuple[RecordedRefusal, int]]:
        """Yield what was repeated, and how often, in minutes that are over by now, and forget it."""
        for who in [who for who, since in self._since.items() if now >= since + WINDOW_S]:
            del self._since[who]
            for one, count in self._seen.pop(who).items():
                more = count if one.action == _OTHERS else count - 1
                if more:
                    yield one, more


class Refusals:
    """Writer of refusals to the trail, in a thread of its own: many at a time, in one transaction."""

    def __init__(self, trail: AuditTrail, clock: Clock) -> None:
        self._trail = trail
        self._clock = clock
        self._minutes = Minutes()
        self._lines: deque[AuditRecord] = deque(maxlen=_HELD)
        self._changed = Condition()
        self._ended = False
        self._thread = Thread(target=self._run, name="refusals", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def record(self, one: RecordedRefusal) -> None:
        """Have a refusal written. Returns at once."""
        with self._changed:
            if self._minutes.add(one, self._clock.now()):
                self._lines.append(self._record(one, one.words))
                self._changed.notify()

    def close(self) -> None:
        """Write what is left, counts of this minute too, and end."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines or self._ended, self._left())
                ended = self._ended
                for one, more in self._minutes.over(self._clock.now() + (WINDOW_S if ended else 0.0)):
                    words = "refused" if one.action == _OTHERS else one.words
                    self._lines.append(self._record(one, f"{words}, {more} more"))
                lines = list(self._lines)
                self._lines.clear()
            written = self._written(lines)
            with self._changed:
                if not written and not ended:
                    self._lines.extendleft(reversed(lines))
                    self._changed.wait_for(lambda: self._ended, _RETRY_INTERVAL_S)
                if ended:
                    return

    def _left(self) -> float | None:
        ends = self._minutes.ends()
        return None if ends is None else max(0.0, ends - self._clock.now())

    def _written(self, lines: list[AuditRecord]) -> bool:
        try:
            if lines:
                self._trail.write(lines)
        except EngineError as error:
            logger.error("%d lines of the audit trail cannot be written now: %s", len(lines), error.message)
            return False
        except Exception:  # a defect of ours: those to come are still written
            logger.exception("defect")
        return True

    def _record(self, one: RecordedRefusal, words: str) -> AuditRecord:
        who = () if one.account_id or not one.address else self._trail.data_ids([f"client {one.address}"])
        return self._trail.entry(
            one.account_id,
            one.action[:_LONGEST],
            words[:_LONGEST],
            execution_id=one.execution_id,
            data=who,
        )
