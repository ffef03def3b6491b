"""Results on a storage that is gone before they are committed: waited for, told of, not computed anew."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from pathlib import Path
from urllib.request import urlopen

import pytest

from engine.app.explain import history_of
from engine.app.portal.purge import giving_up, purge_due
from engine.domain.job import JobState
from engine.errors import Unavailable
from engine.ids import ExecutionId
from engine.reconcile import collect, conclude, reconciler
from engine.store import executions
from engine.store.jobs import Job
from tests.cli.desk import until
from tests.reconcile.conftest import World
from tests.services.nginx import Nginx, start_nginx

pytestmark = pytest.mark.service


@pytest.fixture
def storage() -> Iterator[Nginx]:
    """A server that is stopped and started here."""
    with start_nginx() as running:
        yield running


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses are short; patience ends at once where a test does not say otherwise."""
    monkeypatch.setattr(reconciler, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(collect, "RETRY_INTERVAL_S", 0.05)
    monkeypatch.setattr(conclude, "CLEAR_INTERVAL_S", 0.05)
    monkeypatch.setenv("ENGINE_DATA__DELIVERY_TIMEOUT", "0")
    monkeypatch.setenv("ENGINE_DATA__ROUNDS", "1")


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_DATA__DELIVERY_TIMEOUT", "3600")


def delivered_to(storage: Nginx, world: World, jobs: int = 1) -> ExecutionId:
    """An execution whose results have come to the storage, and whose engine does not know it yet."""
    wait = f"while [ ! -e {world.directory}/go ]; do sleep 0.05; done"
    command = f"{wait}; echo [N] | tee -a {world.directory}/ran > out.txt"
    id_ = world.submit(command, jobs, stores=(f"{storage.url}/results",))
    world.rounds(lambda: len(world.backend.submitted) == jobs)
    (world.directory / "go").touch()
    until(lambda: world.finished() == jobs)
    return id_


def contents(world: World, id_: ExecutionId) -> list[str]:
    urls = sorted(product.url for product in world.engine.app.products(id_))
    return [urlopen(url).read().decode().strip() for url in urls]


def test_a_storage_that_does_not_answer_is_waited_for_and_status_and_explain_say_so(
    patient: None, storage: Nginx, world: World
) -> None:
    id_ = delivered_to(storage, world)
    storage.program.stop()
    world.rounds(lambda: "results wait for their storage" in world.engine.app.status(id_).trouble)
    story = [event["message"] for event in history_of(world.engine.db, id_, job_of(world, id_)).events]
    assert len([line for line in story if line.startswith("its results wait for a storage: ")]) == 1
    assert world.engine.app.status(id_).state == "running"
    storage.program.start()
    view = world.end(id_)
    assert (view.state, view.trouble) == ("succeeded", "")
    assert (contents(world, id_), world.lines("ran")) == (["1"], ["1"])


def test_meanwhile_other_work_of_the_same_place_goes_on(patient: None, storage: Nginx, world: World) -> None:
    waiting = delivered_to(storage, world)
    storage.program.stop()
    world.rounds(lambda: bool(world.engine.app.status(waiting).trouble))
    assert world.end(world.submit("echo x > out.txt")).state == "succeeded"
    assert world.engine.driver.alert == ""
    assert world.engine.app.status(waiting).state == "running"


def test_after_the_patience_is_over_a_retry_takes_them_up_without_running_the_tool(
    storage: Nginx, world: World
) -> None:
    id_ = delivered_to(storage, world, jobs=2)
    storage.program.stop()
    for _ in range(2):  # a storage that is still gone makes no difference
        assert world.end(id_).state == "failed"
        assert [(job.failure, job.attempts) for job in world.jobs(id_)] == [("stranded", 1)] * 2
        assert all("`engine retry` takes them up" in job.message for job in world.jobs(id_))
        assert world.engine.app.retry(id_, [JobState.FAILED]) == 2
    assert world.end(id_).state == "failed"
    storage.program.start()
    world.rounds(lambda: not to_clear(world))  # what attempts left is removed, but not this
    assert world.engine.app.retry(id_, [JobState.FAILED]) == 2
    assert world.end(id_).state == "succeeded"
    assert sorted(contents(world, id_)) == sorted(world.lines("ran")) == ["1", "2"]
    assert [(job.failure, job.attempts) for job in world.jobs(id_)] == [("", 1)] * 2
    world.rounds(lambda: not to_clear(world) and world.finished() == 0)
    assert not list(Path(storage.files).rglob(".attempts"))


def test_nobody_waits_for_a_storage_once_the_end_was_asked_for(
    patient: None, storage: Nginx, world: World
) -> None:
    id_ = delivered_to(storage, world)
    storage.program.stop()
    world.rounds(lambda: bool(world.engine.app.status(id_).trouble))
    world.engine.app.cancel(id_)
    assert world.end(id_).state == "cancelled"
    storage.program.start()
    world.engine.app.retry(id_, [JobState.CANCELLED])
    assert world.end(id_).state == "succeeded"
    assert world.lines("ran") == ["1"]


def test_results_that_are_gone_for_good_are_computed_again(storage: Nginx, world: World) -> None:
    id_ = delivered_to(storage, world)
    storage.program.stop()
    assert world.end(id_).state == "failed"
    for path in Path(storage.files).rglob("out.txt"):
        path.unlink()
    storage.program.start()
    world.engine.app.retry(id_, [JobState.FAILED])
    assert world.end(id_).state == "failed"
    assert [job.failure for job in world.jobs(id_)] == ["output"]
    world.engine.app.retry(id_, [JobState.FAILED])
    assert world.end(id_).state == "succeeded"
    assert world.lines("ran") == ["1", "1"]


def test_what_nobody_takes_up_goes_with_its_execution(storage: Nginx, world: World) -> None:
    id_ = delivered_to(storage, world)
    storage.program.stop()
    assert world.end(id_).state == "failed"
    storage.program.start()
    world.rounds(lambda: not to_clear(world))
    assert list(Path(storage.files).rglob("out.txt"))
    assert purged(world) == [id_]
    assert not list(Path(storage.files).rglob(".attempts"))
    assert world.finished() == 0


def test_an_execution_stays_while_its_results_cannot_be_removed(
    storage: Nginx, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    id_ = delivered_to(storage, world)
    storage.program.stop()
    assert world.end(id_).state == "failed"
    storage.program.start()
    world.rounds(lambda: not to_clear(world))
    storage.program.stop()
    other = world.submit("echo x > out.txt")
    assert world.end(other).state == "succeeded"
    gone = iter(purge(world))
    assert next(gone) == other
    with pytest.raises(Unavailable, match=r"1 of the executions stay \(purge again later\)"):
        next(gone)
    assert f"execution {id_} stays: what it left cannot be removed: " in caplog.text
    storage.program.start()
    assert purged(world) == [id_]


def purge(world: World) -> Iterator[ExecutionId]:
    """Remove all that has ended."""
    engine = world.engine
    give_up = giving_up(engine.db, engine.backends, engine.storage)
    return purge_due(
        engine.db, engine.trail, engine.clock, older=-1.0, files=None, give_up=give_up, dry_run=False
    )


def purged(world: World) -> list[ExecutionId]:
    """What was removed."""
    return list(purge(world))


def job_of(world: World, id_: ExecutionId) -> Job:
    """Its only job."""
    return world.engine.app.job(id_, 1)


def to_clear(world: World) -> bool:
    """Whether there is still something to be removed from storages."""
    with world.engine.db.read() as connection:
        return bool(executions.to_clear(connection, "local", now=inf))
