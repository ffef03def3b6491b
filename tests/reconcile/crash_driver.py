"""Kills the engine at one boundary after the other, and lets a new one go on. Run by test_crashes.py.

A boundary is the moment before a transaction begins, before it commits, after it has committed, and both
sides of every call to the back-end and the storage. For boundary N a child does a whole execution and sends
itself SIGKILL there; a second child, which is not killed, goes on. Children are forked, so that imports are
paid once, also those that the engine puts off until it needs them. Each line printed is the JSON of one
trial; the last tells how many boundaries there are.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from engine import wiring
from engine.app.requests import SubmitRequest
from engine.ids import ExecutionId
from engine.ports import Backend
from engine.settings.reading import load
from engine.storages.file import FileStorage
from engine.store.database import Database

JOBS = 3
DESCRIPTOR = {
    "name": "count",
    "tool-version": "1",
    "description": "appends a line to a file",
    "schema-version": "0.5",
    "command-line": "echo [N] >> [COUNTER]; echo [N] > out.txt",
    "inputs": [
        {"id": "n", "name": "n", "type": "Number", "value-key": "[N]"},
        {"id": "counter", "name": "counter", "type": "String", "value-key": "[COUNTER]"},
    ],
    "output-files": [{"id": "out", "name": "out", "path-template": "out.txt"}],
}


class Boundaries:
    """Counts boundaries, and ends the process at the chosen one."""

    def __init__(self, fatal: int | None, chance: float = 0.0) -> None:
        self.passed = 0
        self._fatal = fatal
        self._chance = chance

    def reach(self) -> None:
        """Be at a boundary."""
        self.passed += 1
        if self.passed == self._fatal or random.random() < self._chance:
            os.kill(os.getpid(), signal.SIGKILL)


class Guarded:
    """An object whose every call is preceded and followed by a boundary."""

    def __init__(self, inner: object, boundaries: Boundaries) -> None:
        self._inner = inner
        self._boundaries = boundaries

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def call(*args: object, **kwargs: object) -> object:
            self._boundaries.reach()
            answer = found(*args, **kwargs)
            self._boundaries.reach()
            return answer

        return call


def guard_transactions(db: Database, boundaries: Boundaries) -> None:
    """Put a boundary around the beginning and the commit of every transaction that writes."""
    plain = db.write

    @contextmanager
    def write() -> Iterator[Any]:
        boundaries.reach()
        with plain() as connection:
            yield connection
            boundaries.reach()
        boundaries.reach()

    db.write = write  # type: ignore[method-assign]


def engine_of(boundaries: Boundaries) -> wiring.Engine:
    """A wired engine, every boundary of which is counted."""
    made = wiring.build(load())
    guard_transactions(made.db, boundaries)
    made.__dict__["backends"] = {n: _guarded(b, boundaries) for n, b in made.backends.items()}
    return made


def _guarded(backend: Backend, boundaries: Boundaries) -> Any:
    return Guarded(backend, boundaries)


def in_child(work: Callable[[], None]) -> int:
    """Run `work` in a forked child; its wait status."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException as error:
            print(f"child: {error!r}", file=sys.stderr, flush=True)
            os._exit(1)
    return os.waitpid(pid, 0)[1]


def prepare(directory: Path) -> None:
    """A fresh database and the files of one execution; the spool is shared by all trials."""
    directory.mkdir()
    os.chdir(directory)
    (directory / "tool.json").write_text(json.dumps(DESCRIPTOR))
    lines = [json.dumps({"n": n, "counter": str(directory / "counter")}) for n in range(1, JOBS + 1)]
    (directory / "jobs.jsonl").write_text("\n".join(lines))
    os.environ["ENGINE_DATABASE"] = f"sqlite:///{directory}/engine.db"


def import_what_children_need(base: Path) -> None:
    """Import the modules that one child, which does a whole execution, has imported in the end."""
    known = set(sys.modules)

    def work() -> None:
        submit_and_follow(Boundaries(None))
        (base / "modules").write_text("\n".join(name for name in sys.modules if name not in known))

    prepare(base / "first")
    if in_child(work):
        raise SystemExit("an execution that nobody killed failed")
    for name in (base / "modules").read_text().splitlines():
        with suppress(ImportError):  # some are made by others: they have no file
            importlib.import_module(name)


def submit_and_follow(boundaries: Boundaries) -> None:
    """What a user does; a key makes the second time the same execution."""
    made = engine_of(boundaries)
    storage = Guarded(FileStorage(), boundaries)
    made.storage = lambda _: storage
    request = SubmitRequest("tool.json", ("jobs.jsonl",), key="the one", runtimes=("none",))
    view, _ = made.app.submit(made.app.plan(request))
    made.driver.follow(ExecutionId(view.id), lambda _: None)


def verdict(directory: Path) -> dict[str, Any]:
    """What is there in the end."""
    made = wiring.build(load())
    [view] = made.app.newest()
    counted = (directory / "counter").read_text().split()
    results = sorted(p.name for p in made.app.products(ExecutionId(view.id)))
    outputs = directory / "results" / view.id / "outputs"
    with made.db.read() as connection:
        left = connection.exec_driver_sql("SELECT count(*) FROM outbox").scalar()
    made.db.close()
    return {
        "state": view.state,
        "counted": sorted(counted),
        "results": results,
        "files": sorted(str(p.relative_to(outputs)) for p in outputs.rglob("*") if p.is_file()),
        "debris": [str(p) for p in (directory / "results" / view.id).glob(".*")],
        "outbox": left,
    }


def trial(base: Path, name: str, boundaries: Sequence[Boundaries]) -> dict[str, Any]:
    """One execution, carried on by a new engine each time the last one died."""
    directory = base / name
    prepare(directory)
    deaths = 0
    for one in boundaries:
        status = in_child(lambda one=one: submit_and_follow(one))  # type: ignore[misc]
        if os.WIFEXITED(status):
            if os.WEXITSTATUS(status):
                raise SystemExit(f"trial {name} failed by itself")
            break
        deaths += 1
        release_lease(directory)
    found = {"trial": name, "deaths": deaths, **verdict(directory)}
    shutil.rmtree(directory, ignore_errors=True)
    return found


def release_lease(directory: Path) -> None:
    """A dead engine's lease runs out after half a minute; the tests need not wait for it."""
    if not (directory / "engine.db").exists():
        return
    import sqlite3

    with sqlite3.connect(directory / "engine.db", timeout=30) as connection:
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'lease'").fetchone():
            connection.execute("UPDATE lease SET until = 0")
    connection.close()


def main() -> None:
    """Every boundary once; then trials with deaths at random, again and again."""
    base, randomly = Path(sys.argv[1]), int(sys.argv[2])
    import_what_children_need(base)
    number = 0
    while True:
        number += 1
        found = trial(base, f"at-{number}", [Boundaries(number), Boundaries(None)])
        print(json.dumps(found), flush=True)
        if not found["deaths"]:
            break
    for number in range(randomly):
        random.seed(number)
        ways = [Boundaries(None, 0.05) for _ in range(30)]
        print(json.dumps(trial(base, f"random-{number}", [*ways, Boundaries(None)])), flush=True)


if __name__ == "__main__":
    main()
