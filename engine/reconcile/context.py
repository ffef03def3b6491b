"""What one round of reconciliation works with: a back-end, the database, and the right to write."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy.engine import Connection

from engine.clock import Clock
from engine.domain.tool import Tool
from engine.ids import AttemptId
from engine.ports import Backend, Buffered, Storage
from engine.store.attempts import Attempt
from engine.store.database import Database
from engine.store.executions import Execution
from engine.store.jobs import Job
from engine.store.lease import Lease, fenced
from engine.store.products import Product
from engine.store.sources import ExecutionSource
from wrappers.wire import Manifest

LEASE_S = 30.0

log = logging.getLogger("engine.reconcile")

MakeManifest = Callable[[Execution, Job, AttemptId], Manifest]
"""Renders the manifest of one attempt; injected, since planning is not known here."""

Describe = Callable[[Execution], Tool]
"""The descriptor of an execution: its name, version, DOI and the meaning of its exit codes."""


Full = Callable[[Execution, int], str]
"""Why so many bytes of results may not be kept for an execution; empty: they may."""

Bring = Callable[[Execution, Sequence[Product]], Sequence[ExecutionSource]]
"""Brings results to where other jobs of an execution can read them."""

Label = Callable[[Storage, Execution, int, Sequence[str], str], None]

MakeClaim = Callable[[AttemptId], str]
"""The claim of an attempt, always the same one; injected, since the engine's key is not known here."""


@dataclass(slots=True)
class TickContext:
    """The values that a step of the reconciler may touch."""

    db: Database
    lease: Lease
    clock: Clock
    backend: Backend
    storage: Callable[[str], Storage]
    manifest: MakeManifest
    describe: Describe
    claim: MakeClaim
    workspace: Path
    delivery_timeout: float
    """Seconds for which results wait for a storage that does not answer."""
    full: Full
    bring: Bring = lambda *_: ()
    label: Label = lambda *_: None
    """Has results of a job carry words: see `engine.reconcile.labels.Labeller.label`."""
    moved: list[str] = field(default_factory=list)
    """Final names that were given since the last `flush`."""

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a transaction that commits only while the lease is ours."""
        with fenced(self.db, self.lease, until=self.clock.now() + LEASE_S) as connection:
            yield connection

    def flush(self) -> None:
        """See that the disk knows each name that was given, before the database does."""
        of: dict[str, tuple[Storage, list[str]]] = {}
        for url in self.moved:
            of.setdefault(urlsplit(url).scheme, (self.storage(url), []))[1].append(url)
        for storage, urls in of.values():
            if isinstance(storage, Buffered):
                storage.flush(urls)
        self.moved.clear()


def by_id(attempts: Sequence[Attempt]) -> dict[AttemptId, Attempt]:
    """Index attempts by their ids."""
    return {a.id: a for a in attempts}
