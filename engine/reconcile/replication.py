"""Further copies of results, made beside the rounds: a storage that is slow or down keeps no job waiting."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

from engine.clock import Clock
from engine.errors import BadRequest
from engine.ports import Storage
from engine.reconcile.context import LEASE_S, Label, log
from engine.store import executions, replicas
from engine.store.database import Database
from engine.store.lease import Lease, fenced
from engine.store.replicas import Copy

AT_A_TIME = 4
"""Copies that are made at a time."""


class Replicator:
    """The step that makes the copies that are wanted."""

    def __init__(
        self,
        db: Database,
        storage: Callable[[str], Storage],
        clock: Clock,
        workspace: Path,
        of_execution: Callable[[str, str, str], Storage] | None = None,
        label: Label = lambda *_: None,
    ) -> None:
        """`of_execution`: (URL, owner, id) -> the storage where copies of an execution's results go.
        `label`: has copies carry words there.
        """
        self._db = db
        self._storage = storage
        self._of_execution = of_execution or (lambda url, owner, execution: storage(url))
        self._clock = clock
        self._workspace = workspace
        self._label = label
        self._pool: ThreadPoolExecutor | None = None
        self._running: dict[int, tuple[Copy, Future[None]]] = {}

    def tick(self, lease: Lease) -> bool:
        """Note which copies were made, and begin others; True when something was noted.

        Raises:
            LeaseLost: another engine took over; nothing more was written.
        """
        done = [(copy, future) for copy, future in self._running.values() if future.done()]
        now = self._clock.now()
        if done:
            with fenced(self._db, lease, until=now + LEASE_S) as connection:
                for copy, future in done:
                    trouble = future.exception()
                    if trouble is None:
                        replicas.complete(connection, copy)
                    else:
                        log.warning("copy %s: %s; it is tried again", copy.url, trouble)
                        replicas.failed(connection, copy, str(trouble), now=now)
            for copy, _ in done:
                del self._running[copy.id]
        room = AT_A_TIME - len(self._running)
        if room > 0:
            self._begin(now, room)
        return bool(done)

    @property
    def busy(self) -> bool:
        """Whether copies are being made at the moment."""
        return bool(self._running)

    def _begin(self, now: float, room: int) -> None:
        with self._db.read() as connection:
            due = replicas.due(connection, now=now, limit=room + len(self._running))
        for copy in [copy for copy in due if copy.id not in self._running][:room]:
            self._pool = self._pool or ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="copy")
            self._running[copy.id] = copy, self._pool.submit(self._make, copy)

    def _make(self, copy: Copy) -> None:
        """Bring one there, verified; what is there already, from a copy whose end was not noted, will do.

        Raises:
            EngineError: it cannot be made now.
        """
        target = self._of_execution(copy.url, copy.owner, copy.execution_id)
        self._bring(copy, target)
        with self._db.read() as connection:
            execution = executions.get(connection, copy.execution_id)
        self._label(target, execution, copy.job, [copy.url], copy.url.rpartition("/")[0])

    def _bring(self, copy: Copy, target: Storage) -> None:
        source = self._storage(copy.source)
        if copy.is_file:
            there = target.stat(copy.url)
            if there is not None and there.size == copy.size and target.checksum(copy.url) == copy.sha256:
                return
        with tempfile.TemporaryDirectory(dir=self._workspace, prefix="copy-") as directory:
            local = Path(directory, "content")
            source.get(copy.source, local)
            if copy.is_file:
                _verify(copy, local)
                target.send(local, copy.url)
                return
            for path in sorted(path for path in local.rglob("*") if path.is_file()):
                target.send(path, f"{copy.url}/{quote(str(path.relative_to(local)))}")


def _verify(copy: Copy, local: Path) -> None:
    with local.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != copy.sha256:
        raise BadRequest(f"{copy.source} has sha256 {found}, and not that of the result, {copy.sha256}")
