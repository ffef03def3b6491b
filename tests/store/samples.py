"""Small rows for tests."""

from __future__ import annotations

from engine.domain.execution import ExecutionState, Intent
from engine.domain.job import JobState
from engine.domain.options import Options
from engine.ids import AttemptId, ExecutionId, SubmissionId, new_id
from engine.store import descriptors, executions, jobs, lifecycle, plans
from engine.store.database import Database
from engine.store.executions import Execution
from engine.store.lifecycle import NewAttempt

NOW = 1_750_000_000.0
BACK_TO_0014 = (
    "DROP TABLE backend_pause",
    "UPDATE execution SET intent = 'pause' WHERE intent = 'wait'",
)
"""What undoes the migration after that."""
BACK_TO_0013 = (
    *BACK_TO_0014,
    "DROP INDEX ix_job_released",
    "DROP INDEX ix_job_missing",
    "DROP TABLE need",
    *(f"ALTER TABLE job DROP COLUMN {name}" for name in ("waits", "missing", "need", "step", "point")),
    "ALTER TABLE product DROP COLUMN path",
)
"""What undoes the migrations after that."""


def an_execution(db: Database, count: int = 3, *, key: str | None = None, active: bool = True) -> Execution:
    """An execution with `count` ready jobs."""
    new = Execution(
        id=ExecutionId(new_id()),
        owner="somebody",
        name="tool",
        key=key,
        descriptor_sha256="0" * 64,
        options=Options(),
        backend="place",
        results="file:///nowhere",
        state=ExecutionState.PLANNING,
        intent=Intent.RUN,
        created_at=NOW,
    )
    with db.write() as connection:
        descriptors.store(connection, "0" * 64, {"name": "tool"}, checked_by="a test", now=NOW)
        executions.create(connection, new)
        rows = [jobs.NewJob(n, {"number": n}, {"n": n}) for n in range(1, count + 1)]
        jobs.add(connection, new.id, rows, now=NOW)
        if active:
            plans.activate(connection, new.id, jobs=count, now=NOW)
    with db.read() as connection:
        return executions.get(connection, new.id)


def attempts_of(db: Database, execution: Execution, together: int = 1) -> list[SubmissionId]:
    """Give every ready job an attempt, `together` of them in one submission."""
    with db.write() as connection:
        ready = jobs.ready(connection, execution.backend, now=NOW, limit=1000)
        new, ids = [], []
        for at in range(0, len(ready), together):
            ids.append(SubmissionId(new_id()))
            new += [
                NewAttempt(AttemptId(new_id()), j.id, ids[-1], execution.id, j.attempts + 1)
                for j in ready[at : at + together]
            ]
        jobs.move(connection, [jobs.Move(j, JobState.ACTIVE) for j in ready], now=NOW, started=True)
        lifecycle.prepare(connection, execution.backend, new, now=NOW)
    return ids
