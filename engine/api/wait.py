"""Time for which a client is waited for, and what came in it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Wait:
    """The time for which a client was waited for in one window, and the bytes that had come before."""

    since: float | None = None
    """Since when it is waited for now; None: it is not."""
    waited: float = 0.0
    """Seconds before that."""
    counted: int = 0

    def start(self, now: float) -> None:
        """Start to wait."""
        self.since = now

    def stop(self, now: float) -> None:
        """Stop waiting: it did what was waited for."""
        if self.since is not None:
            self.waited += now - self.since
        self.since = None

    def slow(self, now: float, bytes_: int, stall: float, least_rate: int) -> bool:
        """Say whether too few bytes passed in the time that was waited; if not, another window begins."""
        if self.since is None:
            return False
        waited = self.waited + now - self.since
        if waited < stall:
            return False
        if bytes_ - self.counted < max(1.0, least_rate * waited):
            return True
        self.since, self.waited, self.counted = now, 0.0, bytes_
        return False
