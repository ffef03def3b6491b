"""What is remembered between two starts: which executions are shown to their end, and what is in trouble."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine import xdg
from engine.errors import Unavailable
from engine.ids import ExecutionId

_TABLES = """
CREATE TABLE IF NOT EXISTS shown (execution_id TEXT PRIMARY KEY, ended_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS rescheduled (execution_id TEXT, number INTEGER,
    PRIMARY KEY (execution_id, number));
CREATE TABLE IF NOT EXISTS trouble (place TEXT PRIMARY KEY, words TEXT NOT NULL, since REAL NOT NULL);
CREATE TABLE IF NOT EXISTS behind (one INTEGER PRIMARY KEY, executions INTEGER NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of the tables."""

    trouble: dict[str, tuple[str, float]]
    """Target -> what is wrong there, and since when."""
    behind: int
    """Executions of which something is still to be written."""


class Memory:
    """A small database of its own: losing it costs writing everything once more."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or xdg.directory("XDG_STATE_HOME", ".local/state") / "vip.db"
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise Unavailable(f"cannot make {self._path.parent}: {error.strerror}") from None

    def shown(self) -> dict[ExecutionId, float]:
        """Give the executions that are shown to their end, and when that was."""
        with self._begun() as connection:
            rows = connection.execute("SELECT execution_id, ended_at FROM shown").fetchall()
        return {ExecutionId(id_): ended_at for id_, ended_at in rows}

    def set_shown(self, id_: ExecutionId, ended_at: float) -> None:
        """Remember that nothing of an execution is left to be written."""
        with self._begun() as connection:
            connection.execute("INSERT OR REPLACE INTO shown VALUES (?, ?)", (id_, ended_at))

    def rescheduled(self) -> list[tuple[ExecutionId, int]]:
        """Give the jobs that are to begin again when their attempt has ended."""
        with self._begun() as connection:
            rows = connection.execute("SELECT execution_id, number FROM rescheduled").fetchall()
        return [(ExecutionId(id_), number) for id_, number in rows]

    def set_rescheduled(self, id_: ExecutionId, number: int, *, wanted: bool) -> None:
        """Remember that a job is to begin again, or forget it."""
        statement = (
            "INSERT OR IGNORE INTO rescheduled VALUES (?, ?)"
            if wanted
            else "DELETE FROM rescheduled WHERE execution_id = ? AND number = ?"
        )
        with self._begun() as connection:
            connection.execute(statement, (id_, number))

    def progress(self) -> Progress:
        """Tell how far the tables are."""
        with self._begun() as connection:
            rows = connection.execute("SELECT place, words, since FROM trouble").fetchall()
            behind = connection.execute("SELECT executions FROM behind").fetchone()
        return Progress({target: (words, since) for target, words, since in rows}, behind[0] if behind else 0)

    def note(self, target: str, words: str, *, now: float) -> None:
        """Remember what is wrong at a target; "" is nothing."""
        with self._begun() as connection:
            if not words:
                connection.execute("DELETE FROM trouble WHERE place = ?", (target,))
                return
            connection.execute(
                "INSERT INTO trouble VALUES (?, ?, ?) "
                "ON CONFLICT (place) DO UPDATE SET words = excluded.words",
                (target, words, now),
            )

    def set_behind(self, executions: int) -> None:
        """Remember how many executions have something left to be written."""
        with self._begun() as connection:
            connection.execute("INSERT OR REPLACE INTO behind VALUES (1, ?)", (executions,))

    @contextmanager
    def _begun(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=30)) as connection, connection:
                connection.executescript(_TABLES)
                yield connection
        except sqlite3.Error as error:
            raise Unavailable(f"{self._path}: {error}", remedy="remove it: it is made anew") from None
