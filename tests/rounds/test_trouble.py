"""A back-end in trouble is left in peace for a while, everybody is told why, and all goes on afterwards."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.errors import BackendUnavailable, CredentialExpired, EngineError
from engine.ids import ExecutionId
from engine.reconcile.reconciler import FIRST_PAUSE, LONGEST_PAUSE, RENEWAL_INTERVAL_S
from tests.rounds.backend import MemoryBackend
from tests.rounds.conftest import Rounds, windowed


def waiting(rounds: Rounds) -> ExecutionId:
    """An execution whose job is at the back-end."""
    id_ = rounds.submit()
    rounds.until(lambda: rounds.backend.in_flight)
    return id_


def looks(rounds: Rounds) -> int:
    """How often the back-end was asked how its jobs are."""
    return len(rounds.backend.of("observe"))


@pytest.mark.parametrize(
    ("error", "longest"),
    [
        (BackendUnavailable("it is down"), LONGEST_PAUSE),
        (CredentialExpired("the proxy has expired", remedy="renew it"), RENEWAL_INTERVAL_S),
    ],
    ids=lambda value: type(value).__name__,
)
def test_it_is_asked_ever_more_seldom_and_goes_on_when_it_answers(
    rounds: Rounds, error: EngineError, longest: float
) -> None:
    """Without it, a site that is down gets a request a second, or is never asked again."""
    id_ = waiting(rounds)
    rounds.backend.trouble["observe"] = error
    rounds.round()
    for number in range(8):
        before, pause = looks(rounds), min(FIRST_PAUSE * 2**number, longest)
        rounds.round(pause - 0.5)
        assert looks(rounds) == before
        rounds.round(1.0)
        assert looks(rounds) == before + 1
    assert rounds.status(id_).trouble == str(error)
    assert rounds.engine.driver.alert == f"local: {error}"
    rounds.backend.trouble.clear()
    rounds.round(longest + 1)
    assert rounds.status(id_).trouble == rounds.engine.driver.alert == ""
    rounds.backend.trouble["observe"] = error
    rounds.round()
    before = looks(rounds)
    rounds.round(FIRST_PAUSE + 0.5)
    assert looks(rounds) == before + 1, "it begins anew with a short pause"
    rounds.backend.trouble.clear()
    assert rounds.end(id_, seconds=5.0).state == "succeeded"


def test_trouble_of_this_machine_is_left_in_peace_likewise(rounds: Rounds) -> None:
    id_ = waiting(rounds)

    def fail(call: str) -> None:
        if call == "observe":
            raise OSError(24, "Too many open files")

    rounds.backend.looks = fail
    rounds.round()
    assert "Too many open files" in rounds.status(id_).trouble
    rounds.backend.looks = lambda call: None
    assert rounds.end(id_, seconds=5.0).state == "succeeded"


def test_others_go_on_while_one_is_in_trouble(rounds: Rounds) -> None:
    """Without it, one site that is down stops every user of every other one."""
    broken = MemoryBackend("broken", trouble={"submit": BackendUnavailable("down")})
    backends = rounds.engine.backends
    backends.clear()
    backends.update({"broken": broken, "local": rounds.backend})
    stuck, id_ = rounds.submit(backend="broken"), rounds.submit(backend="local")
    rounds.until(lambda: rounds.backend.in_flight)
    rounds.backend.finish()
    rounds.until(lambda: rounds.status(id_).over)
    assert rounds.status(stuck).trouble == "down"
    broken.trouble.clear()
    rounds.until(lambda: broken.in_flight, seconds=5.0)
    broken.finish()
    rounds.until(lambda: rounds.status(stuck).over and not rounds.outbox(), seconds=5.0)


def test_who_waits_at_a_back_end_that_this_engine_does_not_have_is_told(rounds: Rounds) -> None:
    id_ = rounds.submit()
    rounds.change("UPDATE execution SET backend = 'gone'")
    rounds.round()
    [(of, words)] = rounds.read("SELECT backend, words FROM trouble")
    assert (of, "the engine at work has no such back-end in its settings" in str(words)) == ("gone", True)
    rounds.change("UPDATE execution SET backend = 'local'")
    assert rounds.end(id_).state == "succeeded"


def test_an_attempt_that_somebody_else_changed_meanwhile_is_read_again(rounds: Rounds) -> None:
    """Without it, an answer for the state of before is written over what came since."""

    def change(call: str) -> None:
        if call == "retrieve":
            rounds.change("UPDATE attempt SET version = version + 1")

    rounds.backend.looks = change
    id_ = waiting(rounds)
    rounds.backend.finish()
    rounds.round()
    assert rounds.read("SELECT state FROM attempt") == [("finalising",)]
    assert rounds.results(id_) == {}
    rounds.backend.looks = lambda call: None
    assert rounds.end(id_, seconds=5.0).tally == {"succeeded": 1}
    assert list(rounds.results(id_)) == ["out.txt"], "which was moved before, and is found where it lies"


@pytest.mark.parametrize(("interval", "most"), [(10.0, 3), (1.0, 25)])
def test_a_back_end_is_asked_as_often_as_it_wants_whatever_else_is_done(
    rounds: Rounds, interval: float, most: int
) -> None:
    rounds.backend.capabilities = windowed(10, poll_interval=interval)
    waiting(rounds)
    before = looks(rounds)
    for _ in range(25):
        rounds.round(1.0)
    assert most - 1 <= looks(rounds) - before <= most


def test_a_clock_that_is_set_back_stops_nobody(rounds: Rounds) -> None:
    rounds.backend.capabilities = windowed(10, poll_interval=10.0)
    id_ = waiting(rounds)
    rounds.clock.set(rounds.clock.now() - 3600)
    for _ in range(3):
        rounds.round(15.0)
    assert looks(rounds) > 1
    assert rounds.end(id_, seconds=15.0).over


@pytest.mark.parametrize(
    ("work", "most"),
    [(lambda rounds: None, 1.0), (lambda rounds: waiting(rounds), 0.3)],
    ids=["nothing", "a job"],
)
def test_the_next_round_comes_when_a_back_end_may_be_asked(
    rounds: Rounds, work: Callable[[Rounds], object], most: float
) -> None:
    rounds.backend.capabilities = windowed(10, poll_interval=0.3)
    work(rounds)
    waits = []
    for _ in range(3):
        rounds.clock.advance(0.3)
        waits.append(rounds.engine.driver.round())
    assert 0 < waits[-1] <= most
