"""The submissions that wait, in the order of their names, read from a directory that may be long."""

import heapq
import time
from typing import Iterable, List, Set

from wrappers.serve.spool import Spool

SHARE = 0.1  # of our time that looking through the spool may take
POLL_INTERVAL_S = (
    10.0  # seconds after which we look without having been asked: a wake may be lost with its sender
)


class Queue:
    """Waiting submissions. Looking costs a listing, so it is done when asked, and not too often."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._waiting: List[str] = []  # a heap
        self._known: Set[str] = set()
        self._asked = True
        self._affordable_at = 0.0
        self._poll_at = 0.0
        self.cancelled: List[str] = []  # ended before they were started

    def __len__(self) -> int:
        return len(self._waiting)

    def wake(self) -> None:
        """Something may be new."""
        self._asked = True

    def skip(self, keys: Iterable[str]) -> None:
        """Leave these out: they run, or have ended."""
        self._known.update(keys)

    def first(self) -> str:
        """Return the name that is next. There must be one."""
        return self._waiting[0]

    def pop(self) -> str:
        """Take the name that is next."""
        return heapq.heappop(self._waiting)

    def put_back(self, key: str) -> None:
        """Put a name back: it could not be started after all."""
        heapq.heappush(self._waiting, key)

    def timeout(self, now: float) -> float:
        """Seconds until we want to look again."""
        return max(0.0, (self._affordable_at if self._asked else self._poll_at) - now)

    def look(self) -> None:
        """Find new submissions and cancelled ones, if it is time."""
        begun = time.monotonic()
        if begun < (self._affordable_at if self._asked else self._poll_at):
            return
        self._asked = False
        names = set(self._spool.submissions())
        for key in names - self._known:
            heapq.heappush(self._waiting, key)
        self._known = names
        cancelled = {key for key in self._waiting if self._spool.has(key, "cancel")}
        if cancelled:
            self.cancelled.extend(sorted(cancelled))
            self._waiting = [key for key in self._waiting if key not in cancelled]
            heapq.heapify(self._waiting)
        now = time.monotonic()
        self._affordable_at = now + (now - begun) / SHARE
        self._poll_at = now + POLL_INTERVAL_S
