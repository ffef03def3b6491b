"""Telling the outer catalogue of results that it does not know yet."""

from __future__ import annotations

from collections.abc import Callable

from engine.clock import Clock
from engine.domain.catalogue import CatalogueEntry
from engine.domain.product import ProductState, retry_after
from engine.errors import CredentialExpired, Unavailable
from engine.ports import Catalogue
from engine.reconcile.context import LEASE_S, log
from engine.store import products, replicas
from engine.store.database import Database
from engine.store.lease import Lease, fenced
from engine.store.products import Product

BATCH = 500
"""Results that are registered at a time."""

Describe = Callable[[Product, list[str]], CatalogueEntry]
"""A result with its copies as a catalogue knows it."""


class Registrar:
    """Registers results. One that is refused is tried again with the others, later."""

    def __init__(self, db: Database, catalogue: Catalogue, entry: Describe, clock: Clock) -> None:
        self._db = db
        self._catalogue = catalogue
        self._entry = entry
        self._clock = clock
        self._tries = 0
        self._not_before = 0.0

    def tick(self, lease: Lease) -> bool:
        """Register some; True when any was.

        Raises:
            LeaseLost: another engine took over; nothing more was written.
        """
        now = self._clock.now()
        if now < self._not_before:
            return False
        with self._db.read() as connection:
            waiting = products.in_state(connection, ProductState.UNREGISTERED, BATCH)
            copies = {
                id_: replicas.of_execution(connection, id_) for id_ in {p.execution_id for p in waiting}
            }
        if not waiting:
            return False
        entries = [self._entry(p, copies[p.execution_id].get(p.name, [])) for p in waiting]
        try:
            refused = self._catalogue.register(entries)
        except (Unavailable, CredentialExpired) as error:
            self._wait(now, str(error))
            return False
        registered = [p for p, entry in zip(waiting, entries, strict=True) if entry.name not in refused]
        with fenced(self._db, lease, until=now + LEASE_S) as connection:
            for one in registered:
                products.set_state(connection, one, ProductState.AVAILABLE)
        if refused:
            name, why = next(iter(refused.items()))
            self._wait(now, f"{len(refused)} results, the first {name}: {why}")
        else:
            self._tries = 0
        return bool(registered)

    def _wait(self, now: float, why: str) -> None:
        self._tries += 1
        self._not_before = now + retry_after(self._tries)
        log.warning("results are not registered yet: %s", why)
