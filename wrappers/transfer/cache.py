"""Inputs kept on a node: by content, locked, bounded, shared by its jobs. A job gets a copy: tools write.

Whoever lacks a file brings it while others wait for the lock. Every use hashes the copy that it makes, so
what was damaged on the disk is noticed and brought anew.
"""

import errno
import hashlib
import os
from pathlib import Path
from typing import Callable, NamedTuple, Optional, Sequence

from wrappers.containers.directory_cache import DirectoryCache
from wrappers.transfer.checksums import Hasher
from wrappers.transfer.part import Expected

_PIECE = 1 << 20
_CONTENT = "content"


class CachedInput(NamedTuple):
    """An input as a job got it."""

    size: int
    sha256: str
    hit: bool


class Damaged(OSError):
    """The disk gives back something else than was written."""


class InputCache:
    """The cache in one directory."""

    def __init__(self, directory: str, limit: Optional[int] = None) -> None:
        """`limit` are the bytes it should not exceed."""
        self._cache = DirectoryCache(Path(directory))
        self._limit = limit

    def takes(self, expected: Expected, urls: Sequence[str]) -> bool:
        """Say whether such a file is kept here: it can be told from all others, and is not too large."""
        fits = self._limit is None or (expected.size or 0) <= self._limit
        return fits and bool(key(expected, urls))

    def take(
        self, expected: Expected, urls: Sequence[str], target: str, bring: Callable[[str], object]
    ) -> CachedInput:
        """Copy a file to `target`, which must be free; when it is not here, `bring` brings it to a path, as
        it is expected.

        Raises:
            OSError: the disk is full, or the cache cannot be written.
            Whatever `bring` raises.
        """
        name = key(expected, urls)

        def make(path: Path) -> bool:
            path.mkdir()
            bring(str(path / _CONTENT))
            return True

        for last in (False, True):
            taken = self._cache.take(name, make)
            try:
                copied = _copy(taken.path / _CONTENT, target, expected)
            finally:
                taken.release()
            if copied is not None:
                self._make_room(name)
                return copied._replace(hit=taken.made is None)
            if last or not self._cache.remove(name):
                break
        raise Damaged(errno.EIO, f"the input cache holds a damaged file that cannot be replaced: {name}")

    def _make_room(self, spare: str) -> None:
        """Remove what nobody uses, the longest unused first, until the limit holds."""
        if self._limit is None:
            return
        names = self._cache.names()
        sizes = {name: _size(self._cache.path(name) / _CONTENT) for name in names}
        total = sum(sizes.values())
        for name in names:
            if total <= self._limit:
                return
            if name != spare and self._cache.remove(name):
                total -= sizes[name]


def key(expected: Expected, urls: Sequence[str]) -> str:
    """Return the name of a content; "" when it has none.

    adler32 finds errors but does not name a content: two files may have the same. With the size, and the URL
    from where it comes, it does.
    """
    for algorithm in ("sha256", "md5"):
        if algorithm in expected.sums:
            return f"{algorithm}-{expected.sums[algorithm].lower()}"
    if "adler32" in expected.sums and expected.size is not None and urls:
        origin = hashlib.sha256(urls[0].encode("utf-8", "surrogateescape")).hexdigest()[:32]
        return f"adler32-{expected.sums['adler32'].lower()}-{expected.size}-{origin}"
    return ""


def _copy(path: Path, target: str, expected: Expected) -> Optional[CachedInput]:
    """Copy a file of the cache; None when it is not what its name says."""
    hasher = Hasher({"sha256", *expected.sums})
    with open(str(path), "rb", buffering=0) as source, open(target, "xb", buffering=0) as copy:
        for piece in iter(lambda: source.read(_PIECE), b""):
            hasher.update(piece)
            view = memoryview(piece)
            while view:
                view = view[copy.write(view) :]
    found = hasher.results()
    if all(found[name] == wanted.lower() for name, wanted in expected.sums.items()):
        return CachedInput(hasher.size, found["sha256"], True)
    os.unlink(target)
    return None


def _size(path: Path) -> int:
    try:
        return os.path.getsize(str(path))
    except OSError:
        return 0  # being removed by another process
