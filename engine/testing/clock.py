"""A clock for tests: it stands still until it is told to go on."""

from __future__ import annotations

START = 1_750_000_000.0
"""Where a fake clock starts: 2025-06-15T15:06:40Z, a fixed moment so that failures repeat."""


class FakeClock:
    """An `engine.clock.Clock` whose hands move only by `sleep` and `advance`."""

    def __init__(self, start: float = START) -> None:
        self._now = start
        self.slept: list[float] = []
        """Every wait that was asked for, in seconds, in order."""

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Return at once, `seconds` later."""
        self.slept.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass.

        Raises:
            ValueError: time does not go backwards; to test a clock that is set back, use `set`.
        """
        if seconds < 0:
            raise ValueError(f"cannot advance by {seconds} s: time does not go backwards")
        self._now += seconds

    def set(self, seconds: float) -> None:
        """Put the hands somewhere, as an administrator does who corrects a machine's clock."""
        self._now = seconds
