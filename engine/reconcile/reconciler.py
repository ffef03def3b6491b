"""The loop: read rows, look at the world, write what was learned. A restart needs no memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from engine.clock import Clock
from engine.domain.attempt import Effect
from engine.errors import CredentialExpired, LostRace, Unavailable
from engine.ports import Backend, Observation, Storage
from engine.reconcile.cancel import cancel_due, follow_intent, forget_due
from engine.reconcile.collect import collect_due
from engine.reconcile.conclude import clear_due, conclude, drop_abandoned_plans
from engine.reconcile.context import Bring, Describe, Full, MakeClaim, MakeManifest, TickContext, log
from engine.reconcile.labels import Labeller
from engine.reconcile.observe import observe
from engine.reconcile.register import Registrar
from engine.reconcile.release import release
from engine.reconcile.replication import Replicator
from engine.reconcile.submit import start_ready, submit_due
from engine.store import alerts, executions, outbox
from engine.store.database import Database
from engine.store.lease import Lease
from wrappers.backoff import Backoff

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0
"""Seconds for which a back-end that does not answer is left in peace: doubled each time, up to the second."""

COPY_INTERVAL_S = 0.1
"""Seconds between two rounds while copies of results are made."""

RENEWAL_INTERVAL_S = 10.0
"""Seconds between two looks for a renewed credential: they cost the back-end nothing."""

MISSING_INTERVAL_S = 10.0
"""Seconds between two looks for executions whose back-end this engine does not have."""

LONGEST_WAIT_S = 1.0
"""Seconds between two rounds when no back-end is to be asked: what users want is still done."""


class Reconciler:
    """Does rounds while it holds the lease. One back-end in trouble never stops the others."""

    def __init__(
        self,
        db: Database,
        backends: Mapping[str, Backend],
        storage: Callable[[str], Storage],
        manifest: MakeManifest,
        describe: Describe,
        claim: MakeClaim,
        clock: Clock,
        workspace: Path,
        registrar: Registrar | None = None,
        *,
        delivery_timeout: float = 86_400.0,
        full: Full = lambda execution, size: "",
        bring: Bring = lambda execution, results: (),
        of_execution: Callable[[str, str, str], Storage] | None = None,
    ) -> None:
        self._db = db
        self._backends = backends
        self._clock = clock
        label = Labeller(describe).label
        self._context = partial(
            TickContext,
            db=db,
            clock=clock,
            storage=storage,
            manifest=manifest,
            describe=describe,
            claim=claim,
            workspace=workspace,
            delivery_timeout=delivery_timeout,
            full=full,
            bring=bring,
            label=label,
        )
        self._registrar = registrar
        self._replicator = Replicator(db, storage, clock, workspace, of_execution, label)
        self._known: dict[str, dict[str, Observation]] = {name: {} for name in backends}
        self._paused: dict[str, tuple[float, float]] = {}
        self._asked: dict[str, float] = {}
        """Back-end -> when it was last asked how its jobs are."""
        self._fences: dict[str, int] = {}
        """Back-end -> under which fencing number it was taken over."""
        self._looked_for_missing = float("-inf")
        self._noted: dict[str, str] = {}
        """Back-end -> the trouble that the database knows; "" is none."""
        self.trouble: dict[str, str] = {}
        """Back-end -> why it is left in peace at the moment."""

    def tick(self, lease: Lease) -> bool:
        """One round over every back-end; True when anything changed.

        Raises:
            LeaseLost: another engine took over; nothing more was written.
            Unavailable: the database does not answer.
        """
        changed = False
        for name, backend in self._backends.items():
            until, _ = self._paused.get(name, (0.0, 0.0))
            if self._clock.now() < until:
                continue
            changed = self._visit(lease, backend) or changed
        self._note_missing(lease)
        changed = self._replicator.tick(lease) or changed
        if self._registrar is not None:
            changed = self._registrar.tick(lease) or changed
        return changed

    @property
    def names(self) -> Sequence[str]:
        """Back-ends that it visits: those of the settings."""
        return list(self._backends)

    @property
    def copying(self) -> bool:
        """Whether copies of results are being made at the moment."""
        return self._replicator.busy

    def pause(self) -> float:
        """Seconds until the next round is worth while, when the last one changed nothing."""
        now = self._clock.now()
        waits = [COPY_INTERVAL_S if self.copying else LONGEST_WAIT_S]
        for name, backend in self._backends.items():
            in_peace, _ = self._paused.get(name, (0.0, 0.0))
            waits.append(max(self._until_due(backend), in_peace - now))
        return min(waits)

    def _until_due(self, backend: Backend) -> float:
        """Seconds until a back-end may be asked again how its jobs are."""
        interval = backend.capabilities.poll_interval
        passed = self._clock.now() - self._asked.get(backend.name, -interval)
        return max(interval - passed, 0.0) if passed >= 0 else 0.0  # a clock may be set back

    def _visit(self, lease: Lease, backend: Backend) -> bool:
        context = self._context(lease=lease, backend=backend)
        try:
            if self._fences.get(backend.name) != lease.fence:
                self._take_over(context)
                self._fences[backend.name] = lease.fence
            changed = self._steps(context)
        except (Unavailable, CredentialExpired, OSError) as error:  # OSError: no disk, memory or file left
            self._back_off(backend.name, error)
            with suppress(Unavailable):  # the database may be what is in trouble
                self._note(context, str(error))
            return False
        except LostRace as error:
            log.info("%s; the round is repeated", error)
            return True
        self._paused.pop(backend.name, None)
        self.trouble.pop(backend.name, None)
        self._note(context, "")
        return changed

    def _note_missing(self, lease: Lease) -> None:
        """Have those who wait at other back-ends know that this engine does not visit them."""
        now = self._clock.now()
        if 0 <= now - self._looked_for_missing < MISSING_INTERVAL_S:
            return
        self._looked_for_missing = now
        with self._db.read() as connection:
            missing = executions.backends_waited_for(connection, self._backends)
        words = (
            "the engine at work has no such back-end in its settings; it goes on once it has, or has ended"
        )
        if new := [name for name in missing if self._noted.get(name) != words]:
            context = self._context(lease=lease, backend=next(iter(self._backends.values())))
            with context.write() as connection:
                for name in new:
                    alerts.note(connection, name, words, now=now)
            self._noted.update(dict.fromkeys(new, words))

    def _note(self, context: TickContext, words: str) -> None:
        """Have everybody know that the back-end is in trouble, or is not any more."""
        name = context.backend.name
        if self._noted.get(name) == words:
            return
        with context.write() as connection:
            if words:
                alerts.note(connection, name, words, now=context.clock.now())
            else:
                alerts.clear(connection, name)
        self._noted[name] = words

    def _steps(self, context: TickContext) -> bool:
        # Each step stands alone and commits by itself; the order only makes a job's way short.
        changed = [
            follow_intent(context),
            cancel_due(context),
            release(context),
            start_ready(context),
            submit_due(context),
            self._observe(context),
            collect_due(context),
            conclude(context),
            forget_due(context),
            clear_due(context),
            drop_abandoned_plans(context),
        ]
        return any(changed)

    def _observe(self, context: TickContext) -> bool:
        """Ask each back-end as often as it wants to be asked, whatever happens at the others."""
        if self._until_due(context.backend) > 0:
            return False
        changed = observe(context, self._known[context.backend.name])
        self._asked[context.backend.name] = context.clock.now()
        return changed

    def _take_over(self, context: TickContext) -> None:
        """Claim anew what the holder before us had claimed: its fencing number is worth nothing any more.

        Submitting is left out: only the back-end knows when `find` will see what that engine sent.
        """
        with context.write() as connection:
            for effect in (Effect.COLLECT, Effect.CANCEL, Effect.FORGET):
                outbox.hurry(connection, effect, now=context.clock.now())
            alerts.clear(connection, context.backend.name)
        self._noted[context.backend.name] = ""

    def _back_off(self, name: str, error: Unavailable | CredentialExpired | OSError) -> None:
        _, last = self._paused.get(name, (0.0, 0.0))
        longest = RENEWAL_INTERVAL_S if isinstance(error, CredentialExpired) else LONGEST_PAUSE
        wait = Backoff(FIRST_PAUSE, longest).after(last)
        wait = max(wait, min(getattr(error, "again_in", 0.0), LONGEST_PAUSE))
        self._paused[name] = (self._clock.now() + wait, wait)
        self.trouble[name] = str(error)
        log.warning("back-end %s is left in peace for %.0f s: %s", name, wait, error)
