"""A database that is older than its results: what came after it is verified and taken over."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import URL

from engine import wiring
from engine.domain.file_urls import to_path
from engine.domain.job import JobState
from engine.ids import ExecutionId
from engine.settings.reading import load
from engine.testing.faults import Faulty
from tests.reconcile.conftest import World
from wrappers import wire

pytestmark = pytest.mark.whole

ON_BOTH = [
    pytest.param("", id="sqlite"),
    pytest.param("postgres_url", id="postgresql", marks=pytest.mark.service),
]


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database: SQLite's, where a test does not ask for another."""
    wanted = getattr(request, "param", "")
    return str(request.getfixturevalue(wanted)) if wanted else f"sqlite:///{tmp_path / 'engine.db'}"


class Backup:
    """A copy of the database of a world, of the moment at which it is made."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._file = world.directory / "backup.db"
        with self._closed() as url:
            if url.get_backend_name() == "sqlite":
                shutil.copyfile(url.database or "", self._file)
            else:
                self._as_template(f"CREATE DATABASE {url.database}_backup TEMPLATE {url.database}")

    def put_back(self) -> None:
        """Have an engine begin with it."""
        with self._closed() as url:
            if url.get_backend_name() == "sqlite":
                shutil.copyfile(self._file, url.database or "")
            else:
                self._as_template(f"DROP DATABASE {url.database}")
                self._as_template(f"ALTER DATABASE {url.database}_backup RENAME TO {url.database}")

    @contextmanager
    def _closed(self) -> Iterator[URL]:
        """End the engine of the world, and begin another one."""
        self._world.engine.driver.release()
        self._world.engine.db.close()
        self._host = dict(self._world.engine.db.url.query).get("host")
        yield self._world.engine.db.url
        self._world.engine = wiring.build(load())
        self._world.backend = Faulty(self._world.engine.backends["local"])
        self._world.engine.backends["local"] = self._world.backend

    def _as_template(self, statement: str) -> None:
        with psycopg.connect(
            host=str(self._host), user="engine", dbname="postgres", autocommit=True
        ) as other:
            other.execute(statement)


def counted(world: World) -> str:
    """A tool that notes each run of a job; those above 3 wait for a file `go`."""
    wait = f"while [ [N] -gt 3 ] && ! [ -e '{world.directory}/go' ]; do sleep 0.02; done"
    return f"echo [N] >> '{world.directory}/ran'; {wait}; echo of [N] > out.txt; [ [N] -ne 2 ]"


def ended(world: World, id_: ExecutionId) -> tuple[str, list[int]]:
    """How an execution ends, and which jobs were computed until then, each as often as it was."""
    view = world.end(id_)
    return f"{view.state} {dict(view.tally)}", sorted(int(line) for line in world.lines("ran"))


def spool(world: World) -> Path:
    """Where the submissions of a world are."""
    return wiring.local_settings(world.engine.settings).spool / "jobs"


def manifests_in(spool: Path) -> list[wire.Manifest]:
    """What every submission in the spool asks for."""
    texts = [path.read_text() for path in spool.glob("*/manifests.jsonl")]
    return [wire.loads(wire.Manifest, line) for text in texts for line in text.splitlines()]


END = "partial {'succeeded': 5, 'failed': 1}"
ONCE = [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("database", ON_BOTH, indirect=True)
def test_what_ended_after_a_backup_is_taken_over_from_its_records(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    id_ = world.submit(counted(world), jobs=6)
    backup = Backup(world)
    (world.directory / "go").touch()
    assert ended(world, id_) == (END, ONCE)
    before = {p.name: p for p in world.engine.app.products(id_)}
    backup.put_back()
    assert ended(world, id_) == (END, ONCE)
    assert {p.name: p for p in world.engine.app.products(id_)} == before
    assert "records of 6 jobs tell more" in caplog.text
    assert world.backend.submitted == []


@pytest.mark.parametrize("database", ON_BOTH, indirect=True)
def test_what_still_runs_after_a_backup_is_taken_over_from_the_back_end(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    id_ = world.submit(counted(world), jobs=6)
    backup = Backup(world)
    world.rounds(lambda: world.engine.app.status(id_).finished == 3 and len(world.lines("ran")) == 5)
    backup.put_back()
    (world.directory / "go").touch()
    assert ended(world, id_) == (END, ONCE)
    assert "holds 3 jobs that the database" in caplog.text
    assert world.backend.submitted == []


def test_a_result_that_was_altered_is_never_overwritten_and_named(world: World) -> None:
    id_ = world.submit(counted(world), jobs=6)
    backup = Backup(world)
    (world.directory / "go").touch()
    world.end(id_)
    results = to_path(world.engine.app.status(id_).results) / "outputs"
    (results / "1/out.txt").write_text("mine\n")
    (results / "3/out.txt").unlink()
    backup.put_back()
    assert ended(world, id_) == ("partial {'succeeded': 3, 'failed': 3}", ONCE)
    first, _, third, *_ = world.jobs(id_)
    assert "outputs/1/out.txt has other bytes than its record says" in first.message
    assert "outputs/3/out.txt is not there" in third.message
    world.engine.app.retry(id_, [JobState.FAILED])
    assert ended(world, id_) == ("partial {'succeeded': 4, 'failed': 2}", sorted([*ONCE, 1, 2, 3]))
    assert "exists already, with other bytes" in world.jobs(id_)[0].message
    assert (results / "1/out.txt").read_text() == "mine\n"


def test_a_result_with_the_same_bytes_is_no_reason_to_refuse_another(world: World) -> None:
    id_ = world.submit(counted(world), jobs=6)
    backup = Backup(world)
    (world.directory / "go").touch()
    world.end(id_)
    shutil.rmtree(to_path(world.engine.app.status(id_).results) / "provenance")
    backup.put_back()
    assert ended(world, id_) == (END, sorted(ONCE * 2))


def test_what_nobody_waits_for_is_ended_and_what_is_of_another_database_stays(world: World) -> None:
    id_ = world.submit(counted(world), jobs=6)
    backup = Backup(world)
    world.rounds(lambda: len(world.lines("ran")) == 5)
    other = world.submit(counted(world), jobs=1)
    world.rounds(lambda: len(world.backend.submitted) == 7)
    backup.put_back()
    world.engine.app.cancel(id_)
    world.rounds(lambda: [other] == [manifest.execution for manifest in manifests_in(spool(world))])
    assert world.engine.app.status(id_).over


def test_a_submission_of_several_jobs_is_taken_over_as_a_whole(world: World) -> None:
    """Whatever jobs start first in the older database: of its submissions each is one row."""
    id_ = world.submit(counted(world), jobs=6, group=3)
    backup = Backup(world)
    world.rounds(lambda: len(manifests_in(spool(world))) == 6)
    backup.put_back()
    with world.engine.db.write() as connection:
        connection.exec_driver_sql("UPDATE job SET not_before = not_before + 1e10 WHERE number IN (1, 5)")
    (world.directory / "go").touch()
    assert ended(world, id_) == (END, ONCE)
    assert world.backend.submitted == []


def test_records_that_speak_of_others_end_their_own_jobs_alone(world: World) -> None:
    """Records are files that their users may write. None of it ends a round, in which others are at work."""
    id_ = world.submit(counted(world), jobs=6)
    backup = Backup(world)
    (world.directory / "go").touch()
    world.end(id_)
    records = to_path(world.engine.app.status(id_).results) / "provenance"
    first, third = (json.loads((records / f"{number}.1.json").read_text()) for number in (1, 3))
    first["public-output"] = third["public-output"]  # the results of another job
    (records / "1.1.json").write_text(json.dumps(first))
    third["additional-information"] |= {"job": f"{id_}:4"}  # the attempt of another job
    (records / "4.1.json").write_text(json.dumps(third))
    backup.put_back()
    assert ended(world, id_) == ("partial {'succeeded': 4, 'failed': 2}", sorted([*ONCE, 4]))
    assert "result 3/out.txt is not below 1/" in world.jobs(id_)[0].message


def test_a_name_that_two_jobs_wanted_stays_with_the_one_that_has_it(world: World) -> None:
    id_ = world.submit("echo same > out.txt", jobs=2, outputs={"out": "*.txt"}, results_name="all/{path}")
    backup = Backup(world)
    assert world.end(id_).tally == {"succeeded": 1, "failed": 1}
    before = list(world.engine.app.products(id_))
    backup.put_back()
    assert world.end(id_).tally == {"succeeded": 1, "failed": 1}
    assert list(world.engine.app.products(id_)) == before
