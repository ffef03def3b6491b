"""From reports to results: what is believed, what is refused, and that no report can stop the engine."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.domain.job import JobState
from tests.cli.desk import until
from tests.reconcile.conftest import World

pytestmark = pytest.mark.whole


def spoil_reports(world: World, change: Callable[[dict[str, Any]], object]) -> None:
    """Have every report changed on its way."""

    def spoil(path: Path) -> None:
        if path.name.endswith(".report.json"):
            report = json.loads(path.read_text())
            change(report)
            path.write_text(json.dumps(report))

    world.backend.spoils = spoil


def test_a_result_whose_name_is_no_utf8_fails_its_job_and_no_other(world: World) -> None:
    bad = world.submit("echo x > \"$(printf 'caf\\351.txt')\"", outputs={"out": "*.txt"})
    good = world.submit("echo x > out.txt")
    assert world.end(bad).state == "failed"
    assert world.end(good).state == "succeeded"
    [job] = world.jobs(bad)
    assert (job.failure, job.attempts) == ("tool", 1)
    assert job.message.startswith(r"output out: caf\udce9.txt: its name is not UTF-8")


def test_a_name_that_is_no_utf8_is_not_believed_of_a_node_either(world: World) -> None:
    spoil_reports(world, lambda report: report["products"][0].update(path="caf\udce9.txt"))
    id_ = world.submit("echo x > out.txt")
    assert world.end(id_).state == "failed"
    [job] = world.jobs(id_)
    assert (job.failure, job.attempts) == ("output", 1)
    assert job.message.startswith(r"result caf\udce9.txt: its name is not UTF-8")


def test_reports_come_home_several_at_a_time_where_the_place_takes_that(world: World) -> None:
    world.backend.retrievals = 2
    id_ = world.submit(f"while [ ! -e {world.directory}/go ]; do sleep 0.05; done; echo > out.txt", jobs=2)
    world.rounds(lambda: len(world.backend.submitted) == 2)
    (world.directory / "go").touch()
    until(lambda: world.finished() == 2)
    together = threading.Barrier(2)
    world.backend.spoils = lambda path: path.name.endswith(".report.json") and together.wait(60)
    assert world.end(id_).state == "succeeded"


@pytest.mark.parametrize(
    "values",
    [
        {"message": "a\0b \udce9"},
        {"failure": "a class that a later version may know"},
        {"outcome": "undecided"},
        {"host": {"name": "\udce9"}},
    ],
    ids=lambda values: next(iter(values)),
)
def test_odd_words_in_a_report_of_a_failure_are_told_and_stop_nothing(
    world: World, values: dict[str, Any]
) -> None:
    spoil_reports(world, lambda report: report.update(values))
    id_ = world.submit("exit 3")
    assert world.end(id_).state == "failed"
    [job] = world.jobs(id_)
    assert job.failure in ("tool", "engine")
    assert "\0" not in job.message
    [record] = world.directory.rglob("provenance/1.1.json")
    json.loads(record.read_text())


@pytest.mark.parametrize(
    "values",
    [
        {"started": float("nan")},
        {"ended": 1e300},
        {"cpu_seconds": float("inf")},
        {"exit_code": 1 << 70},
    ],
    ids=lambda values: next(iter(values)),
)
def test_a_report_with_numbers_that_cannot_be_is_not_believed(world: World, values: dict[str, Any]) -> None:
    spoil_reports(world, lambda report: report.update(values))
    id_ = world.submit("true")
    assert world.end(id_).state == "failed"
    [job] = world.jobs(id_)
    assert (job.failure, job.attempts) == ("lost", 3)
    assert "numbers that cannot be" in job.message


@pytest.mark.parametrize("path", ["../../escaped.txt", "/escaped.txt", "a//b", ""])
def test_a_result_with_a_path_that_leads_elsewhere_is_refused(world: World, path: str) -> None:
    spoil_reports(world, lambda report: report["products"][0].update(path=path))
    id_ = world.submit("echo x > out.txt")
    assert world.end(id_).state == "failed"
    assert world.jobs(id_)[0].failure == "output"
    assert not list(world.directory.rglob("escaped.txt"))


def test_a_result_at_a_place_that_is_not_the_attempts_own_stays_there(world: World) -> None:
    secret = world.directory / "out.txt"
    secret.write_text("x\n")
    spoil_reports(world, lambda report: report["products"][0].update(url=f"file://{secret}"))
    id_ = world.submit("echo x > out.txt")
    assert world.end(id_).state == "failed"
    assert "is not where this attempt writes" in world.jobs(id_)[0].message
    assert secret.exists()


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_file_and_the_directory_that_holds_it_may_both_be_outputs(world: World, jobs: int) -> None:
    id_ = world.submit(
        "mkdir subject; echo x > subject/stats",
        jobs=jobs,
        outputs={"stats": "subject/stats", "all": "subject"},
    )
    assert world.end(id_).state == "succeeded"
    assert len(list(world.engine.app.products(id_))) == 2 * jobs
    assert len(list(world.directory.rglob("outputs/**/subject/stats"))) == jobs


def test_a_file_that_two_outputs_match_is_one_result_of_both(world: World) -> None:
    id_ = world.submit("echo x > out.txt", outputs={"text": "*.txt", "first": "o*"})
    assert world.end(id_).state == "succeeded"
    assert [p.name for p in world.engine.app.products(id_)] == ["out.txt"]
    [record] = world.directory.rglob("provenance/1.1.json")
    assert set(json.loads(record.read_text())["public-output"]["output-files"]) == {"text", "first"}


def test_what_is_refused_leaves_no_result_behind_and_can_be_tried_again(world: World) -> None:
    outputs = {"one": "a.txt", "two": "b.txt"}
    id_ = world.submit("echo x > a.txt; echo y > b.txt", outputs=outputs)

    def lose(_: Path) -> None:
        for path in world.directory.rglob(".attempts/*/*/b.txt"):
            path.unlink()

    world.backend.spoils = lose
    assert world.end(id_).state == "failed"
    assert list(world.directory.rglob("outputs/*")) == []
    world.backend.spoils = None
    assert world.engine.app.retry(id_, [JobState.FAILED]) == 1
    assert world.end(id_).state == "succeeded"


def test_results_that_could_not_be_delivered_are_kept_and_their_place_is_told(world: World) -> None:
    id_ = world.submit("echo precious > out.txt")
    results = world.directory / "results" / id_
    (results / ".attempts").write_text("in the way")
    assert world.end(id_).state == "failed"
    [job] = world.jobs(id_)
    assert job.failure == "output"
    kept = Path(job.message.split(" is kept in ")[1].split(" on ")[0])
    assert (kept / "out.txt").read_text() == "precious\n"


def test_a_descriptor_that_a_later_engine_cannot_expand_does_not_stop_what_runs(world: World) -> None:
    id_ = world.submit("echo x > out.txt")
    world.rounds(lambda: "submit" in world.backend.calls)
    with world.engine.db.write() as connection:
        connection.exec_driver_sql("""UPDATE job SET invocation = '{"m": 1}'""")
    assert world.end(id_).state == "succeeded"
