"""An engine whose rounds a test does by hand: its database and its files are real, and nothing runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from engine import holder, wiring
from engine.app.application import Application
from engine.app.requests import SubmitRequest
from engine.ids import ExecutionId
from engine.ports import Capabilities
from engine.settings.reading import load
from engine.store import products
from engine.store.database import Database
from engine.testing.clock import FakeClock
from engine.usecases import ExecutionView, JobView
from tests.leftovers import nothing_left
from tests.reconcile import invariants
from tests.rounds.backend import MemoryBackend
from tests.rounds.storage import RecordedStorage

MOST = 60
"""Rounds in which anything comes to an end."""


@dataclass
class Rounds:
    """An engine in a directory of its own."""

    directory: Path
    engine: wiring.Engine
    clock: FakeClock
    backend: MemoryBackend
    effects: list[tuple[str, str]] = field(default_factory=list)
    """What was done to the storage, in order; `known` before a flush counts the results in the database."""

    def __post_init__(self) -> None:
        self.storage = RecordedStorage(self._note)

    def _note(self, call: str, url: str) -> None:
        if call == "flush":
            with self.engine.db.read() as connection:
                known = connection.exec_driver_sql("SELECT count(*) FROM product").scalar_one()
            self.effects.append(("known", str(known)))
        self.effects.append((call, url))

    def submit(
        self, jobs: int = 1, *, owner: str = "", outputs: Mapping[str, str] | None = None, **options: object
    ) -> ExecutionId:
        """Write an execution of so many jobs."""
        tool = {
            "name": "tool",
            "tool-version": "1",
            "description": "a tool of a test",
            "schema-version": "0.5",
            "command-line": "true [N]",
            "error-codes": [{"code": 3, "description": "the atlas is missing"}],
            "inputs": [{"id": "n", "name": "n", "type": "Number", "value-key": "[N]"}],
            "output-files": [
                {"id": id_, "name": id_, "path-template": path, "optional": True}
                for id_, path in (outputs or {"out": "out.txt"}).items()
            ],
        }
        (self.directory / "tool.json").write_text(json.dumps(tool))
        lines = [json.dumps({"n": n}) for n in range(1, jobs + 1)]
        (self.directory / "jobs.jsonl").write_text("\n".join(lines))
        given: dict[str, Any] = {"runtimes": ("none",), **options}
        request = SubmitRequest("tool.json", ("jobs.jsonl",), **given)
        app = self.app(owner)
        view, _ = app.submit(app.plan(request))
        return ExecutionId(view.id)

    def app(self, owner: str = "") -> Application:
        """The use cases as this owner has them."""
        return self.engine.app_of(owner) if owner else self.engine.app

    def round(self, seconds: float = 0.05) -> None:
        """Do a round, `seconds` after the one before, however long: nobody else takes the lease."""
        self.clock.advance(seconds)
        self.engine.driver.round()

    def until(self, so: Callable[[], object], seconds: float = 0.05) -> None:
        """Do rounds until something is so."""
        for _ in range(MOST):
            if so():
                return
            self.round(seconds)
        raise AssertionError("it never came to that")

    def end(self, id_: ExecutionId, seconds: float = 0.05) -> ExecutionView:
        """Do rounds until the execution is over and nothing is left to do for it: nodes need no time."""

        def over() -> bool:
            if self.backend.in_flight:
                self.backend.finish()
            return self.status(id_).over and not self.outbox()

        self.until(over, seconds)
        return self.status(id_)

    def status(self, id_: ExecutionId) -> ExecutionView:
        """How it stands."""
        return self.engine.app.status(id_)

    def jobs(self, id_: ExecutionId) -> list[JobView]:
        """Its jobs."""
        return list(self.engine.app.jobs(id_))

    def results(self, id_: ExecutionId) -> dict[str, str]:
        """Name -> URL of each result that the database knows."""
        with self.engine.db.read() as connection:
            return {one.name: one.url for one in products.every(connection, id_)}

    def files(self, id_: ExecutionId) -> set[str]:
        """Files below the directory of its results, but for the records."""
        top = self.directory / "results" / id_
        found = {str(path.relative_to(top)) for path in top.rglob("*") if path.is_file()}
        return {name for name in found if not name.startswith("provenance/")}

    def change(self, statement: str, *values: object) -> None:
        """Change rows as somebody else would."""
        with self.engine.db.write() as connection:
            connection.exec_driver_sql(statement, values)

    def read(self, statement: str) -> list[tuple[object, ...]]:
        """Rows of the database."""
        with self.engine.db.read() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(statement)]

    def outbox(self) -> list[str]:
        """Effects that are still to be done."""
        with self.engine.db.read() as connection:
            return list(connection.exec_driver_sql("SELECT effect FROM outbox ORDER BY effect").scalars())


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database as a new engine makes it: to make one takes as long as many a test of rounds."""
    path = tmp_path_factory.mktemp("empty") / "engine.db"
    Database(f"sqlite:///{path}", holder.is_dead).close()
    return path


@pytest.fixture
def rounds(
    home: Path, tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, empty_database: Path
) -> Iterator[Rounds]:
    """An engine at work with a back-end in memory; what it leaves is looked at in the end."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(empty_database, tmp_path / "engine.db")
    monkeypatch.setenv("ENGINE_DATABASE", f"sqlite:///{tmp_path / 'engine.db'}")
    engine = wiring.build(load(), clock)
    made = Rounds(tmp_path, engine, clock, MemoryBackend())
    engine.backends = {"local": made.backend}
    engine.storage = lambda url: made.storage
    with nothing_left(tmp_path):
        yield made
        engine.driver.release()
        invariants.hold(engine.db, home / ".local/state/boutiques-engine/work")
        engine.db.close()


def windowed(window: int, **more: Any) -> Capabilities:
    """Abilities of a back-end that takes so many submissions at a time."""
    usual = {"poll_interval": 0.0, "allows_no_container": True, "on_this_machine": True}
    return Capabilities(window=window, **{**usual, **more})
