"""A database that is older than what was done: a backup, or a copy of before, that was put back."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.cli.desk import Desk, Execution, until, url_path
from tests.conftest import processes_at

pytestmark = pytest.mark.whole

JOBS = 10


def copy_of(desk: Desk, name: str) -> Path:
    """A copy of the database as it is at this moment."""
    copy = desk.directory / name
    with closing(sqlite3.connect(desk.database)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    return copy


def put_back(desk: Desk, copy: Path) -> None:
    """What people do by hand: the copy in place of the database, once no engine works."""
    for left in desk.database.parent.glob("engine.db*"):
        left.unlink()
    desk.database.write_bytes(copy.read_bytes())


@contextmanager
def nobody_at_work(desk: Desk) -> Iterator[None]:
    """Another engine holds the lease, so that nothing is begun."""
    desk.ok("list")
    until_ = "strftime('%s', 'now') + 200"
    execute(desk, f"INSERT OR REPLACE INTO lease VALUES ('reconciler', 'elsewhere:1:1:x:y', 1, {until_})")
    yield
    execute(desk, "UPDATE lease SET until = 0")


def execute(desk: Desk, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(desk.database, timeout=30)) as connection, connection:
        return connection.execute(statement).fetchall()


def begin(desk: Desk, *, last: int = JOBS) -> tuple[Execution, Path]:
    """A sweep of which jobs up to `last` can end, and the rest once `go` is there; and the database of the
    moment before the first one was begun.
    """
    tool = desk.tool(
        f"echo [N] >> '{desk.directory}/ran'; "
        f"while [ [N] -gt {last} ] && ! [ -e '{desk.directory}/go' ]; do sleep 0.05; done; "
        "mkdir d; echo of [N] | tee o > d/deep; [ [N] -ne 2 ]",
        inputs={"n": "Number"},
        outputs={"o": "o", "d": "d"},
    )
    with nobody_at_work(desk):
        values = desk.lines("jobs.jsonl", [{"n": n} for n in range(1, JOBS + 1)])
        view = desk.ok("submit", tool, values, "--runtime", "none", "--detach", "--json")
        found = Execution(view, view.value["id"], url_path(view.value["results"]))
        for background in until(lambda: processes_at(desk.home)):
            os.kill(background, signal.SIGKILL)
        before = copy_of(desk, "before.db")
    with closing(sqlite3.connect(before)) as connection, connection:
        connection.execute("UPDATE lease SET until = 0")
    return found, before


def ran(desk: Desk) -> list[int]:
    """The jobs that were computed, each as often as it was."""
    return sorted(map(int, (desk.directory / "ran").read_text().split()))


def finished(desk: Desk, count: int) -> None:
    """Wait until so many jobs are final for the engine."""
    ends = "SELECT count(*) FROM job WHERE state IN ('succeeded', 'failed')"
    until(lambda: execute(desk, ends) >= [(count,)])


def state(desk: Desk, execution: Execution) -> tuple[str, dict[str, int]]:
    view = desk.ok("status", execution.id, "--json").value
    return view["state"], view["tally"]


ALL = list(range(1, JOBS + 1))
END = ("partial", {"succeeded": JOBS - 1, "failed": 1})
"""How the sweep ends, whatever happens to its database: job 2 fails by itself."""


def test_a_copy_of_before_the_first_job_that_was_put_back_by_hand_has_none_run_again(desk: Desk) -> None:
    execution, copy = begin(desk)
    desk.ok("serve", "--until-idle")
    assert state(desk, execution) == END
    files = execution.files()
    put_back(desk, copy)
    again = desk.ok("serve", "--until-idle")
    assert ran(desk) == ALL
    assert state(desk, execution) == END
    assert execution.files() == files
    assert "records of 10 jobs tell more" in again.err
    assert "it was found and is taken over" in desk.ok("explain", f"{execution.id}:3").out


def test_a_backup_of_mid_run_is_restored_and_has_no_job_run_again(desk: Desk) -> None:
    execution, _ = begin(desk, last=6)
    engine = desk.start("serve", "--until-idle")
    finished(desk, 4)
    desk.ok("db", "backup", "midway")
    refused = desk.run("db", "restore", "midway")
    assert (refused.code, refused.err.count("is at work on the database")) == (3, 1)
    (desk.directory / "go").touch()
    assert engine.wait() == 0
    desk.ok("db", "restore", "midway")
    assert "it does not know of" in desk.run("doctor").out
    desk.ok("serve", "--until-idle")
    assert ran(desk) == ALL
    assert state(desk, execution) == END
    assert desk.ok("db", "check").lines == ["engine: the database is whole"]
    assert [line["action"] for line in desk.ok("audit", "list").values] == ["db.restore"]


def test_jobs_that_run_while_an_older_copy_is_put_back_go_on(desk: Desk) -> None:
    execution, copy = begin(desk, last=6)
    engine = desk.start("serve", "--until-idle")
    finished(desk, 6)
    engine.kill()
    engine.wait()
    running = len(ran(desk))
    put_back(desk, copy)
    (desk.directory / "go").touch()
    again = desk.ok("serve", "--until-idle")
    assert ran(desk) == ALL
    assert running > 6
    assert state(desk, execution) == END
    assert "jobs that the database, which is older, does not know" in again.err
