"""Reading what happens, and bringing what the portal sees up to date, again and again."""

from __future__ import annotations

from collections.abc import Callable

from engine.app.application import Application
from engine.app.portal.audit import AuditTrail
from engine.clock import Clock
from engine.errors import EngineError, LostRace
from engine.ids import ExecutionId
from engine.log import logger
from engine.settings.vip import VipSection
from engine.store import driven, jobs
from engine.store.database import Database
from engine.store.executions import Execution
from engine.store.launches import Launch
from engine.vip.files import WorkflowFiles
from engine.vip.h2 import Databases
from engine.vip.memory import Memory
from engine.vip.page import DATABASE, FILES, H2, TARGETS, WorkflowPage
from engine.vip.signals import Signals
from engine.vip.workflowsdb import CLEANED, Workflow, WorkflowsDb
from wrappers.backoff import Backoff

_OVERLAP = 1000
"""Events that are looked at again: on PostgreSQL a lower number may become visible after a higher one."""
_EVENTS = 10_000
_FULL_INTERVAL_S = 60.0
"""Seconds between two looks at all executions."""
_FIRST_PAUSE_S = 2.0
"""Seconds for which a target that is away is left in peace: the first time, doubled up to `vip.timeout`."""
_ASIDE_S = 300.0
"""Seconds for which an execution that we cannot show is left aside."""
_UNCLAIMED_S = 600.0
"""Seconds after the end of an execution after which the portal will not write its row any more."""


class PortalReader:
    """Reader of all that the portal sees of this engine."""

    def __init__(
        self,
        settings: VipSection,
        app: Application,
        db: Database,
        trail: AuditTrail,
        clock: Clock,
        memory: Memory,
    ) -> None:
        assert settings.workflows is not None  # noqa: S101 - what starts this has looked
        self._db = db
        self._clock = clock
        self._longest = settings.timeout
        self._memory = memory
        self._database = WorkflowsDb(settings.database, settings.timeout)
        self._h2 = Databases(settings)
        self._files = WorkflowFiles(settings.workflows)
        self._signals = Signals(app, db, trail, memory)
        self._pages: dict[ExecutionId, WorkflowPage] = {}
        self._cursor = 0
        self._seen: set[int] = set()
        self._all_at = float("-inf")
        self._away: dict[str, tuple[float, float]] = {}
        """Target -> until when it is left in peace, and for how long."""
        self._noted: dict[str, str] = {}
        self._behind = -1

    def round(self) -> None:
        """Read what has happened since the last one, and write it.

        Raises:
            EngineError: the engine's own database does not answer; another round may go well.
        """
        self._read()
        for id_ in self._signals.reschedule():
            self._page(id_).changed(None)
        for page in list(self._pages.values()):
            if self._clock.now() < page.not_before:
                continue
            try:
                self._update(page)
            except EngineError:
                raise
            except Exception:  # a defect of ours about one execution must not stop the others
                logger().exception("a defect: the tables of an execution", execution=page.id)
                page.not_before = self._clock.now() + _ASIDE_S
        behind = sum(1 for page in self._pages.values() if page.dirty)
        if behind != self._behind:
            self._memory.set_behind(behind)
            self._behind = behind

    # --- reading ----------------------------------------------------------------------------------

    def _read(self) -> None:
        now = self._clock.now()
        if now - self._all_at >= _FULL_INTERVAL_S:
            self._read_all()
            self._all_at = now
        while True:
            with self._db.read() as connection:
                found = driven.changes(connection, max(self._cursor - _OVERLAP, 0), _EVENTS)
            new = [one for one in found if one.number not in self._seen]
            for one in new:
                changed = None if one.job_id is None else {one.job_id}
                self._page(one.execution_id).changed(changed)
            self._cursor = max([self._cursor, *(one.number for one in found)])
            self._seen = {one.number for one in found if one.number > self._cursor - _OVERLAP}
            if len(new) < _EVENTS - _OVERLAP:
                return

    def _read_all(self) -> None:
        shown = self._memory.shown()
        with self._db.read() as connection:
            newest = driven.newest_event(connection)
            every = driven.every(connection)
        if not self._cursor:
            self._cursor = newest
            with self._db.read() as connection:
                found = driven.changes(connection, max(newest - _OVERLAP, 0), _EVENTS)
            self._seen = {one.number for one in found}
        for id_, ended_at in every:
            if ended_at is None or shown.get(id_) != ended_at:
                self._page(id_)

    def _page(self, id_: ExecutionId) -> WorkflowPage:
        found = self._pages.get(id_)
        if found is None:
            found = self._pages[id_] = WorkflowPage(self._db, id_)
        return found

    # --- writing ----------------------------------------------------------------------------------

    def _update(self, page: WorkflowPage) -> None:
        with self._db.read() as connection:
            found = driven.get(connection, page.id)
        if found is None:  # purged
            self._forget(page)
            return
        execution, launch = found
        if execution.state.is_final and self._is_over(page, execution):
            return
        if page.begun:
            self._try(H2, lambda: self._obey(page, execution, launch))
        written = DATABASE in page.dirty
        steps: dict[str, Callable[[], None]] = {
            FILES: lambda: page.write_files(self._files, execution, launch),
            H2: lambda: page.write_h2(self._h2, execution, launch),
            DATABASE: lambda: page.write_database(self._database, execution, launch),
        }
        for target in TARGETS:
            if target in page.dirty and self._try(target, steps[target]):
                del page.dirty[target]
        if DATABASE not in page.dirty and (written or execution.state.is_final):
            self._try(DATABASE, lambda: self._finish(page, execution))

    def _obey(self, page: WorkflowPage, execution: Execution, launch: Launch) -> None:
        numbers = self._signals.obey(execution, launch, self._h2.of(page.id))
        if numbers:
            with self._db.read() as connection:
                page.changed({jobs.numbered(connection, page.id, number).id for number in numbers})

    def _finish(self, page: WorkflowPage, execution: Execution) -> None:
        if page.finish(self._database, execution) and not page.dirty:
            self._memory.set_shown(page.id, execution.ended_at or 0.0)
            self._forget(page)

    def _is_over(self, page: WorkflowPage, execution: Execution) -> bool:
        """Forget an ended execution that the portal has cleaned, or of which it knows nothing: what it has
        removed is not made anew.
        """
        rows: list[Workflow | None] = []
        asked = self._try(DATABASE, lambda: rows.append(self._database.workflow(execution.id)))
        old = self._clock.now() - (execution.ended_at or 0.0) >= _UNCLAIMED_S
        if not asked:
            return old
        over = old if rows[0] is None else rows[0].status == CLEANED
        if over:
            self._memory.set_shown(page.id, execution.ended_at or 0.0)
            self._forget(page)
        return over

    def _forget(self, page: WorkflowPage) -> None:
        self._h2.close(page.id)
        self._pages.pop(page.id, None)

    def _try(self, target: str, act: Callable[[], object]) -> bool:
        """Do something at a target, unless it is left in peace; one that is away never stops the others."""
        now = self._clock.now()
        until, pause = self._away.get(target, (0.0, 0.0))
        if now < until:
            return False
        try:
            act()
        except LostRace:  # a job went on while it was ended: the next round looks again
            return False
        except EngineError as error:
            pause = Backoff(_FIRST_PAUSE_S, self._longest).after(pause)
            self._away[target] = (self._clock.now() + pause, pause)
            if target == H2:
                self._h2.close_all()
            self._note(target, str(error))
            return False
        self._away.pop(target, None)
        self._note(target, "")
        return True

    def _note(self, target: str, words: str) -> None:
        if self._noted.get(target) == words:
            return
        if words:
            logger().warning("VIP's tables fall behind", place=target, words=words)
        self._memory.note(target, words, now=self._clock.now())
        self._noted[target] = words
