"""Pauses between the tries of something that fails: each longer than the one before, up to the longest."""

from typing import NamedTuple


class Backoff(NamedTuple):
    """A rule by which pauses grow, in seconds."""

    first: float
    longest: float = float("inf")
    factor: float = 2.0

    def pause(self, earlier: int) -> float:
        """Return the pause that follows so many others."""
        return min(self.first * self.factor ** min(earlier, 64), self.longest)

    def after(self, pause: float) -> float:
        """Return the pause that follows one of so many seconds; the first one after 0."""
        return min(max(pause * self.factor, self.first), self.longest)
