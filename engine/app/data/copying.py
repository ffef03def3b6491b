"""Copying files between storages and this machine: several at a time, again after trouble, nothing twice."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from engine.app.data.files import CopyRequest
from engine.clock import Clock
from engine.domain.file_urls import to_path
from engine.errors import Cancelled, EngineError, Unavailable
from engine.ports import Progress, Storage
from wrappers.backoff import Backoff

_PAUSES = Backoff(2.0)
_AHEAD = 4
"""Files that are looked for ahead, for each that is copied: a million names are not kept."""


@dataclass(frozen=True, slots=True)
class Copied:
    """A file that was copied, was there already, or could not be."""

    source: str
    target: str
    size: int
    there: bool = False
    error: EngineError | None = None


class Copier:
    """Copies files. `progress` is told of bytes, from several threads."""

    def __init__(
        self,
        storage: Callable[[str], Storage],
        clock: Clock,
        *,
        parallel: int,
        rounds: int,
        force: bool = False,
        progress: Progress | None = None,
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._parallel = parallel
        self._rounds = rounds
        self._force = force
        self._progress = progress
        self._stopped = threading.Event()

    def copy(self, wanted: Iterable[CopyRequest]) -> Iterator[Copied]:
        """Copy all; tells of each as it is done."""
        pool = ThreadPoolExecutor(self._parallel)
        waiting: set[Future[Copied]] = set()
        try:
            for one in wanted:
                waiting.add(pool.submit(self._copy, one))
                if len(waiting) >= _AHEAD * self._parallel:
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        finally:
            self._stopped.set()
            pool.shutdown(cancel_futures=True)

    def _copy(self, one: CopyRequest) -> Copied:
        for turn in range(self._rounds):
            try:
                if not self._force and self._is_there(one):
                    self._count(one.stat.size)
                    return Copied(one.source, one.target, one.stat.size, there=True)
                self._copy_one(one)
                return Copied(one.source, one.target, one.stat.size)
            except Unavailable as error:
                if turn + 1 == self._rounds or self._stopped.is_set():
                    return Copied(one.source, one.target, one.stat.size, error=error)
                self._clock.sleep(_PAUSES.pause(turn))
            except EngineError as error:
                return Copied(one.source, one.target, one.stat.size, error=error)
        raise AssertionError("there is at least one round")

    def _is_there(self, one: CopyRequest) -> bool:
        """Say whether the target has the same content: by checksum where one side tells it by itself, else
        by size and by being no older.
        """
        source, target = self._storage(one.source), self._storage(one.target)
        there = target.stat(one.target)
        if there is None or there.directory or there.size != one.stat.size:
            return False
        algorithms = target.capabilities.checksums or source.capabilities.checksums
        if algorithms:
            return target.checksum(one.target, algorithms[0]) == source.checksum(one.source, algorithms[0])
        return there.modified >= one.stat.modified > 0

    def _copy_one(self, one: CopyRequest) -> None:
        if one.target.startswith("file:"):
            self._storage(one.source).get(one.source, to_path(one.target), self._count)
        elif one.source.startswith("file:"):
            self._storage(one.target).send(to_path(one.source), one.target, self._count, keep=True)
        else:
            with tempfile.TemporaryDirectory(prefix="engine-") as directory:
                passing = Path(directory) / "passing"
                self._storage(one.source).get(one.source, passing)
                self._storage(one.target).send(passing, one.target, self._count)

    def _count(self, size: int) -> None:
        if self._stopped.is_set():
            raise Cancelled("interrupted")
        if self._progress:
            self._progress(size)
