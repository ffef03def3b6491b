"""What each account may use at a time."""

from __future__ import annotations

from threading import Lock


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
