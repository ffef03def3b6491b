"""One at a time: two who move the same thing, or to the same name, do it one after the other.

Where a storage has no rename a move is a copy and a removal, and takes long: a client that asks again would
start another, and two moves to one name would both find it free.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from engine.app.access.tokens import Segments


class PathLocks:
    """Paths that are being moved, from or to."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._taken: list[Segments] = []

    @contextmanager
    def alone(self, *paths: Segments) -> Iterator[None]:
        """Wait until nobody else has one of these, or something above or below of it."""
        with self._changed:
            self._changed.wait_for(lambda: not any(overlap(one, two) for one in paths for two in self._taken))
            self._taken += paths
        try:
            yield
        finally:
            with self._changed:
                for path in paths:
                    self._taken.remove(path)
                self._changed.notify_all()


def overlap(one: Segments, two: Segments) -> bool:
    """Say whether these are the same, or one lies in the other."""
    shorter = min(len(one), len(two))
    return one[:shorter] == two[:shorter]
