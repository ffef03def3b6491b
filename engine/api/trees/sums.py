"""MD5s of files of a storage, so that they are read back once at most."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from engine.api.trees.path_locks import overlap
from engine.app.access.tokens import Segments
from engine.ports import Stat

_MANY = 10_000
STABLE_AFTER_S = 2.0
"""Seconds: dates of storages count whole ones."""


def is_stable(found: Stat, now: float) -> bool:
    """Say whether another content would have another size or date: not within the second of the last
    change, nor where a storage tells no date.
    """
    return 0 < found.modified <= now - STABLE_AFTER_S


@dataclass(slots=True, eq=False)
class TreeChange:
    """A change that this engine makes."""

    paths: Sequence[Segments]
    alone: bool = True
    learned: tuple[Stat, str] | None = None
    """How its first path is afterwards, and its MD5: remembered if nobody else changed it meanwhile."""


class ChecksumCache:
    """Checksums by path, size and date of the file; a change that this engine makes itself drops them."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: OrderedDict[Segments, tuple[int, float, str]] = OrderedDict()
        self._changes: list[TreeChange] = []

    def of(self, path: Segments, found: Stat) -> str | None:
        """Return what is known of a file as it is now."""
        with self._lock:
            size, modified, md5 = self._known.get(path, (-1, 0.0, ""))
        return md5 if (size, modified) == (found.size, found.modified) else None

    def store(self, path: Segments, found: Stat, md5: str) -> None:
        """Remember it."""
        with self._lock:
            self._store(path, found, md5)

    @contextmanager
    def changing(self, *paths: Segments) -> Iterator[TreeChange]:
        """Forget what was known of these and of what is below, however the change ends."""
        change = TreeChange(paths)
        with self._lock:
            for other in self._changes:
                if any(overlap(one, two) for one in paths for two in other.paths):
                    change.alone = other.alone = False
            self._changes.append(change)
        try:
            yield change
        finally:
            with self._lock:
                self._changes.remove(change)
                for known in [one for one in self._known if any(one[: len(p)] == p for p in paths)]:
                    del self._known[known]
                if change.learned and change.alone:
                    self._store(paths[0], *change.learned)

    def _store(self, path: Segments, found: Stat, md5: str) -> None:
        if not found.modified:
            return  # nothing would tell it from another file of this size
        self._known[path] = (found.size, found.modified, md5)
        if len(self._known) > _MANY:
            self._known.popitem(last=False)
