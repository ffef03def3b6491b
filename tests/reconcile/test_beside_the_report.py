"""Results that came home beside the report, since no storage took them: the first that does has them."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.request import urlopen

import pytest

from engine.domain.job import JobState
from engine.ids import ExecutionId
from engine.reconcile import collect, reconciler
from engine.store import replicas
from tests.cli.desk import until
from tests.reconcile.conftest import World
from tests.services.nginx import Nginx, start_nginx

pytestmark = pytest.mark.service


@pytest.fixture
def storages() -> Iterator[tuple[Nginx, Nginx]]:
    """Two servers that are stopped and started here."""
    with start_nginx() as first, start_nginx() as second:
        yield first, second


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs run elsewhere, and nobody waits."""
    monkeypatch.setattr(reconciler, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(collect, "RETRY_INTERVAL_S", 0.05)
    monkeypatch.setenv("ENGINE_BACKENDS__LOCAL__SIMULATE_REMOTE", "true")
    monkeypatch.setenv("ENGINE_DATA__DELIVERY_TIMEOUT", "0")
    monkeypatch.setenv("ENGINE_DATA__ROUNDS", "1")


@pytest.fixture
def two_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each result on two storages; one that is away is soon asked again."""
    monkeypatch.setenv("ENGINE_DATA__REPLICAS", "2")
    monkeypatch.setattr(replicas, "retry_after", lambda _: 0.05)


def come_home(storages: tuple[Nginx, Nginx], world: World, **options: object) -> ExecutionId:
    """An execution whose two results came home while both storages were away."""
    wait = f"while [ ! -e {world.directory}/go ]; do sleep 0.05; done"
    outputs = {"a": "a.txt", "b": "b.txt"}
    stores = tuple(f"{one.url}/results" for one in storages)
    command = f"{wait}; echo [N] | tee -a {world.directory}/ran > a.txt; echo b > b.txt"
    id_ = world.submit(command, 1, outputs, stores=stores, **options)
    world.rounds(lambda: len(world.backend.submitted) == 1)
    for storage in storages:
        storage.program.stop()
    (world.directory / "go").touch()
    until(lambda: world.finished() == 1)
    return id_


def copies(world: World, id_: ExecutionId) -> dict[str, list[str]]:
    with world.engine.db.read() as connection:
        return replicas.of_execution(connection, id_)


def found(world: World, id_: ExecutionId) -> dict[str, str]:
    return {p.url: urlopen(p.url).read().decode().strip() for p in world.engine.app.products(id_)}


def test_the_next_storage_takes_them_while_the_first_is_away(
    storages: tuple[Nginx, Nginx], world: World
) -> None:
    id_ = come_home(storages, world)
    _, second = storages
    second.program.start()
    assert world.end(id_).state == "succeeded"
    outputs = f"{second.url}/results/{id_}/outputs"
    assert found(world, id_) == {f"{outputs}/a.txt": "1", f"{outputs}/b.txt": "b"}


def test_copies_go_to_the_storages_that_do_not_have_them(
    two_copies: None, storages: tuple[Nginx, Nginx], world: World
) -> None:
    id_ = come_home(storages, world)
    first, second = storages
    second.program.start()
    assert world.end(id_).state == "succeeded"
    first.program.start()
    copy = f"{first.url}/results/{id_}/outputs/a.txt"
    world.rounds(lambda: copies(world, id_).get("a.txt") == [copy])
    assert urlopen(copy).read().decode().strip() == "1"
    assert all(url.startswith(second.url) for url in found(world, id_))


def test_they_wait_for_a_retry_while_all_storages_are_away(
    storages: tuple[Nginx, Nginx], world: World
) -> None:
    id_ = come_home(storages, world)
    assert world.end(id_).state == "failed"
    assert [job.failure for job in world.jobs(id_)] == ["stranded"]
    first, _ = storages
    first.program.start()
    world.engine.app.retry(id_, [JobState.FAILED])
    assert world.end(id_).state == "succeeded"
    outputs = f"{first.url}/results/{id_}/outputs"
    assert found(world, id_) == {f"{outputs}/a.txt": "1", f"{outputs}/b.txt": "b"}
    assert world.lines("ran") == ["1"]
