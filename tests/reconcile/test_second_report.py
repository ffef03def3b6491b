"""A report that does not come home is looked for beside the results; only a verified one ends a job."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from engine import wiring
from engine.backends.local import LocalBackend
from engine.errors import Unavailable
from engine.reconcile import collect, reconciler, second_report
from engine.storages.file import FileStorage
from tests.cli.desk import until
from tests.reconcile.conftest import World

pytestmark = pytest.mark.whole


@pytest.fixture(autouse=True)
def wrappers_as_on_a_grid(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """They send a second report; trouble is over soon."""
    local = wiring.local_settings(world.engine.settings)
    inner = world.backend.inner
    assert isinstance(inner, LocalBackend)
    inner._node = local.node._replace(second_report=True)
    inner.capabilities = replace(inner.capabilities, second_reports=True)
    monkeypatch.setattr(reconciler, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(collect, "RETRY_INTERVAL_S", 0.05)


def lose(path: Path) -> None:
    if path.name.endswith(".report.json"):
        path.unlink()


def spoil(path: Path) -> None:
    if path.name.endswith(".report.json"):
        path.write_text(path.read_text()[:-7])


@pytest.mark.parametrize("spoils", [lose, spoil])
def test_a_report_that_does_not_come_home_is_found_beside_the_results(world: World, spoils: object) -> None:
    world.backend.spoils = spoils  # type: ignore[assignment]
    id_ = world.submit(f"echo [N] | tee -a '{world.directory}/ran' > out.txt", jobs=2)
    assert world.end(id_).state == "succeeded"
    assert sorted(world.lines("ran")) == ["1", "2"]
    assert [job.attempts for job in world.jobs(id_)] == [1, 1]
    results = world.directory / "results" / id_
    assert sorted(path.name for path in (results / "outputs").rglob("*") if path.is_file()) == ["out.txt"] * 2


def test_failures_are_told_by_it_as_well(world: World) -> None:
    world.backend.spoils = lose
    id_ = world.submit("exit 3")
    assert world.end(id_).state == "failed"
    [job] = world.jobs(id_)
    assert (job.failure, job.exit_code, job.attempts) == ("tool", 3, 1)


def test_one_that_is_not_of_these_orders_is_not_believed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.backend.spoils = lose
    read = FileStorage.read

    def forged(self: FileStorage, url: str, offset: int = 0, length: int | None = None) -> bytes:
        data = read(self, url, offset, length)
        return data.replace(b'"manifest_sha256":"', b'"manifest_sha256":"0')

    monkeypatch.setattr(FileStorage, "read", forged)
    id_ = world.submit("true")
    assert world.end(id_).state == "failed"
    assert [(job.failure, job.attempts) for job in world.jobs(id_)] == [("lost", 3)]


def test_a_storage_that_does_not_answer_is_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.backend.spoils = lose
    read, asked = FileStorage.read, []

    def down(self: FileStorage, url: str, offset: int = 0, length: int | None = None) -> bytes:
        asked.append(url)
        if len(asked) < 4:
            raise Unavailable("the storage is down")
        return read(self, url, offset, length)

    monkeypatch.setattr(FileStorage, "read", down)
    id_ = world.submit(f"echo once >> '{world.directory}/ran'")
    assert world.end(id_).state == "succeeded"
    assert (world.lines("ran"), len(asked)) == (["once"], 4)


def test_but_not_for_ever(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.backend.spoils = lose
    monkeypatch.setattr(second_report, "LONGEST_WAIT_S", 0.2)

    def down(self: FileStorage, url: str, offset: int = 0, length: int | None = None) -> bytes:
        raise Unavailable("the storage is down")

    monkeypatch.setattr(FileStorage, "read", down)
    id_ = world.submit("true")
    assert world.end(id_).state == "failed"
    assert [job.failure for job in world.jobs(id_)] == ["lost"]


def test_of_two_runs_of_one_attempt_the_results_of_the_report_are_committed(world: World) -> None:
    id_ = world.submit("echo mine > out.txt; mkdir d; echo mine > d/x", outputs={"out": "out.txt", "d": "d"})
    world.rounds(lambda: len(world.backend.submitted) == 1)
    until(lambda: world.finished() == 1)
    [own] = (path for path in (world.directory / "results").rglob(".attempts/1/*/*") if path.is_dir())
    other = own.with_name("0" * 16)
    (other / "d").mkdir(parents=True)
    for name in ("out.txt", "d/x"):  # as many bytes: what it writes is seen to be another's by nothing else
        (other / name).write_text("your\n")
        (own.parent / "d").mkdir(exist_ok=True)
        (own.parent / name).write_text("your\n")
    assert world.end(id_).state == "succeeded"
    outputs = world.directory / "results" / id_ / "outputs"
    assert [(outputs / name).read_text() for name in ("out.txt", "d/x")] == ["mine\n"] * 2
    assert not own.parents[2].exists()


@pytest.mark.parametrize("run", ["..", "a/../..", "A", " "])
def test_a_report_cannot_name_a_directory_elsewhere(world: World, run: str) -> None:
    def forge(path: Path) -> None:
        if path.name.endswith(".report.json"):
            report = json.loads(path.read_text())
            for made in report["products"]:
                made["url"] = made["url"].replace(report["run"], run)
            path.write_text(json.dumps({**report, "run": run}))

    world.backend.spoils = forge
    id_ = world.submit("echo x > out.txt")
    assert world.end(id_).state == "failed"
    [job] = world.jobs(id_)
    assert job.failure == "output"
    assert "is no name of a directory of results" in job.message
