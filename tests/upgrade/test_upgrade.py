"""An engine takes over what the one before it left: database, spool, settings and running jobs."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.cli.desk import Desk, desk_in, ended, until
from tests.services.postgres import Postgres
from tests.upgrade.golden_copy import GOLDEN, unpack

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
    with desk_in(tmp_path, environment={"ENGINE_CONFIG": "engine.yaml"}) as desk:
        yield desk


@pytest.fixture
def sqlite_copy(copy: str, desk: Desk) -> Inherited:
    """A golden copy with SQLite."""
    held = _place(f"{copy}-sqlite", desk)
    desk.database.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(desk.database) as connection:
        connection.executescript((desk.home.parent / "database.sql").read_text())
    connection.close()
    return Inherited(desk, held)


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


def _place(name: str, desk: Desk) -> dict[str, str]:
    unpack(GOLDEN / f"{name}.tar.xz", desk.home.parent)
    (desk.directory / "starts").write_text("")
    held: dict[str, str] = json.loads((desk.home.parent / "held.json").read_text())
    return held


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
    states = {name: copy.status(name)["state"] for name in copy.held}
    assert states == {
        "finished": "partial",
        "running": "succeeded",
        "unwanted": "cancelled",
        "waiting": "succeeded",
    }
    assert copy.results("finished") == {"1/one.txt": "given\n", "2/two.txt": "given\n"}
    words = ["first", "second", "third", "fourth"]
    assert copy.results("running") == {f"{n}/{word}.txt": "given\n" for n, word in enumerate(words, 1)}
    assert copy.results("waiting") == {"1/fifth.txt": "given\n", "2/sixth.txt": "given\n"}
    assert copy.results("unwanted") == {}
