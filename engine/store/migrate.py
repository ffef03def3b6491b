"""Bringing a database to the schema of this version, with Alembic."""

from __future__ import annotations

import threading
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from engine.errors import SettingsError

_ONE_AT_A_TIME = threading.Lock()
_LOCK = 0x656E67696E65  # "engine"


def configuration() -> Config:
    """Alembic's view of `migrations/`, independent of the current directory."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def upgrade(engine: Engine, current: str | None) -> None:
    """Apply every migration that `current` does not have, in one transaction.

    Raises:
        SettingsError: the database was made by a newer engine.
    """
    config = configuration()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise SettingsError(
            f"the database has schema {current}, newer than this engine knows",
            remedy="use the newer engine, or another database",
        )
    # Alembic's environment is one per process, and two engines may open a new database at the same time.
    with (
        _ONE_AT_A_TIME,
        engine.connect().execution_options(immediate=True) as connection,
        connection.begin(),
    ):
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
