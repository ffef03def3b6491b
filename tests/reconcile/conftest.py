"""A wired engine whose back-end is the real local one, with trouble on the line when a test wants it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine import wiring
from engine.app.requests import SubmitRequest
from engine.ids import ExecutionId
from engine.settings.reading import load
from engine.testing.faults import Faulty
from engine.usecases import ExecutionView, JobView

OUT: Mapping[str, str] = {"out": "out.txt"}


@dataclass
class World:
    """An engine in a directory of its own."""

    directory: Path
    engine: wiring.Engine
    backend: Faulty

    def submit(
        self, command: str, jobs: int = 1, outputs: Mapping[str, str] = OUT, **options: object
    ) -> ExecutionId:
        """Write an execution of `jobs` jobs with this command line; [N] is the number."""
        (self.directory / "tool.json").write_text(json.dumps(descriptor(command, outputs)))
        lines = [json.dumps({"n": n}) for n in range(1, jobs + 1)]
        (self.directory / "jobs.jsonl").write_text("\n".join(lines))
        request = SubmitRequest("tool.json", ("jobs.jsonl",), runtimes=("none",), **options)  # type: ignore[arg-type]
        view, _ = self.engine.app.submit(self.engine.app.plan(request))
        return ExecutionId(view.id)

    def rounds(self, until: Callable[[], bool]) -> None:
        """Let the engine do rounds until something is so; a test's time limit ends what never comes."""
        while not until():
            time.sleep(self.engine.driver.round())

    def held(self) -> str:
        """The words of a command line that hold a job until `let_go`."""
        return f"until [ -e '{self.directory}/go' ]; do sleep 0.02; done"

    def let_go(self) -> None:
        """End what holds the jobs."""
        (self.directory / "go").touch()

    def end(self, id_: ExecutionId) -> ExecutionView:
        """Let the engine do rounds until the execution is over."""
        self.rounds(lambda: self.engine.app.status(id_).over)
        return self.engine.app.status(id_)

    def jobs(self, id_: ExecutionId) -> Sequence[JobView]:
        """Its jobs."""
        return list(self.engine.app.jobs(id_))

    def finished(self) -> int:
        """Submissions that have ended at the back-end, shown by a directory that never goes away."""
        news = Path(wiring.local_settings(self.engine.settings).spool, "finished")
        return len(os.listdir(news)) if news.is_dir() else 0

    def lines(self, name: str) -> list[str]:
        """The lines of a file that the tools write."""
        path = self.directory / name
        return path.read_text().split() if path.exists() else []


def descriptor(command: str, outputs: Mapping[str, str] = OUT) -> dict[str, object]:
    """A tool with a number as input and optional outputs: path templates by id."""
    return {
        "name": "tool",
        "tool-version": "1",
        "description": "a tool of a test",
        "schema-version": "0.5",
        "command-line": command if "[N]" in command else f": [N]; {command}",
        "inputs": [{"id": "n", "name": "n", "type": "Number", "value-key": "[N]"}],
        "output-files": [
            {"id": id_, "name": id_, "path-template": path, "optional": True} for id_, path in outputs.items()
        ],
    }


@pytest.fixture
def database(tmp_path: Path) -> str:
    """The URL of an empty database."""
    return f"sqlite:///{tmp_path / 'engine.db'}"


@pytest.fixture
def world(home: Path, tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """An engine, and the back-end that it works with."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENGINE_DATABASE", database)
    monkeypatch.setenv("ENGINE_BACKENDS__LOCAL__SLOTS", "2")
    engine = wiring.build(load())
    backend = Faulty(engine.backends["local"])
    engine.backends["local"] = backend
    made = World(tmp_path, engine, backend)
    yield made
    made.engine.driver.release()  # a test may have begun another
    made.engine.db.close()


@pytest.fixture(autouse=True)
def own_directory() -> Iterator[None]:
    """Come back from wherever a test went."""
    here = os.getcwd()
    yield
    os.chdir(here)
