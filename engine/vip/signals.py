"""Obeying what the portal writes over the states of jobs."""

from __future__ import annotations

from engine.app.application import Application
from engine.app.portal.audit import AuditTrail
from engine.app.portal.audited_actions import KILL, RESTART, record_request
from engine.domain.job import JobState
from engine.errors import BadRequest, NotFound
from engine.ids import ExecutionId
from engine.log import logger
from engine.store import driven
from engine.store.database import Database
from engine.store.executions import Execution
from engine.store.launches import Launch
from engine.vip import states
from engine.vip.h2 import Jobs
from engine.vip.memory import Memory
from engine.vip.rows import named, of_job
from engine.vip.states import SignalAction


class Signals:
    """The handler of signals that the portal has written."""

    def __init__(self, app: Application, db: Database, trail: AuditTrail, memory: Memory) -> None:
        self._app = app
        self._db = db
        self._trail = trail
        self._memory = memory

    def obey(self, execution: Execution, launch: Launch, shown: Jobs) -> set[int]:
        """Do what was asked for, and put states in the place of signals; gives the jobs it was about."""
        touched = set()
        for id_, signal in shown.signals():
            found = named(id_)
            try:
                number, ordinal = found or (0, 0)
                job = self._app.job(execution.id, number)
            except NotFound:
                shown.answer(id_, signal, states.TaskStatus.ERROR.value)
                continue
            with self._db.read() as connection:
                tries = driven.tries(connection, [job.id])[job.id]
            row = next((one.state for one in tries if one.ordinal == ordinal), None)
            newest = ordinal >= max((one.ordinal for one in tries), default=1)
            action = states.meaning(signal, job.state, row, newest=newest)
            logger().info("signal", execution=execution.id, job=number, signal=signal, action=action)
            if action is not SignalAction.NOTHING:
                if action is SignalAction.RESCHEDULE:
                    self._memory.set_rescheduled(execution.id, number, wanted=True)
                self._app.cancel_job(
                    execution.id, number, record_request(self._trail, launch.account_id, KILL)
                )
            shown.answer(id_, signal, self._state(execution, launch, number, id_))
            touched.add(number)
        return touched

    def reschedule(self) -> list[ExecutionId]:
        """Begin jobs again whose attempts have ended since that was asked for."""
        begun = []
        for id_, number in self._memory.rescheduled():
            try:
                with self._db.read() as connection:
                    found = driven.get(connection, id_)
                job = self._app.job(id_, number)
                if not job.state.is_final or found is None:
                    continue
                also = record_request(self._trail, found[1].account_id, RESTART)
                if job.state is JobState.CANCELLED:
                    self._app.retry(id_, (JobState.CANCELLED,), number, also)
                    begun.append(id_)
            except NotFound:
                pass  # it was purged
            except BadRequest:
                continue  # the execution is being cancelled: when it has ended, it has
            self._memory.set_rescheduled(id_, number, wanted=False)
        return begun

    def _state(self, execution: Execution, launch: Launch, number: int, id_: str) -> str:
        job = self._app.job(execution.id, number)
        with self._db.read() as connection:
            tries = driven.tries(connection, [job.id])[job.id]
        for one in of_job(execution, launch, job, tries):
            if one.id == id_:
                return one.row.status
        return states.TaskStatus.ERROR.value
