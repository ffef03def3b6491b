"""An execution of very many jobs, as it stands in the database while a grid works on it."""

from __future__ import annotations

import time

from engine.domain.execution import ExecutionState, Intent
from engine.domain.job import JobState
from engine.domain.options import Options
from engine.ids import ExecutionId, new_id
from engine.store import descriptors, executions, jobs, launches, plans
from engine.store.database import Database
from engine.store.executions import Execution
from engine.store.jobs import Job, Move, NewJob
from engine.store.launches import Launch
from tests.portal.house import House

_SHA = "0" * 64
_PAGE = 1000


def write_many(house: House, user: str, count: int) -> ExecutionId:
    """Of `count` jobs the first thousand succeeded but for three, the next thousand run, the others wait."""
    db = Database(f"sqlite:///{house.desk.database}")
    id_, now = ExecutionId(new_id()), time.time()
    new = Execution(
        id=id_,
        owner=house.ids[user],
        name="many",
        descriptor_sha256=_SHA,
        options=Options(),
        backend="elsewhere",  # nobody works on it
        results=f"file:///nowhere/{id_}",
        state=ExecutionState.PLANNING,
        intent=Intent.RUN,
        created_at=now,
    )
    with db.write() as connection:
        descriptors.store(connection, _SHA, {"name": "many"}, checked_by="", now=now)
        executions.create(connection, new)
        for start in range(0, count, _PAGE):
            page = [
                NewJob(n + 1, {"subject": f"sub-{n:06}"}, {"subject": f"sub-{n:06}"})
                for n in range(start, start + _PAGE)
            ]
            jobs.add(connection, id_, page, now=now)
        plans.activate(connection, id_, jobs=count, now=now)
        launch = Launch(
            id_, house.ids[user], "many/1.0", "a study of very many", {"subject": ["..."]}, "/vip/Home"
        )
        launches.add(connection, launch)
        first = jobs.page(connection, id_, limit=_PAGE)
        jobs.move(connection, [Move(one, JobState.ACTIVE) for one in first], now=now, started=True)
        jobs.move(connection, [_end(one) for one in jobs.page(connection, id_, limit=_PAGE)], now=now)
        second = jobs.page(connection, id_, after=_PAGE, limit=_PAGE)
        jobs.move(connection, [Move(one, JobState.ACTIVE) for one in second], now=now, started=True)
    db.close()
    return id_


def _end(job: Job) -> Move:
    if job.number in (3, 500, 999):
        return Move(job, JobState.FAILED, failure="tool", message="cannot read the header", exit_code=1)
    return Move(job, JobState.SUCCEEDED, exit_code=0)
