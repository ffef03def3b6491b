"""The statements that make a new SQLite database: what the migrations leave in an empty one."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from engine.store import migrate

_PATH = Path("engine/store/migrations/sqlite.sql")


def files() -> dict[Path, str]:
    """The file of statements, each ended by a semicolon and a new line."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "engine.db")
        engine = sa.create_engine(f"sqlite:///{path}")
        migrate.upgrade(engine, None)
        engine.dispose()
        with closing(sqlite3.connect(path)) as connection:
            return {_PATH: "".join(f"{statement};\n" for statement in _statements(connection))}


def _statements(connection: sqlite3.Connection) -> list[str]:
    tables = [sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")]
    rows = [line for line in connection.iterdump() if line.startswith("INSERT INTO")]
    return ["\n".join(map(str.rstrip, text.rstrip(";\n ").split("\n"))) for text in [*tables, *rows]]
