"""What is paused starts nothing new, keeps what it has, and goes on where it was."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.domain.job import JobState
from engine.errors import BackendUnavailable, BadRequest, NotFound
from engine.ids import ExecutionId
from engine.store import executions
from tests.rounds.conftest import Rounds, windowed

Switch = Callable[[Rounds, ExecutionId, bool], bool]


def by_execution(rounds: Rounds, id_: ExecutionId, paused: bool) -> bool:
    """Pause or resume one execution."""
    app = rounds.engine.app
    return app.pause(id_) if paused else app.resume(id_)


def by_backend(rounds: Rounds, id_: ExecutionId, paused: bool) -> bool:
    """Pause or resume its back-end."""
    return rounds.engine.paused_backends.set("local", paused=paused)


BOTH = pytest.mark.parametrize("switch", [by_execution, by_backend])


def moving(rounds: Rounds) -> bool:
    """Whether an engine in the background would stay."""
    with rounds.engine.db.read() as connection:
        return executions.moving(connection, ["local"])


def rest(rounds: Rounds) -> None:
    """Do enough rounds for anything that can happen."""
    for _ in range(5):
        rounds.round(30)


@BOTH
def test_what_has_started_goes_on_and_nothing_else_starts_until_it_is_resumed(
    rounds: Rounds, switch: Switch
) -> None:
    rounds.backend.capabilities = windowed(2)
    id_ = rounds.submit(5)
    rounds.until(lambda: len(rounds.backend.in_flight) == 2)
    assert switch(rounds, id_, True)
    rounds.backend.finish()
    rest(rounds)
    assert rounds.status(id_).tally == {"succeeded": 2, "queued": 3}
    assert rounds.outbox() == []
    assert rounds.status(id_).held
    assert not moving(rounds)
    assert switch(rounds, id_, False)
    assert rounds.status(id_).held == ""
    assert rounds.end(id_).tally == {"succeeded": 5}


@BOTH
def test_what_was_prepared_but_not_handed_over_waits_too(rounds: Rounds, switch: Switch) -> None:
    """Without it, a back-end that is paused since it is broken gets jobs as soon as it answers."""
    rounds.backend.capabilities = windowed(10, batch_size=2)
    id_ = rounds.submit(5)
    rounds.round()
    assert len(rounds.backend.submitted) == 2
    switch(rounds, id_, True)
    rest(rounds)
    assert len(rounds.backend.submitted) == 2
    switch(rounds, id_, False)
    assert rounds.end(id_).tally == {"succeeded": 5}


@BOTH
def test_what_may_have_arrived_is_looked_for_although_it_is_paused(rounds: Rounds, switch: Switch) -> None:
    id_ = rounds.submit()
    rounds.backend.reply_lost = BackendUnavailable("the line went dead")
    rounds.round()
    assert len(rounds.backend.in_flight) == 1
    switch(rounds, id_, True)
    assert moving(rounds)
    rounds.backend.reply_lost = None
    assert rounds.end(id_, 5).tally == {"succeeded": 1}
    assert len(rounds.backend.submitted) == 1


@BOTH
def test_what_was_tried_in_vain_is_not_handed_over_when_the_back_end_is_back(
    rounds: Rounds, switch: Switch
) -> None:
    rounds.backend.trouble["submit"] = BackendUnavailable("down")
    id_ = rounds.submit()
    rest(rounds)
    assert rounds.read("SELECT min(tries) FROM outbox") != [(0,)]
    switch(rounds, id_, True)
    rounds.backend.trouble.clear()
    rest(rounds)
    assert rounds.backend.submitted == []
    assert not moving(rounds)
    switch(rounds, id_, False)
    assert rounds.end(id_).tally == {"succeeded": 1}


@BOTH
def test_what_is_paused_can_be_cancelled(rounds: Rounds, switch: Switch) -> None:
    rounds.backend.capabilities = windowed(10, batch_size=2)
    id_ = rounds.submit(5)
    rounds.round()
    switch(rounds, id_, True)
    assert rounds.engine.app.cancel(id_)
    rounds.until(lambda: rounds.status(id_).over and not rounds.outbox())
    assert rounds.status(id_).tally == {"cancelled": 5}
    assert rounds.status(id_).held == ""


@BOTH
def test_one_job_of_what_is_paused_can_be_cancelled_and_leaves_nothing(
    rounds: Rounds, switch: Switch
) -> None:
    rounds.backend.trouble["submit"] = BackendUnavailable("down")
    id_ = rounds.submit()
    rounds.round()
    rounds.engine.app.pause(id_)
    switch(rounds, id_, True)
    assert rounds.engine.app.cancel_job(id_, 1)
    rounds.backend.trouble.clear()
    rounds.until(lambda: rounds.status(id_).over and not rounds.outbox(), 30)
    assert rounds.backend.submitted == []


def test_a_pause_outlives_a_retry_and_ends_with_the_execution(rounds: Rounds) -> None:
    id_ = rounds.submit(2)
    rounds.until(lambda: len(rounds.backend.in_flight) == 2)
    app = rounds.engine.app
    app.pause(id_)
    first, second = rounds.backend.in_flight
    rounds.backend.finish(first, files={})
    rounds.backend.finish(second, change=lambda report: report._replace(outcome="failed", failure="tool"))
    rounds.until(lambda: rounds.status(id_).over)
    assert not app.pause(id_)
    assert not app.resume(id_)
    assert app.retry(id_, [JobState.FAILED]) == 1
    assert rounds.status(id_).held == ""
    assert rounds.end(id_).tally == {"succeeded": 2}


def test_others_at_the_back_end_go_on(rounds: Rounds) -> None:
    paused, other = rounds.submit(3), rounds.submit(2)
    rounds.engine.app.pause(paused)
    assert rounds.end(other).tally == {"succeeded": 2}
    assert rounds.status(paused).tally == {"queued": 3}
    rounds.engine.app.resume(paused)
    assert rounds.end(paused).tally == {"succeeded": 3}


def test_pausing_twice_is_pausing_once(rounds: Rounds) -> None:
    id_ = rounds.submit()
    app, backends = rounds.engine.app, rounds.engine.paused_backends
    assert app.pause(id_) and app.pause(id_)  # noqa: PT018 - the second is like the first
    assert [backends.set("local", paused=True) for _ in range(2)] == [True, False]
    assert rounds.read("SELECT news FROM event WHERE news LIKE 'pause%'") == [("pause_requested",)]
    assert app.resume(id_)
    assert rounds.status(id_).held.startswith("back-end local is paused since ")
    assert [backends.set("local", paused=False) for _ in range(2)] == [True, False]
    lines = [(one["action"], one["data"]) for one in rounds.engine.trail.lines()]
    assert lines == [("backend.pause", ["local"])] * 2 + [("backend.resume", ["local"])] * 2
    assert rounds.end(id_).tally == {"succeeded": 1}


def test_what_is_being_cancelled_or_unknown_is_refused(rounds: Rounds) -> None:
    id_ = rounds.submit()
    app = rounds.engine.app
    app.cancel(id_)
    for deed in (app.pause, app.resume):
        with pytest.raises(BadRequest, match="is being cancelled"):
            deed(id_)
    with pytest.raises(NotFound, match="no back-end 'elsewhere'"):
        rounds.engine.paused_backends.set("elsewhere", paused=True)
    rounds.end(id_)
