"""What each account may use of something in a while: a bucket that fills again (token bucket)."""

from __future__ import annotations

import time
from collections import OrderedDict

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
