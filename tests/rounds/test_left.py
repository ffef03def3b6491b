"""What an execution leaves when it is over: its results, logs and records, and nothing else anywhere."""

from __future__ import annotations

import pytest

from engine.domain.job import JobState
from engine.errors import BackendUnavailable, BadRequest, CredentialExpired, EngineError, Unavailable
from engine.reconcile import release
from engine.reconcile.collect import RETRY_INTERVAL_S
from engine.reconcile.conclude import CLEAR_INTERVAL_S, PLANNING_LIMIT_S
from engine.reconcile.delivery_retry import LONGEST_PAUSE_S
from tests.rounds.conftest import Rounds
from wrappers import wire

AWAY: list[EngineError] = [Unavailable("the disk is away"), CredentialExpired("the token has run out")]


def test_results_and_logs_stay_and_nothing_that_an_attempt_wrote_besides(rounds: Rounds) -> None:
    rounds.backend.logs = {"out": b"hello\n", "err": b""}
    id_ = rounds.submit()
    rounds.until(lambda: rounds.backend.in_flight)
    [manifest] = rounds.backend.manifests()
    rounds.backend.finish(files={"out.txt": b"x\n"})
    (rounds.directory / "results" / id_ / ".attempts/1" / manifest.attempt / "scratch").write_text("left")
    assert rounds.end(id_).state == "succeeded"
    assert rounds.files(id_) == {"outputs/out.txt", "logs/1.1.out"}  # an empty log is none
    assert rounds.backend.submissions == {}, "the back-end keeps what nobody needs any more"


@pytest.mark.parametrize("trouble", AWAY, ids=lambda error: type(error).__name__)
def test_results_that_wait_for_their_storage_are_asked_for_again_and_again_ever_more_seldom(
    rounds: Rounds, trouble: EngineError
) -> None:
    """Without it, results that were computed for days are never brought home, and nobody is told."""
    id_ = rounds.submit()
    rounds.until(lambda: rounds.backend.in_flight)
    rounds.storage.trouble["stat"] = trouble
    rounds.backend.finish()
    rounds.round()
    assert rounds.outbox() == ["collect"]
    assert rounds.status(id_).trouble == f"results wait for their storage: {trouble}"
    for number in range(6):
        pause = min(RETRY_INTERVAL_S * 2**number, LONGEST_PAUSE_S)
        rounds.round(pause - 1)
        assert len(rounds.backend.of("retrieve")) == number + 1
        rounds.round(1.5)
        assert len(rounds.backend.of("retrieve")) == number + 2
    rounds.storage.trouble.clear()
    rounds.round(LONGEST_PAUSE_S + 1)
    assert rounds.end(id_).state == "succeeded"
    assert rounds.status(id_).trouble == ""
    assert len([1 for [event] in rounds.read("SELECT news FROM event") if event == "results_wait"]) == 1


@pytest.mark.parametrize(
    "trouble", [*AWAY, BadRequest("it may not be removed")], ids=lambda e: type(e).__name__
)
def test_what_attempts_left_is_removed_later_where_the_storage_was_away_at_the_end(
    rounds: Rounds, trouble: EngineError
) -> None:
    """Without it, the disk of a portal fills with what nobody will ever look for."""
    id_ = rounds.submit()
    rounds.until(lambda: rounds.backend.in_flight)
    rounds.storage.trouble["delete"] = trouble
    rounds.backend.finish()
    assert rounds.end(id_).state == "succeeded"
    staged = rounds.directory / "results" / id_ / ".attempts"
    assert staged.is_dir()
    rounds.round(CLEAR_INTERVAL_S + 1)
    assert staged.is_dir()
    rounds.storage.trouble.clear()
    rounds.round(CLEAR_INTERVAL_S - 1)
    assert staged.is_dir(), "it is asked no more often than it was agreed"
    rounds.round(2)
    assert not staged.exists()
    assert rounds.read("SELECT clear_at FROM execution") == [(None,)]


def test_logs_of_what_was_cancelled_or_lost_are_kept(rounds: Rounds) -> None:
    rounds.backend.logs = {"out": b"so far\n"}
    id_ = rounds.submit(2)
    rounds.until(lambda: len(rounds.backend.in_flight) == 2)
    rounds.engine.app.cancel(id_)
    rounds.until(lambda: rounds.status(id_).over and not rounds.outbox())
    assert rounds.status(id_).tally == {"cancelled": 2}
    assert rounds.files(id_) == {"logs/1.1.out", "logs/2.1.out"}
    assert rounds.backend.submissions == {}


def test_logs_that_cannot_be_read_do_not_keep_a_back_end_from_forgetting(rounds: Rounds) -> None:
    id_ = rounds.submit()
    rounds.until(lambda: rounds.backend.in_flight)
    rounds.engine.app.cancel(id_)

    def fail(call: str) -> None:
        if call == "retrieve":
            raise OSError("it was removed by somebody else")

    rounds.backend.looks = fail
    rounds.until(lambda: rounds.status(id_).over and not rounds.outbox())
    assert rounds.backend.submissions == {}


def test_a_job_that_was_never_handed_over_ends_without_a_call(rounds: Rounds) -> None:
    rounds.backend.trouble["submit"] = BackendUnavailable("down")
    id_ = rounds.submit()
    rounds.engine.app.cancel(id_)
    rounds.until(lambda: rounds.status(id_).over and not rounds.outbox())
    assert rounds.status(id_).tally == {"cancelled": 1}
    assert rounds.backend.of("submit") == rounds.backend.of("cancel") == []


def test_a_submission_that_arrives_after_its_end_was_asked_for_is_ended_there(rounds: Rounds) -> None:
    """Without it, a job that its user killed computes for a day at a site, and nobody sees it."""
    id_ = rounds.submit()
    rounds.backend.reply_lost = BackendUnavailable("the line went dead")
    rounds.round()
    assert len(rounds.backend.in_flight) == 1
    rounds.engine.app.cancel(id_)
    rounds.backend.reply_lost = None
    rounds.until(lambda: rounds.status(id_).over and not rounds.outbox(), seconds=5)
    assert rounds.status(id_).tally == {"cancelled": 1}
    assert rounds.backend.of("cancel")[-1] != ()
    assert rounds.backend.submissions == {}


def test_an_end_that_is_not_heard_is_asked_for_again(rounds: Rounds) -> None:
    id_ = rounds.submit()
    rounds.until(lambda: rounds.backend.in_flight)
    [native] = rounds.backend.in_flight
    rounds.backend.deaf = True
    rounds.engine.app.cancel(id_)
    rounds.round()
    rounds.round(15)
    assert rounds.backend.of("cancel") == [(native,)]
    rounds.round(10)
    assert rounds.backend.of("cancel") == [(native,), (native,)]
    rounds.backend.deaf = False
    rounds.round(25)
    assert rounds.status(id_).tally == {"cancelled": 1}


def blocked(rounds: Rounds, *numbers: int) -> None:
    """Have jobs wait for all others, as those of a sweep's later stage do."""
    for number in numbers:
        rounds.change("UPDATE job SET state = 'blocked' WHERE number = ?", number)
    others = "(SELECT count(*) FROM job s WHERE s.state != 'blocked')"
    rounds.change(f"UPDATE job SET pending = {others}, waits = {others} WHERE state = 'blocked'")
    rounds.change(
        "INSERT INTO need (source_job, job) SELECT s.id, j.id FROM job s, job j"
        " WHERE s.state != 'blocked' AND j.state = 'blocked'"
    )
    rounds.change("UPDATE tally SET jobs = jobs - ? WHERE state = 'ready'", len(numbers))
    rounds.change("UPDATE tally SET jobs = jobs + ? WHERE state = 'blocked'", len(numbers))


def test_jobs_that_wait_for_all_others_start_when_these_have_succeeded(
    rounds: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "PAGE", 2)
    id_ = rounds.submit(7)
    blocked(rounds, 3, 4, 5, 6, 7)
    rounds.until(lambda: len(rounds.backend.in_flight) == 2)
    rounds.backend.finish(rounds.backend.in_flight[0])
    rounds.round()
    rounds.round()
    assert len(rounds.backend.submissions) + len(rounds.backend.of("forget")[0]) == 2, "one still runs"
    assert rounds.end(id_).tally == {"succeeded": 7}
    assert len(rounds.backend.of("submit")) == 4  # two, and then a page in each round


@pytest.mark.parametrize("pages", [1, 2, 1000])
def test_jobs_that_wait_for_one_that_fails_are_skipped_and_say_why(
    rounds: Rounds, monkeypatch: pytest.MonkeyPatch, pages: int
) -> None:
    monkeypatch.setattr(release, "PAGE", pages)
    id_ = rounds.submit(4)
    blocked(rounds, 3, 4)
    rounds.until(lambda: len(rounds.backend.in_flight) == 2)
    rounds.backend.finish(rounds.backend.in_flight[0], change=failed)
    assert rounds.end(id_).tally == {"failed": 1, "succeeded": 1, "skipped": 2}
    why = "a job that it waits for did not succeed: 1 of 2 succeeded, not job 1"
    assert [job.message for job in rounds.jobs(id_)][2:] == [why] * 2


def failed(report: wire.Report) -> wire.Report:
    return report._replace(outcome=wire.FAILED, failure=wire.TOOL, exit_code=3, products=[])


def test_jobs_that_wait_are_cancelled_with_the_others(rounds: Rounds) -> None:
    id_ = rounds.submit(3)
    blocked(rounds, 2, 3)
    rounds.until(lambda: len(rounds.backend.in_flight) == 1)
    rounds.engine.app.cancel(id_)
    assert rounds.end(id_).tally == {"cancelled": 3}


def test_jobs_that_wait_stay_so_while_the_user_has_another_try_at_what_failed(rounds: Rounds) -> None:
    id_ = rounds.submit(2)
    blocked(rounds, 2)
    rounds.until(lambda: rounds.backend.in_flight)
    rounds.backend.finish(change=failed)

    def retry_first(call: str) -> None:
        if call == "observe" and rounds.jobs(id_)[0].state == "failed":
            rounds.engine.app.retry(id_, [JobState.FAILED])

    rounds.backend.looks = retry_first
    rounds.until(lambda: rounds.status(id_).over or len(rounds.backend.of("submit")) > 1)
    rounds.backend.looks = lambda call: None
    assert rounds.end(id_).over


@pytest.mark.parametrize(
    ("waited", "state"), [(PLANNING_LIMIT_S - 1, "planning"), (PLANNING_LIMIT_S + 1, "cancelled")]
)
def test_a_plan_counts_as_abandoned_when_nothing_was_added_for_long(
    rounds: Rounds, waited: float, state: str
) -> None:
    id_ = rounds.submit(key="mine")
    rounds.change("UPDATE execution SET state = 'planning'")
    rounds.round(waited)
    found = rounds.read("SELECT state, key FROM execution")
    assert found == [(state, "mine" if state == "planning" else None)]
    assert rounds.backend.of("submit") == []
    rounds.change("UPDATE execution SET state = 'planning'")  # as it began: its jobs were never to run
    assert id_
