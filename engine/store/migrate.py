"""Bringing a database to the schema of this version, with Alembic."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from engine.clock import SystemClock
from engine.errors import SettingsError, Unavailable
from engine.store.database import REVISION, lock_schema

_ONE_AT_A_TIME = threading.Lock()


def configuration() -> Config:
    """Alembic's view of `migrations/`, independent of the current directory."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def upgrade(engine: Engine, current: str, is_dead: Callable[[str], bool] = lambda _: False) -> None:
    """Apply every migration that `current` does not have, in one transaction.

    Raises:
        SettingsError: the database was made by a newer engine, or by one that is too old.
        Unavailable: an older engine is at work on it.
    """
    config = configuration()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current < min(known):
        raise SettingsError(
            f"the database has schema {current}; the oldest that this engine takes over is {min(known)}",
            remedy="open it first with an earlier engine that knows it",
        )
    if current not in known:
        raise SettingsError(
            f"the database has schema {current}, newer than this engine knows ({REVISION})",
            remedy="use the newer engine; to go back to this one, restore the copy from before the upgrade",
        )
    # Alembic's environment is one per process, and two engines may open a new database at the same time.
    with (
        _ONE_AT_A_TIME,
        engine.connect().execution_options(immediate=True) as connection,
        connection.begin(),
    ):
        lock_schema(connection)
        _see_that_nobody_works(connection, current, is_dead)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _see_that_nobody_works(connection: Connection, current: str, is_dead: Callable[[str], bool]) -> None:
    """Return if no engine holds the lease: one that did would go on with tables that it does not know.

    Raises:
        Unavailable: one does.
    """
    held = connection.execute(
        sa.text("SELECT holder FROM lease WHERE until > :now"), {"now": SystemClock().now()}
    )
    for holder in held.scalars():
        if not is_dead(holder):
            host, pid = [*holder.split(":"), ""][:2]
            raise Unavailable(
                f"an older engine (process {pid} of {host}) is at work on the database, which has schema "
                f"{current}; this engine needs {REVISION}",
                remedy="stop that engine, its jobs go on; then start this one",
            )
