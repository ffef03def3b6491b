"""Driving executions to their end: reconcile when the lease is free, else watch who holds it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from engine.app.application import Application
from engine.clock import Clock
from engine.errors import Unavailable
from engine.ids import ExecutionId
from engine.reconcile.context import LEASE_S, log
from engine.reconcile.reconciler import Reconciler
from engine.store import executions, replicas
from engine.store.database import Database
from engine.store.lease import Lease, LeaseLost, acquire, fenced, release
from engine.usecases import ExecutionView

WATCH_INTERVAL_S = 0.25
"""Seconds between two looks while another engine reconciles."""

OUTAGE_INTERVAL_S = 5.0
"""Seconds between two tries while the database does not answer."""

ACTIVE_INTERVAL_S = 0.02
"""Seconds between two rounds while things move: events of many jobs then share a commit."""

IDLE_INTERVAL_S = 0.2
"""Seconds between two rounds of a daemon where nothing has moved for a while."""


class Driver:
    """The loop of one engine that reconciles a database."""

    def __init__(
        self,
        app: Application,
        db: Database,
        reconciler: Reconciler,
        clock: Clock,
        holder: str,
        is_dead: Callable[[str], bool],
        beside: Callable[[], bool] = lambda: False,
    ) -> None:
        """`beside` is done in each round of whoever holds the lease; it tells whether anything changed."""
        self._app = app
        self._db = db
        self._reconciler = reconciler
        self._clock = clock
        self._holder = holder
        self._is_dead = is_dead
        self._beside = beside
        self._lease: Lease | None = None
        self._renewed = 0.0
        self._quiet = 0
        """Rounds since anything changed."""

    def follow(self, id_: ExecutionId, watch: Callable[[ExecutionView], None]) -> ExecutionView:
        """Return when the execution is over. `watch` is told how it stands after each round.

        May be interrupted anywhere and called again: whatever is half done is found in the rows.
        """
        said = ""
        try:
            while True:
                wait = self.round()
                view = self._app.status(id_, self.alert)
                if self._lease is None and view.trouble not in ("", said):  # ours are said when we meet them
                    log.warning("%s", said := view.trouble)
                watch(view)
                if view.over and not self._copying(id_):
                    return view
                self._clock.sleep(wait)
        finally:
            self.release()

    def serve(self, stop: Callable[[], bool], *, until_idle: bool = False) -> None:
        """Reconcile until `stop` says so, or until no execution is left to run.

        A database that does not answer is waited for: nobody sits here to start us again.
        """
        try:
            while not stop():
                try:
                    wait = max(self.round(), min(self._quiet * ACTIVE_INTERVAL_S / 2, IDLE_INTERVAL_S))
                    if until_idle and not self._busy():
                        return
                except Unavailable as error:
                    log.warning("%s", error)
                    wait = OUTAGE_INTERVAL_S
                self._clock.sleep(wait)
        finally:
            self.release()

    def tick(self) -> None:
        """One round, and what it takes to finish the copies of results that it began."""
        try:
            wait = self.round()
            while self._reconciler.copying:
                self._clock.sleep(wait)
                wait = self.round()
        finally:
            self.release()

    def round(self) -> float:
        """One round if the lease can be had; returns the seconds until the next is worth while."""
        now = self._clock.now()
        if self._lease is None:
            self._lease = acquire(self._db, self._holder, now=now, seconds=LEASE_S, is_dead=self._is_dead)
            self._renewed = now
        if self._lease is None:
            return WATCH_INTERVAL_S
        try:
            if now - self._renewed > LEASE_S / 3:
                with fenced(self._db, self._lease, until=now + LEASE_S):
                    self._renewed = now
            with self._beating(self._lease):
                changed = self._reconciler.tick(self._lease)
                changed = self._beside() or changed
        except LeaseLost as error:
            log.warning("%s", error)
            self._lease = None
            return WATCH_INTERVAL_S
        self._quiet = 0 if changed else self._quiet + 1
        return ACTIVE_INTERVAL_S if changed else max(self._reconciler.pause(), ACTIVE_INTERVAL_S)

    @contextmanager
    def _beating(self, lease: Lease) -> Iterator[None]:
        """Keep the lease while a round lasts: a back-end far away may answer late."""
        over = threading.Event()
        beat = threading.Thread(target=self._beat, args=(lease, over), name="lease", daemon=True)
        beat.start()
        try:
            yield
        finally:
            over.set()
            beat.join()

    def _beat(self, lease: Lease, over: threading.Event) -> None:
        while not over.wait(LEASE_S / 3):
            # Lost: the next write of the round finds out. No database: neither can anybody else take it.
            with (
                suppress(LeaseLost, Unavailable),
                fenced(self._db, lease, until=self._clock.now() + LEASE_S),
            ):
                pass

    @property
    def alert(self) -> str:
        """Why nothing moves, when a back-end does not answer."""
        return "; ".join(f"{name}: {text}" for name, text in self._reconciler.trouble.items())

    def release(self) -> None:
        """Let another engine go on at once."""
        if self._lease is not None:
            with suppress(LeaseLost, Unavailable):  # then it runs out
                release(self._db, self._lease, now=self._clock.now())
            self._lease = None

    def _copying(self, id_: ExecutionId) -> bool:
        """Say whether copies of its results are being made; one that failed is left to a later engine."""
        with self._db.read() as connection:
            return bool(replicas.untried(connection, id_))

    def _busy(self) -> bool:
        if self._reconciler.copying:
            return True
        with self._db.read() as connection:
            ours = self._reconciler.names  # what others wait for does not come by waiting
            return executions.moving(connection, ours)
