"""What the engine makes of trouble: nothing is lost, nothing is done twice, and the truth is told."""

from __future__ import annotations

import errno
import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from engine.app.explain import history_of
from engine.domain.job import JobState
from engine.errors import BackendUnavailable, CredentialExpired
from engine.ids import ExecutionId
from engine.ports import Capabilities
from engine.reconcile import collect, reconciler
from engine.storages.file import FileStorage
from engine.store import lease
from engine.testing.faults import Faulty
from tests.reconcile.conftest import World

pytestmark = pytest.mark.whole


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave a back-end in trouble in peace for moments only."""
    monkeypatch.setattr(reconciler, "FIRST_PAUSE", 0.05)


def test_a_reply_that_is_lost_after_the_work_was_done_does_not_do_it_again(world: World) -> None:
    world.backend.reply_lost = BackendUnavailable("the line went dead")
    id_ = world.submit(f"echo [N] >> '{world.directory}/ran'", jobs=3)
    world.rounds(lambda: "submit" in world.backend.calls)
    assert "the line went dead" in world.engine.driver.alert
    world.backend.reply_lost = None
    assert world.end(id_).state == "succeeded"
    assert "find" in world.backend.calls
    assert world.backend.calls.count("submit") == 1
    assert sorted(world.lines("ran")) == ["1", "2", "3"]


def test_a_job_that_the_place_forgot_is_lost_and_tried_once_more(world: World) -> None:
    gate = world.directory / "gate"
    id_ = world.submit(f"while [ ! -e '{gate}' ]; do sleep 0.05; done")
    world.rounds(lambda: world.engine.app.status(id_).tally.get("running", 0) == 1)
    first = list(world.backend.inner.find("", _keys(world, id_)))
    world.backend.forgets.update(first)
    gate.touch()
    view = world.end(id_)
    [job] = world.jobs(id_)
    assert (view.state, job.attempts) == ("succeeded", 2)
    words = [line["message"] for line in _story(world, id_)]
    assert any("it is lost" in w for w in words)
    assert any("tried again" in w for w in words)


def test_a_job_that_is_lost_three_times_has_failed_and_says_so(world: World) -> None:
    class Everything(set[str]):
        def __contains__(self, _: object) -> bool:
            return True

    world.backend.forgets = Everything()
    id_ = world.submit("true")
    view = world.end(id_)
    [job] = world.jobs(id_)
    assert (view.state, job.failure, job.attempts) == ("failed", "lost", 3)
    assert job.message == "the back-end no longer knows it"


def test_a_submission_that_is_refused_fails_its_job_and_no_other(world: World) -> None:
    world.backend.rejects = "no room at the inn"
    refused = world.submit("true")
    assert world.end(refused).state == "failed"
    world.backend.rejects = ""
    assert world.end(world.submit("true")).state == "succeeded"
    [job] = world.jobs(refused)
    assert (job.failure, job.message) == ("rejected", "no room at the inn")


@pytest.mark.parametrize(
    "trouble",
    [
        BackendUnavailable("it is down"),
        CredentialExpired("the proxy has expired", remedy="renew it"),
    ],
)
def test_a_place_in_trouble_is_left_in_peace_and_its_jobs_go_on_afterwards(
    world: World, trouble: BackendUnavailable | CredentialExpired
) -> None:
    id_ = world.submit(f"{world.held()}; echo once >> '{world.directory}/ran'", jobs=2)
    world.rounds(lambda: "observe" in world.backend.calls)
    world.backend.down = trouble
    world.rounds(lambda: bool(world.engine.driver.alert))
    assert world.engine.driver.alert == f"local: {trouble}"
    assert world.engine.app.status(id_).state in ("queued", "running")
    world.backend.down = None
    world.let_go()
    assert world.end(id_).state == "succeeded"
    assert world.engine.driver.alert == ""
    assert world.lines("ran") == ["once"] * 2


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda p: p.unlink(), "without a report"),
        (lambda p: p.write_text("{"), "its report is not one: not JSON"),
        (lambda p: p.write_text("[]"), "its report is not one"),
        (lambda p: _change(p, attempt="another"), "its report is of attempt another"),
        (lambda p: _change(p, manifest_sha256="0" * 64), "of another manifest"),
    ],
)
def test_only_a_believable_report_ends_a_job(world: World, spoil, words: str) -> None:  # type: ignore[no-untyped-def]
    world.backend.spoils = lambda path: spoil(path) if path.name.endswith(".report.json") else None
    id_ = world.submit("true")
    assert world.end(id_).state == "failed"
    [job] = world.jobs(id_)
    assert (job.failure, job.attempts) == ("lost", 3)
    assert words in job.message


def _change(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_result_that_is_not_where_the_report_says_fails_the_job(world: World) -> None:
    def spoil(path: Path) -> None:
        for result in world.directory.rglob(".attempts/*/*/out.txt"):
            result.unlink()

    id_ = world.submit("echo x > out.txt")
    world.backend.spoils = spoil
    assert world.end(id_).state == "failed"
    [job] = world.jobs(id_)
    assert job.failure == "output"
    assert "out.txt is not at" in job.message
    assert list(world.engine.app.products(id_)) == []


def test_a_result_of_another_size_than_reported_fails_the_job(world: World) -> None:
    id_ = world.submit("echo x > out.txt")

    def grow(_: Path) -> None:
        for path in world.directory.rglob(".attempts/*/*/out.txt"):
            path.write_text("tampered with")

    world.backend.spoils = grow
    assert world.end(id_).state == "failed"
    assert "13 bytes where the report says 2" in world.jobs(id_)[0].message


def test_of_several_copies_that_arrived_the_oldest_stays_and_the_others_end(world: World) -> None:
    id_ = world.submit(world.held())
    world.backend.reply_lost = BackendUnavailable("the line went dead")
    world.rounds(lambda: "submit" in world.backend.calls)
    [key] = _keys(world, id_)
    world.backend.reply_lost = None
    world.backend.copies[key] = [key, "a-copy"]
    world.rounds(lambda: "cancel" in world.backend.calls)
    world.let_go()
    assert world.end(id_).state == "succeeded"


def test_what_was_never_handed_over_is_cancelled_without_a_call(world: World) -> None:
    id_ = world.submit("true", jobs=5)
    world.backend.down = BackendUnavailable("down")
    world.engine.driver.round()
    world.backend.down = None
    world.backend.calls.clear()
    world.engine.app.cancel(id_)
    assert world.end(id_).state == "cancelled"
    assert "submit" not in world.backend.calls


def test_a_cancelled_execution_keeps_what_had_succeeded_and_the_logs_of_what_had_not(world: World) -> None:
    id_ = world.submit("echo [N]; echo x > out.txt; test [N] = 1 || sleep 600", jobs=4)
    world.rounds(lambda: world.engine.app.status(id_).tally.get("succeeded", 0) == 1)
    world.rounds(lambda: bool(list(world.directory.rglob("jobs/*/*.out"))))
    world.engine.app.cancel(id_)
    view = world.end(id_)
    assert view.state == "partial"
    assert view.tally == {"succeeded": 1, "cancelled": 3}
    assert [p.job for p in world.engine.app.products(id_)] == [1]
    assert "2\n" in [p.read_text() for p in world.directory.rglob("results/*/logs/*.out")]


def test_an_engine_that_lost_its_lease_stops_writing_and_another_goes_on(world: World) -> None:
    go = world.directory / "go"
    id_ = world.submit(f"until test -e '{go}'; do sleep 0.05; done", jobs=2)
    world.engine.driver.round()
    stolen = lease.acquire(world.engine.db, "another", now=world.engine.clock.now() + 3600, seconds=0.3)
    assert stolen is not None
    with world.engine.db.write() as connection:
        connection.exec_driver_sql("UPDATE lease SET until = 0")
    go.touch()
    assert world.end(id_).state == "succeeded"
    now = lease.current(world.engine.db)
    assert now is not None
    assert now.fence > stolen.fence


def test_a_retry_runs_only_what_did_not_succeed(world: World) -> None:
    marker = world.directory / "repaired"
    id_ = world.submit(f"echo [N] >> '{world.directory}/ran'; test [N] != 2 || test -e '{marker}'", jobs=3)
    assert world.end(id_).state == "partial"
    marker.touch()
    assert world.engine.app.retry(id_, [JobState.FAILED]) == 1
    assert world.end(id_).state == "succeeded"
    assert sorted(world.lines("ran")) == ["1", "2", "2", "3"]


def test_an_execution_ends_although_the_place_went_down_right_after_its_last_report(world: World) -> None:
    id_ = world.submit("true")

    def fail_from_now_on(_: Path) -> None:
        world.backend.down = BackendUnavailable("down")

    world.backend.spoils = fail_from_now_on
    world.rounds(lambda: bool(world.engine.driver.alert))
    world.backend.down = world.backend.spoils = None
    assert world.end(id_).state == "succeeded"


def test_a_retry_in_the_moment_of_the_end_is_not_forgotten(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = world.submit(f"echo once >> '{world.directory}/ran'; false")
    delete, retried = FileStorage.delete, list[int]()

    def retry_first(self: FileStorage, url: str) -> None:
        if not retried:
            retried.append(world.engine.app.retry(id_, [JobState.FAILED]))
        delete(self, url)

    monkeypatch.setattr(FileStorage, "delete", retry_first)
    world.rounds(lambda: len(world.lines("ran")) == 2)
    view = world.end(id_)
    assert (view.state, view.tally) == ("failed", {"failed": 1})


def _keys(world: World, id_: str) -> list[str]:
    with world.engine.db.read() as connection:
        rows = connection.exec_driver_sql("SELECT id FROM submission ORDER BY id").scalars()
        return list(rows)


def _story(world: World, id_):  # type: ignore[no-untyped-def]
    return history_of(world.engine.db, id_, world.engine.app.job(id_, 1)).events


def test_a_disk_that_is_full_where_the_engine_works_leaves_the_place_in_peace(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collect, "RETRY_INTERVAL_S", 0.1)

    def fail(_: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    id_ = world.submit("true")
    world.backend.spoils = fail
    world.rounds(lambda: bool(world.engine.driver.alert))
    assert "No space left" in world.engine.driver.alert
    world.backend.spoils = None
    assert world.end(id_).state == "succeeded"


def test_an_engine_starts_while_others_make_and_remove_their_working_directories(world: World) -> None:
    work = Path(os.environ["XDG_STATE_HOME"], "boutiques-engine", "work")
    work.mkdir(parents=True)
    (work / "collect-gone").symlink_to("nowhere")  # as one that is listed, and gone when it is looked at
    assert world.end(world.submit("true")).state == "succeeded"


def test_what_was_taken_runs_once_although_a_later_engine_would_give_other_orders(world: World) -> None:
    world.backend.reply_lost = BackendUnavailable("the line went dead")
    id_ = world.submit(f"echo [N] >> '{world.directory}/ran'")
    world.rounds(lambda: "submit" in world.backend.calls)
    with world.engine.db.write() as connection:
        connection.exec_driver_sql("""UPDATE job SET invocation = '{"n": 2}'""")
    world.backend.reply_lost = None
    assert world.end(id_).state == "succeeded"
    assert world.lines("ran") == ["1"]


def test_jobs_of_a_group_share_submissions_however_little_room_there_is(world: World) -> None:
    id_ = world.submit("true", jobs=300, group=50)
    assert world.end(id_).tally == {"succeeded": 300}
    assert len(_keys(world, id_)) == 6


def test_a_job_that_is_ended_from_outside_is_tried_again_since_nobody_asked_for_its_end(world: World) -> None:
    id_ = world.submit(f"echo once >> '{world.directory}/ran'; {world.held()}; echo x > out.txt")
    world.rounds(lambda: world.lines("ran") == ["once"])
    [note] = world.directory.rglob("jobs/*/started")
    os.kill(json.loads(note.read_text())["pid"], signal.SIGTERM)
    world.rounds(lambda: world.lines("ran") == ["once"] * 2)
    world.let_go()
    view = world.end(id_)
    [job] = world.jobs(id_)
    assert (view.state, job.attempts) == ("succeeded", 2)


class Slow(Faulty):
    """A back-end that wants to be asked seldom."""

    interval = 3600.0

    @property
    def capabilities(self) -> Capabilities:
        return replace(self.inner.capabilities, poll_interval=self.interval)


def test_a_back_end_is_asked_no_more_often_than_it_wants_and_users_are_still_heard(world: World) -> None:
    backend = world.engine.backends["local"] = Slow(world.backend.inner)
    id_ = world.submit("sleep 60")
    world.rounds(lambda: "submit" in backend.calls)
    for _ in range(5):
        assert 0 < world.engine.driver.round() <= reconciler.LONGEST_WAIT_S
    assert backend.calls.count("observe") == 1
    world.engine.app.cancel(id_)
    world.rounds(lambda: "cancel" in backend.calls)
    assert backend.calls.count("observe") == 1
    backend.interval = 0.02
    assert world.end(id_).state == "cancelled"


def test_a_busy_place_does_not_have_another_asked_more_often(world: World) -> None:
    far = Slow(world.backend.inner)
    far.name = "far"
    world.engine.backends["far"] = far
    id_ = world.submit("true", jobs=5)
    assert world.end(id_).state == "succeeded"
    assert world.backend.calls.count("observe") > 1
    assert far.calls.count("observe") <= 1


def test_a_retry_of_the_user_brings_automatic_ones_with_it(world: World) -> None:
    class Everything(set[str]):
        def __contains__(self, _: object) -> bool:
            return True

    world.backend.forgets = Everything()
    id_ = world.submit("true")
    assert world.end(id_).state == "failed"
    assert world.jobs(id_)[0].attempts == 3
    world.engine.app.retry(id_, [JobState.FAILED])
    assert world.end(id_).state == "failed"
    assert world.jobs(id_)[0].attempts == 6


def test_a_key_whose_planner_died_can_be_used_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object, **__: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr("engine.app.submission.plans.activate", die)
        patch.setattr("engine.app.submission.Submissions._remove", lambda *_: None)
        with pytest.raises(SystemExit):
            world.submit("true", key="mine")
    [dead] = world.engine.app.newest()
    monkeypatch.setattr("engine.reconcile.conclude.PLANNING_LIMIT_S", -1.0)
    world.rounds(lambda: world.engine.app.status(ExecutionId(dead.id)).state == "cancelled")
    id_ = world.submit("true", key="mine")
    assert id_ != dead.id
    assert world.end(id_).state == "succeeded"


def test_whoever_asks_how_things_stand_is_told_of_trouble_until_it_is_over(world: World) -> None:
    id_ = world.submit("true")
    world.backend.down = CredentialExpired("the session is over", remedy="log in")
    world.rounds(lambda: world.engine.app.status(id_).trouble != "")
    assert world.engine.app.status(id_).trouble == "the session is over (log in)"
    world.backend.down = None
    world.rounds(lambda: world.engine.app.status(id_).trouble == "")
    assert world.end(id_).state == "succeeded"


def test_what_a_holder_left_half_done_is_taken_over_though_the_place_is_in_trouble_just_then(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(_: Path) -> None:
        raise BackendUnavailable("the line went dead")

    monkeypatch.setattr(collect, "RETRY_INTERVAL_S", 3600.0)  # before that, only who takes over tries again
    monkeypatch.setattr(reconciler, "FIRST_PAUSE", 2.0)
    world.backend.spoils = cut_off
    id_ = world.submit("true")
    world.rounds(lambda: bool(world.engine.driver.alert))
    world.engine.driver.release()
    world.engine.driver.round()  # the first of a new holder, and the back-end is left in peace in it
    world.backend.spoils = None
    assert world.end(id_).state == "succeeded"
