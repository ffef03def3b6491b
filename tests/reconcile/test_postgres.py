"""The whole machinery on PostgreSQL: nothing in it knows which database it has."""

from __future__ import annotations

import pytest

from engine.app import follow
from engine.domain.job import JobState
from tests.reconcile.conftest import World
from tests.services.postgres import Postgres

pytestmark = pytest.mark.service


@pytest.fixture
def database(postgres_url: str) -> str:
    """An empty database of a real server."""
    return postgres_url


def test_jobs_run_fail_and_are_retried_on_postgresql(world: World) -> None:
    marker = world.directory / "repaired"
    id_ = world.submit(f"echo [N] > out.txt; test [N] != 3 || test -e '{marker}'", jobs=20)
    view = world.end(id_)
    assert (view.state, view.tally) == ("partial", {"succeeded": 19, "failed": 1})
    marker.touch()
    assert world.engine.app.retry(id_, [JobState.FAILED]) == 1
    assert world.end(id_).state == "succeeded"
    assert sorted(p.name for p in world.engine.app.products(id_)) == [
        f"{n:02d}/out.txt" for n in range(1, 21)
    ]


def test_a_cancelled_execution_ends_on_postgresql(world: World) -> None:
    id_ = world.submit("sleep 600", jobs=3)
    world.rounds(lambda: "observe" in world.backend.calls)
    world.engine.app.cancel(id_)
    assert world.end(id_).state == "cancelled"


def test_a_plan_that_is_refused_leaves_nothing_on_postgresql(world: World) -> None:
    (world.directory / "bad.jsonl").write_text('{"n": 1}\n{"n": "one"}\n')
    world.submit("true")
    from engine.app.requests import SubmitRequest
    from engine.errors import BadRequest

    with pytest.raises(BadRequest, match="line 2, input n"):
        world.engine.app.submit(
            world.engine.app.plan(SubmitRequest("tool.json", ("bad.jsonl",), runtimes=("none",)))
        )
    assert len(world.engine.app.newest()) == 1


def test_a_daemon_waits_for_a_database_that_does_not_answer(
    world: World, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "OUTAGE_INTERVAL_S", 0.1)
    name, rounds = world.engine.db.url.database, 0
    id_ = world.submit("true")

    def end() -> bool:
        nonlocal rounds
        rounds += 1
        if rounds in (1, 4):
            _admit(postgres, str(name), rounds == 4)
        return rounds > 4 and world.engine.app.status(id_).state == "succeeded"

    world.engine.driver.serve(end)
    assert rounds > 4


def _admit(server: Postgres, name: str, allow: bool) -> None:
    """Let a database take connections, or end those it has."""
    with server.administrator() as connection:
        connection.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS {str(allow).lower()}".encode())
        if not allow:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )
