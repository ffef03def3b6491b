"""How long this engine takes to bring an earlier one's database of a million jobs to its own schema."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import sqlalchemy as sa

from engine.store.database import Database
from tests.bench.figures import row
from tests.services.postgres import start_postgres
from tests.upgrade.golden_copy import GOLDEN, unpack

JOBS, EACH, EVENTS = 1_000_000, 10_000, 4
"""Jobs, jobs of one execution, and events of one job: accepted, running, finished, succeeded."""
MOST = 300.0
"""Seconds."""
_EXECUTION = f"CAST(10000000000000000 + i / {EACH} AS TEXT)"
_OWN = "CAST(20000000000000000 + i AS TEXT)"
_JOB = "1000 + i"
_MANY: Mapping[str, tuple[int, Mapping[str, str]]] = {
    "execution": (JOBS // EACH, {"id": "CAST(10000000000000000 + i AS TEXT)", "key": "NULL"}),
    "job": (JOBS, {"id": _JOB, "execution_id": _EXECUTION, "number": f"i % {EACH} + 1"}),
    "submission": (JOBS, {"id": _OWN, "execution_id": _EXECUTION, "native_id": _OWN}),
    "attempt": (JOBS, {"id": _OWN, "job_id": _JOB, "submission_id": _OWN}),
    "product": (
        JOBS,
        {"id": _JOB, "execution_id": _EXECUTION, "job_id": _JOB, "attempt_id": _OWN, "name": "'made ' || i"},
    ),
    "event": (
        JOBS * EVENTS,
        {
            "id": _JOB,
            "execution_id": f"CAST(10000000000000000 + i / {EACH * EVENTS} AS TEXT)",
            "job_id": f"1000 + i / {EVENTS}",
            "attempt_id": f"CAST(20000000000000000 + i / {EVENTS} AS TEXT)",
        },
    ),
}
"""By table: how many rows are made of its first one, and what tells them apart; `i` counts them from 0."""


def main() -> None:
    """Measure both databases, with the oldest golden copy."""
    oldest = min(path.name.removesuffix("-sqlite.tar.xz") for path in GOLDEN.glob("*-sqlite.tar.xz"))
    for kind, made in (("sqlite", _sqlite(oldest)), ("postgres", _postgres(oldest))):
        with made as url:
            _multiply(url)
            start = time.monotonic()
            Database(url).close()
            seconds = time.monotonic() - start
        row(
            f"migration of {oldest}, {JOBS} jobs, {kind}", f"{seconds:.1f} s", f"<= {MOST:g}", seconds <= MOST
        )


@contextmanager
def _sqlite(copy: str) -> Iterator[str]:
    with TemporaryDirectory() as directory:
        file = Path(directory, "engine.db")
        connection = sqlite3.connect(file)
        connection.executescript(_dump(f"{copy}-sqlite"))
        connection.close()
        yield f"sqlite:///{file}"


@contextmanager
def _postgres(copy: str) -> Iterator[str]:
    with start_postgres() as server, server.database() as url:
        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            connection.execute(_dump(f"{copy}-postgres").encode())
        yield url


def _dump(copy: str) -> str:
    with TemporaryDirectory() as directory:
        unpack(GOLDEN / f"{copy}.tar.xz", Path(directory), {})
        return Path(directory, "database.sql").read_text()


def _multiply(url: str) -> None:
    """Make many rows of the first one of each table."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(
                sa.text("SET LOCAL session_replication_role = replica")
            )  # no checks: they refer
        for table, (count, own) in _MANY.items():
            columns = [column["name"] for column in sa.inspect(connection).get_columns(table)]
            values = ", ".join(own.get(name, f"t.{name}") for name in columns)
            first = f"SELECT * FROM {table} ORDER BY id LIMIT 1"
            numbers = f"WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {count - 1})"
            connection.execute(
                sa.text(
                    f"INSERT INTO {table} ({', '.join(columns)}) "
                    f"{numbers} SELECT {values} FROM n, ({first}) t"
                )
            )
    engine.dispose()


if __name__ == "__main__":
    main()
