"""Fetched layers on disk, by digest: each fetched once, whichever images share it and whoever was killed.

DIRECTORY/sha256-HEX         complete and checked
DIRECTORY/sha256-HEX.part    on its way; the next transfer goes on at its end
DIRECTORY/udocker/           where udocker works, for a layer each
DIRECTORY/lock               shared by whoever uses layers, exclusive for removing some
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from cvmfs_deploy.sources import udocker
from cvmfs_deploy.sources.base import ImageSource
from wrappers.containers.blobs import Blob
from wrappers.containers.cvmfs import directory_name
from wrappers.containers.manifests import Resolved
from wrappers.containers.tree import remove

Progress = Callable[[int], None]
"""Told how many bytes more there are of a layer."""


class Layers:
    """The layers of one run. Use as a context manager."""

    def __init__(self, directory: Path, transfers: int, progress: Progress = lambda more: None) -> None:
        self._directory = directory
        self._progress = progress
        self._pool = ThreadPoolExecutor(transfers, thread_name_prefix="layer")
        self._coming: dict[str, Future[Path]] = {}
        self._lock = threading.Lock()
        self._stop = False
        self.received = 0
        """Bytes from the network."""

    def __enter__(self) -> Layers:
        self._directory.mkdir(parents=True, exist_ok=True)
        self._use = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._use, fcntl.LOCK_SH)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop = True
        self._pool.shutdown(wait=True, cancel_futures=True)
        os.close(self._use)

    def has(self, blob: Blob) -> bool:
        """Say whether a layer need not be fetched."""
        return self._is_there(self._path(blob.digest), blob)

    def request(self, source: ImageSource, image: Resolved, blob: Blob) -> Future[Path]:
        """Fetch the file of a layer, or take it where it is there."""
        with self._lock:
            if blob.digest not in self._coming:
                self._coming[blob.digest] = self._pool.submit(self._obtain, source, image, blob)
            return self._coming[blob.digest]

    def forget(self, blobs: Iterable[Blob]) -> None:
        """Remove layers that turned out to be bad, so that the next run fetches them anew."""
        for blob in blobs:
            self._path(blob.digest).unlink(missing_ok=True)
            with self._lock:
                self._coming.pop(blob.digest, None)

    def _obtain(self, source: ImageSource, image: Resolved, blob: Blob) -> Path:
        path = self._path(blob.digest)
        part = path.with_name(path.name + ".part")
        with open(part, "ab") as claim:
            fcntl.flock(claim, fcntl.LOCK_EX)  # another run, for another repository, may be fetching it
            if self._is_there(path, blob):
                part.unlink(missing_ok=True)
            else:
                self._fetch(source, image, blob, part)
                os.replace(part, path)
        os.utime(path)
        return path

    def _fetch(self, source: ImageSource, image: Resolved, blob: Blob, part: Path) -> None:
        seen = part.stat().st_size

        def count(size: int) -> None:
            nonlocal seen
            if self._stop:
                raise InterruptedError("the run has ended")
            self._progress(size - seen)
            seen = size

        received = source.fetch(image, blob, part, count)
        self._progress(blob.size - seen)
        with self._lock:
            self.received += received

    def _path(self, digest: str) -> Path:
        return self._directory / directory_name(digest)

    @staticmethod
    def _is_there(path: Path, blob: Blob) -> bool:
        try:
            return path.stat().st_size == blob.size
        except FileNotFoundError:
            return False


def trim(directory: Path, most: int) -> int:
    """Remove the layers that were unused for the longest until `most` bytes are left; returns bytes removed.

    Does nothing while another run uses them.
    """
    with _alone(directory) as alone:
        if not alone:
            return 0
        remove(directory / udocker.DIRECTORY)  # of a run that was killed
        files = sorted(directory.glob("sha256-*"), key=lambda path: path.stat().st_mtime)
        excess = sum(path.stat().st_size for path in files) - most
        removed = 0
        for path in files:
            if removed >= excess:
                break
            removed += path.stat().st_size
            path.unlink()
        return removed


@contextmanager
def _alone(directory: Path) -> Iterator[bool]:
    if not directory.is_dir():
        yield False
        return
    with open(directory / "lock", "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
