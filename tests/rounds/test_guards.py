"""What is refused of a report, each guard alone: by the class of the failure and by its own words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.domain.file_urls import to_path
from engine.domain.job import JobState
from engine.ids import ExecutionId
from tests.rounds.conftest import Rounds, windowed
from wrappers import wire

Change = Callable[[wire.Report], wire.Report]


def product(**values: Any) -> Change:
    """Change the first result of a report."""
    return lambda report: report._replace(
        products=[report.products[0]._replace(**values), *report.products[1:]]
    )


def ended(rounds: Rounds, change: Change | None = None, **options: Any) -> ExecutionId:
    """An execution of one job whose report is changed."""
    id_ = rounds.submit(**options)
    rounds.until(lambda: rounds.backend.in_flight)
    rounds.backend.finish(change=change)
    rounds.until(lambda: rounds.status(id_).over and not rounds.outbox())
    return id_


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (product(path="a/../out.txt"), "its path is not one below the job directory"),
        (product(path="/out.txt"), "its path is not one below the job directory"),
        (product(path="./out.txt"), "its path is not one below the job directory"),
        (product(id="x" * 256), "the id of its output has more than 255 characters"),
        (product(id="a\0"), "the id of its output has more than 255 characters"),
        (product(path="caf\udce9.txt"), "its name is not UTF-8"),
        (product(size=3), "has 2 bytes where the report says 3"),
        (product(size=1), "has 2 bytes where the report says 1"),
        (product(url="file:///etc/passwd"), "is not where this attempt writes"),
        (lambda report: report._replace(run="../x"), "is no name of a directory of results"),
        (lambda report: report._replace(run="0" * 33), "is no name of a directory of results"),
        (lambda report: report._replace(run="0" * 32), "is not where this attempt writes"),
    ],
)
def test_a_result_that_is_not_what_it_must_be_is_refused_and_stays_where_it_is(
    rounds: Rounds, change: Change, words: str
) -> None:
    id_ = ended(rounds, change)
    [job] = rounds.jobs(id_)
    assert (job.state, job.failure, job.attempts) == ("failed", "output", 1)
    assert words in job.message
    assert rounds.results(id_) == {}
    assert rounds.files(id_) == set()


def test_the_longest_id_of_an_output_is_one(rounds: Rounds) -> None:
    id_ = ended(rounds, product(id="x" * 255))
    assert list(rounds.results(id_)) == ["out.txt"]


def wild(rounds: Rounds) -> ExecutionId:
    """Two jobs whose results, known only when they are there, have one name."""
    id_ = rounds.submit(2, outputs={"out": "*.txt"}, results_name="all/{path}")
    rounds.until(lambda: len(rounds.backend.in_flight) == 2)
    return id_


def test_a_name_that_another_job_has_is_refused_although_its_file_was_taken_away(rounds: Rounds) -> None:
    """Without it, the result of one subject is taken for that of another."""
    id_ = wild(rounds)
    rounds.backend.finish(rounds.backend.in_flight[0])
    rounds.until(lambda: len(rounds.results(id_)) == 1)
    to_path(rounds.results(id_)["all/out.txt"]).unlink()
    rounds.backend.finish(rounds.backend.in_flight[0])
    assert rounds.end(id_).tally == {"succeeded": 1, "failed": 1}
    [message] = [job.message for job in rounds.jobs(id_) if job.state == "failed"]
    assert message == "result all/out.txt exists already: two jobs write the same name"


def test_a_file_that_lies_at_the_name_of_a_result_is_never_replaced(rounds: Rounds) -> None:
    id_ = rounds.submit()
    rounds.until(lambda: rounds.backend.in_flight)
    there = rounds.directory / "results" / id_ / "outputs/out.txt"
    there.parent.mkdir()
    there.write_text("somebody's\n")
    rounds.backend.finish()
    assert rounds.end(id_).tally == {"failed": 1}
    assert rounds.jobs(id_)[0].message == f"{there.as_uri()} exists already"
    assert there.read_text() == "somebody's\n"


def test_of_two_that_end_together_one_has_the_name(rounds: Rounds) -> None:
    id_ = wild(rounds)
    rounds.backend.finish()
    assert rounds.end(id_).tally == {"succeeded": 1, "failed": 1}
    assert list(rounds.results(id_)) == ["all/out.txt"]


def test_two_results_of_a_job_with_one_name_are_refused(rounds: Rounds) -> None:
    outputs = {"one": "a/*.txt", "two": "b/*.txt"}
    id_ = rounds.submit(outputs=outputs, results_name="{name}")
    rounds.until(lambda: rounds.backend.in_flight)
    rounds.backend.finish(files={"a/x.txt": b"1", "b/x.txt": b"2"})
    assert rounds.end(id_).tally == {"failed": 1}
    assert rounds.jobs(id_)[0].message == "results a/x.txt and b/x.txt would both be called x.txt"


def test_a_name_that_nothing_can_have_is_refused(rounds: Rounds) -> None:
    id_ = rounds.submit(outputs={"one": "*.txt"}, results_name="{name}")
    rounds.until(lambda: rounds.backend.in_flight)
    name = "x" * 251 + ".txt"
    rounds.backend.finish(files={name: b"1"})
    assert rounds.end(id_).tally == {"succeeded": 1}
    assert list(rounds.results(id_)) == [name]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda report: report._replace(attempt="another"), "its report is of attempt another"),
        (
            lambda report: report._replace(manifest_sha256="0" * 64),
            "of another manifest than the one that was",
        ),
        (lambda report: report._replace(started=-0.001), "numbers that cannot be"),
        (lambda report: report._replace(started=253_402_300_799.5), "numbers that cannot be"),
        (lambda report: report._replace(ended=float("nan")), "numbers that cannot be"),
        (lambda report: report._replace(cpu_seconds=float("inf")), "numbers that cannot be"),
        (lambda report: report._replace(peak_memory=-1), "numbers that cannot be"),
        (lambda report: report._replace(peak_memory=1 << 63), "numbers that cannot be"),
        (lambda report: report._replace(exit_code=1 << 31), "numbers that cannot be"),
        (lambda report: report._replace(exit_code=-(1 << 31)), "numbers that cannot be"),
        (lambda report: report._replace(signal=1 << 31), "numbers that cannot be"),
        (lambda report: report._replace(phases=[wire.Phase("run", -1.0, 0.0)]), "numbers that cannot be"),
        (
            lambda report: report._replace(phases=[wire.Phase("run", 0.0, float("nan"))]),
            "numbers that cannot be",
        ),
        (lambda report: report._replace(inputs=[wire.Staged("a", "file:///a", "a", -1, "")]), "numbers that"),
        (product(size=-1), "numbers that cannot be"),
    ],
)
def test_a_report_that_cannot_be_true_is_no_report(rounds: Rounds, change: Change, words: str) -> None:
    id_ = rounds.submit(retries=0)
    rounds.until(lambda: rounds.backend.in_flight)
    attempts = [manifest.attempt for manifest in rounds.backend.manifests()]
    rounds.backend.finish(change=change)
    rounds.end(id_)
    [job] = rounds.jobs(id_)
    assert (job.failure, job.attempts, len(attempts)) == ("lost", 1, 1)
    assert words in job.message


@pytest.mark.parametrize(
    "change",
    [
        lambda report: report._replace(started=0.0, ended=253_402_300_799.0),
        lambda report: report._replace(cpu_seconds=-1.0),
        lambda report: report._replace(peak_memory=(1 << 63) - 1),
        lambda report: report._replace(exit_code=(1 << 31) - 1, signal=(1 << 31) - 1),
        lambda report: report._replace(phases=[wire.Phase("run", 0.0, -0.5)]),
    ],
)
def test_what_just_can_be_is_taken(rounds: Rounds, change: Change) -> None:
    assert rounds.status(ended(rounds, change)).state == "succeeded"


@pytest.mark.parametrize(
    ("values", "failure", "message"),
    [
        (
            {"failure": "tool", "exit_code": 3, "message": "it ended"},
            "tool",
            "the atlas is missing (it ended)",
        ),
        ({"failure": "tool", "exit_code": 3}, "tool", "the atlas is missing"),
        ({"failure": "tool", "exit_code": 4, "message": "it ended"}, "tool", "it ended"),
        ({"failure": "node", "exit_code": 3, "message": "no disk"}, "node", "no disk"),
        ({"failure": "what is that", "message": "odd"}, "engine", "odd"),
        ({"failure": "", "message": "odd"}, "engine", "odd"),
        (
            {"failure": "output", "message": "no room", "kept": "/tmp/k", "host": {"name": "n1"}},
            "output",
            "no room; what the tool wrote is kept in /tmp/k on n1",
        ),
        (
            {"failure": "output", "message": "no room", "kept": "/tmp/k"},
            "output",
            "no room; what the tool wrote is kept in /tmp/k on an unnamed host",
        ),
    ],
)
def test_a_failure_is_told_by_its_class_and_in_words(
    rounds: Rounds, values: dict[str, Any], failure: str, message: str
) -> None:
    given = {"exit_code": None, **values}

    def change(report: wire.Report) -> wire.Report:
        return report._replace(outcome=wire.FAILED, products=[], **given)

    id_ = ended(rounds, change, retries=0)
    [job] = rounds.jobs(id_)
    assert (job.state, job.failure, job.message) == ("failed", failure, message)
    assert rounds.results(id_) == {}


def test_a_report_that_was_lost_is_found_beside_the_results(rounds: Rounds) -> None:
    """Without it, a day of computing is done once more because a sandbox got lost."""
    rounds.backend.capabilities = windowed(10, second_reports=True)
    id_ = rounds.submit(retries=0)
    rounds.until(lambda: rounds.backend.in_flight)
    rounds.backend.finish()
    [(attempt, report)] = rounds.backend.reports.items()
    rounds.backend.reports.clear()
    copy = to_path(f"{report.products[0].url.rpartition('/')[0]}/{attempt}.report.json")
    copy.write_text(wire.dumps(report))
    assert rounds.end(id_).tally == {"succeeded": 1}
    assert rounds.files(id_) == {"outputs/out.txt"}


def test_a_second_report_is_not_looked_for_where_there_are_none(rounds: Rounds) -> None:
    id_ = rounds.submit(retries=0)
    rounds.until(lambda: rounds.backend.in_flight)
    rounds.backend.finish()
    [(attempt, report)] = rounds.backend.reports.items()
    rounds.backend.reports.clear()
    to_path(f"{report.products[0].url.rpartition('/')[0]}/{attempt}.report.json").write_text(
        wire.dumps(report)
    )
    assert rounds.end(id_).tally == {"failed": 1}
    assert rounds.jobs(id_)[0].message == "it ended without a report"


def test_a_failure_of_the_place_is_tried_again_after_a_while_and_of_the_tool_is_not(rounds: Rounds) -> None:
    id_ = rounds.submit()
    rounds.until(lambda: rounds.backend.in_flight)
    rounds.backend.finish(
        change=lambda report: report._replace(outcome=wire.FAILED, failure=wire.TOOL, products=[])
    )
    assert rounds.end(id_).tally == {"failed": 1}
    assert rounds.engine.app.retry(id_, [JobState.FAILED]) == 1
    assert rounds.end(id_).tally == {"succeeded": 1}
    assert rounds.jobs(id_)[0].attempts == 2
