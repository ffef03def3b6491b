"""Wrong keys and passwords, counted by address: guessing is made slow."""

from __future__ import annotations

from collections import OrderedDict, deque
from ipaddress import IPv6Address, ip_address
from threading import Lock

from engine.clock import Clock

WINDOW_S = 60.0
"""Seconds in which failures are counted."""
_ADDRESSES = 10_000


class Failures:
    """At most so many from one network in a minute, or for one name from there."""

    def __init__(self, most: int, clock: Clock) -> None:
        self._most = most
        self._clock = clock
        self._lock = Lock()
        self._of: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()

    def add(self, address: str, name: str = "") -> None:
        """One more."""
        key = (network(address), name)
        with self._lock:
            times = self._of.setdefault(key, deque(maxlen=self._most))
            times.append(self._clock.now())
            self._of.move_to_end(key)
            while len(self._of) > _ADDRESSES:
                self._of.popitem(last=False)

    def count(self, address: str, name: str = "") -> int:
        """Return how many there were within the last minute, as far as they are counted."""
        with self._lock:
            times = self._of.get((network(address), name), ())
            return sum(one > self._clock.now() - WINDOW_S for one in times)

    def too_many(self, address: str, name: str = "") -> bool:
        """Say whether this address has to wait."""
        with self._lock:
            times = self._of.get((network(address), name))
            return bool(times and len(times) == self._most and times[0] > self._clock.now() - WINDOW_S)


def network(address: str) -> str:
    """Whom an address is one of: with IPv6 everybody has 2^64 of them, whose first half is the same."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return address
    return str(found.ipv4_mapped or IPv6Address(int(found) >> 64 << 64))
