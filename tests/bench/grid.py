"""Jobs through a real DiracX server on SQLite: how fast they go there, and what watching them costs.

Submission is compared with a bare loop over diracx-client in the same run: lists of 20, as many at a time, a
sandbox for as many jobs. For watching, the server's own table is filled with copies of one job.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import resource
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import Any

from engine.backends.diracx import sandbox
from engine.backends.diracx.backend import DiracxBackend, DiracxSettings
from engine.backends.diracx.client import DiracxClient
from engine.backends.wms import payload
from engine.backends.wms.jdl import JobRequirements, attributes, render
from engine.backends.wms.settings import GridSettings
from engine.clock import SystemClock
from engine.domain.execution import ExecutionState, Intent
from engine.domain.options import Options
from engine.ids import AttemptId, ExecutionId, SubmissionId, new_id
from engine.ports import Accepted, Observation, Submission
from engine.store import attempts, descriptors, executions, jobs, lifecycle, plans, submissions
from engine.store.database import Database
from engine.store.lifecycle import EventNotice, NewAttempt
from tests.bench.figures import row
from tests.bench.place import median
from tests.services.diracx import Diracx, start_diracx
from wrappers.wire import Manifest, Node

BATCH, PAIRS, AT_ONCE = 1000, 5, 4
NEEDS = {"CPUTime": 86_400}
PERIOD = 10.0
"""Seconds between two looks at the server."""
CYCLES, LOOK = 5, 3.0
"""Looks that are measured, and seconds between them here: what one costs does not depend on it."""


def main() -> None:
    """Print the three lines."""
    with tempfile.TemporaryDirectory(prefix="engine-bench-") as directory:
        with start_diracx(Path(directory) / "submit", variables={"LOCALSITE_OPTIMIZER": "no"}) as server:
            submission(server, directory)
        for count, what in ((10_000, "monitoring"), (100_000, "memory")):
            with start_diracx(Path(directory) / what, variables={"LOCALSITE_OPTIMIZER": "no"}) as server:
                group = new_id()
                ids = fill(server, group, count)
                arguments = (server.url, server.credential(), str(server.directory), group, ids, directory)
                watched = in_a_process_of_its_own(watch, *arguments)
                if what == "monitoring":
                    share = watched["cpu"] / PERIOD
                    row(
                        "10,000 active jobs, one look in 10 s",
                        f"{share:.1%} of a core",
                        "<= 5 %",
                        share <= 0.05,
                    )
                else:
                    size = watched["memory"] / 1e6
                    row("100,000 jobs in flight", f"{size:.0f} MB", "<= 300 MB", size <= 300)


# --- submission -------------------------------------------------------------------------------------


def submission(server: Diracx, directory: str) -> None:
    """Ours and the bare loop in pairs, so that both see the same noise; first the one, then the other."""
    settings = GridSettings(Node(), at_once=AT_ONCE)
    backend = DiracxBackend("diracx", DiracxSettings(server.url, server.credential(), settings))
    backend.check()
    db = Database(f"sqlite:///{directory}/submit.db")
    ways = {
        "bare": lambda: asyncio.run(bare_loop(server)),
        "back-end": lambda: handed_over(backend),
        "engine": lambda: from_rows(db, backend),
    }
    took: dict[str, list[float]] = {name: [] for name in ways}
    for nth in range(PAIRS):
        for name in list(ways) if nth % 2 else reversed(ways):
            took[name].append(ways[name]())
    backend.close()
    db.close()
    rate = BATCH / median(took["bare"])
    for name, what in (("back-end", "submission to DiracX"), ("engine", "the same from the engine's rows")):
        share = median([bare / ours for bare, ours in zip(took["bare"], took[name], strict=True)])
        words = f"{what}, {BATCH / median(took[name]):.0f} jobs/s (a bare loop {rate:.0f})"
        row(words, f"{share:.0%}", ">= 90 %", share >= 0.9)


def item(group: str = "bench") -> Submission:
    return Submission(new_id(), group, [manifest(new_id())])


def manifest(attempt: str) -> Manifest:
    return Manifest(attempt, "x:1", "x", "true", "file:///x")


def handed_over(backend: DiracxBackend) -> float:
    """Seconds for `BATCH` jobs by the back-end."""
    items = [item() for _ in range(BATCH)]
    start = time.perf_counter()
    answers = backend.submit(items)
    elapsed = time.perf_counter() - start
    assert all(isinstance(answer, Accepted) for answer in answers)
    return elapsed


def from_rows(db: Database, backend: DiracxBackend) -> float:
    """Seconds for as many jobs that are ready in the engine's database, until it knows them accepted."""
    from engine.reconcile.submit import start_ready, submit_due

    ready(db, new_id(), BATCH)
    with db.read() as connection:
        before = submissions.in_flight(connection, "diracx")
    context = a_round(db, backend, manifest=lambda execution, job, attempt: manifest(attempt))
    start = time.perf_counter()
    while start_ready(context) or submit_due(context):
        pass
    elapsed = time.perf_counter() - start
    with db.read() as connection:
        assert submissions.in_flight(connection, "diracx") - before == BATCH
    return elapsed


async def bare_loop(server: Diracx) -> float:
    """Seconds for one sandbox and `BATCH` jobs, by diracx-client's own methods."""
    from diracx.client.aio import AsyncDiracClient
    from diracx.core.preferences import DiracxPreferences

    items = [item() for _ in range(BATCH)]
    preferences = DiracxPreferences(url=server.url, credentials_path=server.credential())
    client = DiracxClient(server.url, server.credential())
    client.call("GET", "/api/auth/userinfo")
    async with AsyncDiracClient(diracx_preferences=preferences) as api:
        await api.jobs.search(parameters=["JobID"], per_page=1)
        start = time.perf_counter()
        files, places = payload.manifest_files(items)
        archive = payload.pack({**payload.common(Node()), **files})
        name = client.run(sandbox.upload(client, archive))
        jdls = [
            render(attributes(i.key, i.execution, [name], place, NEEDS, JobRequirements()))
            for i, place in zip(items, places, strict=True)
        ]
        room = asyncio.Semaphore(AT_ONCE)

        async def send(some: list[str]) -> None:
            async with room:
                await api.jobs.submit_jdl_jobs(some)

        await asyncio.gather(*(send(jdls[at : at + 20]) for at in range(0, BATCH, 20)))
        elapsed = time.perf_counter() - start
    client.close()
    return elapsed


# --- watching ---------------------------------------------------------------------------------------


def fill(server: Diracx, group: str, count: int) -> list[str]:
    """So many jobs in the server's table, copies of one that was submitted. Returns their ids."""
    backend = DiracxBackend("diracx", DiracxSettings(server.url, server.credential(), GridSettings(Node())))
    [answer] = backend.submit([item(group)])
    backend.close()
    assert isinstance(answer, Accepted)
    with sqlite3.connect(server.directory / "db" / "jobdb.db", timeout=60) as connection:
        columns = [name for _, name, *_ in connection.execute("PRAGMA table_info(Jobs)") if name != "JobID"]
        names = ", ".join(f'"{name}"' for name in columns)
        values = names.replace('"JobName"', "JobName || i")
        first = int(answer.native_id)
        connection.execute(
            f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count - 1})"
            f" INSERT INTO Jobs (JobID, {names})"
            f" SELECT {first} + i, {values} FROM Jobs, n WHERE JobID = {first}"
        )
    connection.close()
    return [str(first + n) for n in range(count)]


def in_a_process_of_its_own(function: Any, *arguments: Any) -> dict[str, float]:
    """What a function returns in a Python that has nothing else in its memory."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found: dict[str, float] = pool.apply(function, arguments)
        return found


def watch(
    url: str, credential: Path, server: str, group: str, ids: list[str], directory: str
) -> dict[str, float]:
    """Look at all these jobs, as the reconciler does: pages from the database, questions to the server."""
    from engine.backends.wms import watch as watching
    from engine.reconcile.observe import observe

    watching.FULL_INTERVAL_S = CYCLES * LOOK / 2  # everything is compared once meanwhile
    db = Database(f"sqlite:///{directory}/watch-{len(ids)}.db")
    in_flight(db, group, ids)
    settings = GridSettings(Node(), poll_interval=LOOK, window=len(ids))
    backend = DiracxBackend("diracx", DiracxSettings(url, credential, settings))
    context = a_round(db, backend)
    known: dict[str, Observation] = {}
    observe(context, known)
    observe(context, known)
    costs = []
    for _ in range(CYCLES):
        change(server, ids[:: max(len(ids) // 100, 1)])
        time.sleep(LOOK)
        before = time.process_time()
        observe(context, known)
        costs.append(time.process_time() - before)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    backend.close()
    db.close()
    return {"cpu": median(costs), "memory": memory}


def change(server: str, ids: list[str]) -> None:
    """A hundred jobs have another minor state, as in every ten seconds of a busy grid."""
    with sqlite3.connect(f"{server}/db/jobdb.db", timeout=60) as connection:
        marks = ",".join("?" * len(ids))
        connection.execute(
            "UPDATE Jobs SET MinorStatus = ?, LastUpdateTime = strftime('%Y-%m-%d %H:%M:%f000', 'now')"
            f" WHERE JobID IN ({marks})",
            [f"step {time.time()}", *map(int, ids)],
        )
    connection.close()


def a_round(db: Database, backend: DiracxBackend, **parts: Any) -> Any:
    """What the steps of the reconciler work with; what these do not touch is not there."""
    from engine.reconcile.context import TickContext
    from engine.store import lease

    clock = SystemClock()
    held = lease.acquire(db, "bench", now=clock.now(), seconds=3600, is_dead=lambda _: True)
    words: dict[str, Any] = dict.fromkeys(TickContext.__dataclass_fields__)
    del words["moved"], words["label"]
    return TickContext(**{**words, "db": db, "lease": held, "clock": clock, "backend": backend, **parts})


def ready(db: Database, group: str, count: int) -> executions.Execution:
    """An execution whose jobs are ready to be started."""
    now = time.time()
    new = an_execution(group, now)
    with db.write() as connection:
        descriptors.store(connection, "0" * 64, {"name": "tool"}, checked_by="bench", now=now)
        executions.create(connection, new)
    for start in range(0, count, 1000):
        rows = [jobs.NewJob(n, {}, {}) for n in range(start + 1, min(start + 1000, count) + 1)]
        with db.write() as connection:
            jobs.add(connection, new.id, rows, now=now)
    with db.write() as connection:
        plans.activate(connection, new.id, jobs=count, now=now)
    return new


def in_flight(db: Database, group: str, ids: list[str]) -> None:
    """An execution whose jobs have all been accepted."""
    new = ready(db, group, len(ids))
    for start in range(0, len(ids), 1000):
        accept(db, new.id, ids[start : start + 1000], after=start, now=new.created_at)


def an_execution(group: str, now: float) -> executions.Execution:
    return executions.Execution(
        id=ExecutionId(group),
        owner="bench",
        name="tool",
        key=None,
        descriptor_sha256="0" * 64,
        options=Options(),
        backend="diracx",
        results="file:///nowhere",
        state=ExecutionState.PLANNING,
        intent=Intent.RUN,
        created_at=now,
    )


def accept(db: Database, id_: ExecutionId, page: list[str], *, after: int, now: float) -> None:
    """One page of its jobs gets attempts with these native ids."""
    from engine.domain.attempt import AttemptEvent

    with db.write() as connection:
        found = jobs.page(connection, id_, after=after, limit=len(page))
        new = [NewAttempt(AttemptId(new_id()), j.id, SubmissionId(new_id()), id_, 1) for j in found]
        lifecycle.prepare(connection, "diracx", new, now=now)
        natives = {a.submission_id: native for a, native in zip(new, page, strict=True)}
        submissions.set_native_ids(connection, natives)
        held = attempts.of_submissions(connection, list(natives))
        words = [EventNotice(a, AttemptEvent.ACCEPTED, "") for group in held.values() for a in group]
        lifecycle.apply_events(connection, words, now=now)


if __name__ == "__main__":
    main()
