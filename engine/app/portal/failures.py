"""Wrong keys and passwords, counted by address: guessing is made slow."""

from __future__ import annotations

from collections import OrderedDict, deque
from threading import Lock

from engine.clock import Clock

WINDOW = 60.0
"""Seconds in which failures are counted."""
_ADDRESSES = 10_000


class Failures:
    """At most so many from one address in a minute."""

    def __init__(self, most: int, clock: Clock) -> None:
        self._most = most
        self._clock = clock
        self._lock = Lock()
        self._of: OrderedDict[str, deque[float]] = OrderedDict()

    def add(self, address: str) -> None:
        """One more."""
        with self._lock:
            times = self._of.setdefault(address, deque(maxlen=self._most))
            times.append(self._clock.now())
            self._of.move_to_end(address)
            while len(self._of) > _ADDRESSES:
                self._of.popitem(last=False)

    def count(self, address: str) -> int:
        """How many there were within the last minute, as far as they are counted."""
        with self._lock:
            return sum(one > self._clock.now() - WINDOW for one in self._of.get(address, ()))

    def too_many(self, address: str) -> bool:
        """Whether this address has to wait."""
        with self._lock:
            times = self._of.get(address)
            return bool(times and len(times) == self._most and times[0] > self._clock.now() - WINDOW)
