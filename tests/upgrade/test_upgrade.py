"""An engine takes over what the one before it left: database, spool, settings and running jobs."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from engine import holder
from engine.store.database import REVISION
from tests.cli.desk import Desk, desk_in, ended, until
from tests.services.diracx import Diracx
from tests.services.postgres import Postgres
from tests.services.registry import Registry
from tests.upgrade.golden_copy import GOLDEN, unpack
from tests.upgrade.grid import GRID_WORDS, Services, image_words, submit_again

pytestmark = pytest.mark.whole

COPIES = sorted(path.name.removesuffix("-sqlite.tar.xz") for path in GOLDEN.glob("*-sqlite.tar.xz"))


STARTED_HERE = ["fifth", "fourth", "second", "sixth", "third"]
"""Jobs of a copy that had not ended, sorted: each is started once."""


@dataclass(frozen=True)
class Inherited:
    """A golden copy in its new place."""

    desk: Desk
    held: dict[str, str]
    """What its executions are called."""

    @property
    def wrapper(self) -> Path:
        """The wrapper of the old engine."""
        [archive] = self.desk.spool.glob("wrapper-*.pyz")
        return archive

    def submissions(self) -> set[str]:
        """What lies in the spool."""
        return {path.name for path in self.desk.spool.glob("jobs/*")}

    def starts(self) -> list[str]:
        """Which jobs were started here, in order."""
        return (self.desk.directory / "starts").read_text().split()

    def open_gates(self) -> None:
        """Let every job end."""
        (self.desk.directory / "open").touch()

    def status(self, name: str) -> Any:
        """How an execution stands."""
        return self.desk.ok("status", self.held[name], "--json").value

    def results(self, name: str) -> dict[str, str]:
        """The files that it made."""
        outputs = self.desk.directory / "results" / self.held[name] / "outputs"
        return {str(p.relative_to(outputs)): p.read_text() for p in outputs.rglob("*") if p.is_file()}

    def records(self, name: str) -> list[Any]:
        """The provenance of its attempts."""
        where = self.desk.directory / "results" / self.held[name] / "provenance"
        return [json.loads(path.read_text()) for path in sorted(where.iterdir())]


@pytest.fixture(params=COPIES)
def copy(request: pytest.FixtureRequest) -> str:
    """The name of a golden copy."""
    return str(request.param)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """The desk of a user of the old engine."""
    with desk_in(tmp_path) as desk:
        desk.write("engine.yaml", "{}")
        yield replace(desk, environment={"ENGINE_CONFIG": "engine.yaml"})


@pytest.fixture
def sqlite_copy(copy: str, desk: Desk) -> Inherited:
    """A golden copy with SQLite."""
    return _with_sqlite(desk, _place(f"{copy}-sqlite", desk))


@pytest.fixture
def postgres_copy(copy: str, tmp_path: Path, postgres: Postgres) -> Iterator[Inherited]:
    """A golden copy with PostgreSQL."""
    with (
        postgres.database() as url,
        desk_in(tmp_path, environment={"ENGINE_CONFIG": "engine.yaml", "ENGINE_DATABASE": url}) as desk,
    ):
        held = _place(f"{copy}-postgres", desk)
        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            connection.execute((tmp_path / "database.sql").read_bytes())
        yield Inherited(desk, held)


@pytest.fixture
def grid_copy(
    copy: str, tmp_path: Path, diracx_site: Diracx, registry: Registry, busybox_image: str
) -> Iterator[Inherited]:
    """A golden copy whose grids are there: a stand-in for DIRAC's services, and DiracX."""
    assert busybox_image.startswith(registry.host)
    variables = {
        "ENGINE_CONFIG": "engine.yaml",
        **Services(tmp_path / "dirac").settings(),
        "ENGINE_DIRACX__URL": diracx_site.url,
        "ENGINE_DIRACX__TOKEN": str(diracx_site.credential()),
    }
    with desk_in(tmp_path, environment=variables) as desk:
        yield _with_sqlite(desk, _place(f"{copy}-sqlite", desk, image_words(registry)))


def _with_sqlite(desk: Desk, held: dict[str, str]) -> Inherited:
    desk.database.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(desk.database) as connection:
        connection.executescript((desk.home.parent / "database.sql").read_text())
    connection.close()
    return Inherited(desk, held)


def _place(name: str, desk: Desk, others: Mapping[str, str] = {}) -> dict[str, str]:
    unpack(GOLDEN / f"{name}.tar.xz", desk.home.parent, others)
    (desk.directory / "starts").write_text("")
    held: dict[str, str] = json.loads((desk.home.parent / "held.json").read_text())
    return held


@pytest.mark.parametrize("copy", COPIES[:1])
def test_what_ran_when_the_machine_went_down_runs_again_under_this_engine(sqlite_copy: Inherited) -> None:
    sqlite_copy.open_gates()
    sqlite_copy.desk.ok("serve", "--until-idle")
    _all_ended_right(sqlite_copy)
    assert sorted(sqlite_copy.starts()) == STARTED_HERE


def test_jobs_of_the_old_wrapper_go_on_and_are_collected_by_this_engine(sqlite_copy: Inherited) -> None:
    _take_over_while_jobs_run(sqlite_copy)


@pytest.mark.service
def test_a_postgresql_database_is_taken_over_while_its_jobs_run(postgres_copy: Inherited) -> None:
    _take_over_while_jobs_run(postgres_copy)


@pytest.mark.service
def test_jobs_that_an_old_engine_sent_to_grids_are_collected_by_this_engine(
    grid_copy: Inherited, diracx_site: Diracx
) -> None:
    services = Services(grid_copy.desk.home.parent / "dirac")
    numbers = submit_again(diracx_site, services.root.with_name("diracx"))
    with sqlite3.connect(grid_copy.desk.database) as connection:
        connection.executemany(
            "UPDATE submission SET native_id = ? WHERE id = ?", [(n, key) for key, n in numbers.items()]
        )
    connection.close()
    first, *others = services.jobs("Running", "Received")
    services.carry_out(first)  # it ended while no engine ran
    grid_copy.open_gates()
    serving = grid_copy.desk.start("serve", "--until-idle")
    for number in others:
        services.carry_out(number)
    assert ended(serving).code == 0
    for grid, words in GRID_WORDS.items():
        assert grid_copy.status(f"{grid} queued")["state"] == "succeeded"
        made = {f"{n}/{word}.txt": "given\n" for n, word in enumerate(words, 1)}
        assert grid_copy.results(f"{grid} queued") == made
        assert [
            record["additional-information"]["try"] for record in grid_copy.records(f"{grid} queued")
        ] == [1] * len(words)


def _take_over_while_jobs_run(copy: Inherited) -> None:
    """Run the old wrapper, then this engine beside it; the gates open once both are at work."""
    for job in copy.desk.spool.glob("jobs/*"):
        if not (job / "finished").exists():
            _never_begun(job)
    old, before = copy.wrapper, copy.submissions()
    of_old = hashlib.sha256(old.read_bytes()).hexdigest()
    server = copy.desk.spool / "server.json"
    server.unlink()
    command = [sys.executable, "-I", "-S", str(old), "serve", str(copy.desk.spool)]
    with subprocess.Popen(command, env=copy.desk.all_variables({})) as wrapper:
        until(lambda: sorted(copy.starts()) == ["second", "third"])
        serving = copy.desk.start("serve", "--until-idle")
        until(lambda: len(copy.submissions() - before) == 2)
        until(lambda: server.exists() and _serves_or_is_replaced(server, wrapper, of_old))
        until(lambda: copy.status("unwanted")["state"] == "cancelled")
        copy.open_gates()
        ran = ended(serving)
        assert ran.code == 0, ran
        wrapper.terminate()  # this engine's own may have replaced it by now
    _all_ended_right(copy)
    assert sorted(copy.starts()) == STARTED_HERE
    told = [record["additional-information"]["wrapper-sha256"] for record in copy.records("running")]
    assert told[:3] == [of_old] * 3


def _serves_or_is_replaced(server: Path, wrapper: subprocess.Popen[bytes], of_old: str) -> bool:
    noted = json.loads(server.read_text())
    return bool(noted["pid"] != wrapper.pid or noted["wrapper_sha256"] == of_old)


def _never_begun(job: Path) -> None:
    """Make a submission one that waits: processes are in no copy, so the old wrapper begins it here."""
    for path in job.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in ("manifests.jsonl", "cancel"):
            path.unlink()


def _all_ended_right(copy: Inherited) -> None:
    right = {"finished": "partial", "running": "succeeded", "unwanted": "cancelled", "waiting": "succeeded"}
    assert {name: copy.status(name)["state"] for name in right} == right
    assert copy.results("finished") == {"1/one.txt": "given\n", "2/two.txt": "given\n"}
    words = ["first", "second", "third", "fourth"]
    assert copy.results("running") == {f"{n}/{word}.txt": "given\n" for n, word in enumerate(words, 1)}
    assert copy.results("waiting") == {"1/fifth.txt": "given\n", "2/sixth.txt": "given\n"}
    assert copy.results("unwanted") == {}


def test_every_setting_of_an_older_engine_is_read(copy: str, desk: Desk) -> None:
    ran = desk.ok("--config", str(GOLDEN / f"{copy}-settings.yaml"), "settings", "--json")
    assert ran.value["owner"] == "keeper"


def test_a_database_on_which_an_older_engine_works_is_left_alone(tmp_path: Path) -> None:
    with desk_in(tmp_path, environment={"ENGINE_CONFIG": "engine.yaml"}) as desk:
        copy = _with_sqlite(desk, _place(f"{COPIES[0]}-sqlite", desk))
        before = _schema(desk)
        _set(desk, "UPDATE lease SET holder = ?, until = ?", holder.this_process(), time.time() + 100)
        refused = desk.run("status", copy.held["running"])
        assert refused.code == 3, refused
        assert f"an older engine (process {os.getpid()} of " in refused.err
        assert "stop that engine, its jobs go on; then start this one" in refused.err
        assert _schema(desk) == before
        _set(desk, "UPDATE lease SET holder = ?", f"{socket.gethostname()}:1:0:elsewhere:x")
        assert (
            "process 1 of " in desk.run("status", copy.held["running"]).err
        )  # of another machine: who knows
        _set(desk, "UPDATE lease SET until = ?", time.time())
        assert copy.status("running")["state"] == "running"
        assert _schema(desk) == REVISION


def test_an_engine_whose_database_a_newer_one_has_changed_ends_with_what_to_do(desk: Desk) -> None:
    desk.ok("list")
    _set(
        desk,
        "INSERT INTO lease (name, holder, fence, until) VALUES ('reconciler', ?, 1, ?)",
        holder.this_process(),
        time.time() + 100,
    )
    waiting = desk.start("serve")
    until(lambda: waiting.stderr is not None and '"serving"' in waiting.stderr.readline())
    _set(desk, "UPDATE alembic_version SET version_num = '9999'")
    _set(desk, "UPDATE lease SET until = 0")
    ran = ended(waiting)
    assert ran.code == 2, ran
    assert "brought to schema 9999 while this engine" in ran.err
    refused = desk.run("list")
    assert (refused.code, f"schema 9999, newer than this engine knows ({REVISION})" in refused.err) == (
        2,
        True,
    )
    assert "restore the copy from before the upgrade" in refused.err


def _set(desk: Desk, statement: str, *values: object) -> None:
    with sqlite3.connect(desk.database) as connection:
        connection.execute(statement, values)
    connection.close()


def _schema(desk: Desk) -> str:
    with sqlite3.connect(desk.database) as connection:
        (found,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    connection.close()
    return str(found)
