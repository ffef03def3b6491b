"""What each account may use of something in a while: a bucket that fills again (token bucket)."""

from __future__ import annotations

import time
from collections import OrderedDict
from threading import Lock

_ACCOUNTS = 10_000


class Allowance:
    """`most` at once, and `rate` a second. Used by one event loop only."""

    def __init__(self, most: float, rate: float) -> None:
        self._most = most
        self._rate = rate
        self._used: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, account: str, amount: float) -> float:
        """Take so much; else the seconds after which it may be had, and nothing is taken."""
        now = time.monotonic()
        used, at = self._used.get(account, (0.0, now))
        used = max(0.0, used - (now - at) * self._rate)
        if used and used + amount > self._most:
            return (used + amount - self._most) / self._rate
        self._used[account] = used + amount, now
        self._used.move_to_end(account)
        if len(self._used) > _ACCOUNTS:
            self._used.popitem(last=False)
        return 0.0


class Shares:
    """At most `each` at a time of one account."""

    def __init__(self, each: int) -> None:
        self._each = each
        self._lock = Lock()
        self._taken: dict[str, int] = {}

    def take(self, account: str) -> bool:
        """Take one, if there is one left."""
        with self._lock:
            taken = self._taken.get(account, 0)
            if taken < self._each:
                self._taken[account] = taken + 1
            return taken < self._each

    def give_back(self, account: str) -> None:
        """One that was taken is not used any more."""
        with self._lock:
            self._taken[account] -= 1
            if not self._taken[account]:
                del self._taken[account]
