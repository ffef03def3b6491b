"""What must have happened before something else: a power cut may come between any two."""

from __future__ import annotations

from engine.errors import BackendUnavailable
from tests.rounds.conftest import Rounds, windowed


def test_the_disk_knows_every_name_before_the_database_does(rounds: Rounds) -> None:
    """Without it, a power cut leaves results in the database that are nowhere on the disk."""
    id_ = rounds.submit(3)
    rounds.until(lambda: rounds.backend.in_flight)
    rounds.effects.clear()
    rounds.round()
    rounds.backend.finish()
    rounds.end(id_)
    calls = [call for call, _ in rounds.effects]
    flushed = {url for call, url in rounds.effects if call == "flush"}
    moved = {url for call, url in rounds.effects if call in ("move", "put")}
    assert [known for call, known in rounds.effects if call == "known"] != []
    assert {known for call, known in rounds.effects if call == "known"} == {"0"}
    assert len(rounds.results(id_)) == 3
    assert moved == flushed, "each result, and each record"
    assert calls.index("flush") > max(n for n, call in enumerate(calls) if call in ("move", "put"))


def test_a_name_is_flushed_once_and_not_again_with_the_next(rounds: Rounds) -> None:
    id_ = rounds.submit(2)
    rounds.until(lambda: len(rounds.backend.in_flight) == 2)
    for native in list(rounds.backend.in_flight):
        rounds.backend.finish(native)
        rounds.round()
    rounds.end(id_)
    flushed = [url for call, url in rounds.effects if call == "flush"]
    assert len(flushed) == len(set(flushed)) == 4


def test_that_a_submission_may_have_happened_is_written_before_it_does(rounds: Rounds) -> None:
    """Without it, whoever comes after a crash submits it once more: a job runs twice."""
    seen: list[tuple[object, ...]] = []

    def look(call: str) -> None:
        if call == "submit":
            seen.extend(rounds.read("SELECT o.tries, a.manifest_sha256 <> '' FROM outbox o, attempt a"))

    rounds.backend.looks = look
    rounds.submit()
    rounds.until(lambda: rounds.backend.in_flight)
    assert seen == [(1, 1)]


def test_that_an_end_may_have_been_asked_for_is_written_before_it_is(rounds: Rounds) -> None:
    seen: list[tuple[object, ...]] = []

    def look(call: str) -> None:
        if call == "cancel":
            seen.extend(rounds.read("SELECT tries FROM outbox WHERE effect = 'cancel'"))

    id_ = rounds.submit()
    rounds.until(lambda: rounds.backend.in_flight)
    rounds.backend.looks = look
    rounds.engine.app.cancel(id_)
    rounds.end(id_)
    assert seen == [(1,)]


def test_the_last_logs_are_kept_before_a_back_end_forgets(rounds: Rounds) -> None:
    rounds.backend.logs = {"out": b"so far\n"}
    id_ = rounds.submit()
    rounds.until(lambda: rounds.backend.in_flight)
    rounds.engine.app.cancel(id_)
    rounds.end(id_)
    names = [name for name, _ in rounds.backend.calls]
    assert names.index("retrieve") < names.index("forget")
    assert ("send", f"file://{rounds.directory}/results/{id_}/logs/1.1.out") in rounds.effects


def test_what_arrived_is_looked_for_before_it_is_sent_again_and_not_too_early(rounds: Rounds) -> None:
    rounds.backend.capabilities = windowed(10, visibility_delay=20.0)
    rounds.backend.reply_lost = BackendUnavailable("the line went dead")
    id_ = rounds.submit()
    rounds.round()
    rounds.backend.reply_lost = None
    rounds.round(19)
    assert rounds.backend.of("find") == [], "an answer now could miss it"
    rounds.round(6)
    assert len(rounds.backend.of("find")) == 1
    assert len(rounds.backend.of("submit")) == 1
    assert rounds.end(id_).tally == {"succeeded": 1}
    assert rounds.jobs(id_)[0].attempts == 1


def test_what_did_not_arrive_is_sent_again(rounds: Rounds) -> None:
    rounds.backend.trouble["submit"] = BackendUnavailable("down")
    id_ = rounds.submit()
    rounds.round()
    rounds.backend.trouble.clear()
    rounds.round(6)
    assert len(rounds.backend.of("submit")) == 2
    assert rounds.end(id_).tally == {"succeeded": 1}


def test_a_back_end_that_does_not_know_a_job_is_given_time(rounds: Rounds) -> None:
    """Without it, a site's information system that lags by a minute costs each user a second run."""
    rounds.backend.capabilities = windowed(10, gone_after=60.0)
    id_ = rounds.submit()
    rounds.until(lambda: rounds.backend.in_flight)
    rounds.round()
    [(native, seen)] = rounds.backend.seen.items()
    rounds.backend.seen.clear()
    rounds.round(55)
    rounds.backend.seen[native] = seen  # it is back, and what was counted counts no more
    rounds.round()
    rounds.backend.seen.clear()
    rounds.round(58)
    assert rounds.jobs(id_)[0].state == "queued"
    rounds.round(7)
    rounds.until(lambda: rounds.backend.in_flight, seconds=60.0)
    assert rounds.jobs(id_)[0].attempts == 2
    assert rounds.end(id_).state == "succeeded"
