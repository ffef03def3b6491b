"""Bringing a database to the schema of this version, with Alembic."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from engine.errors import SettingsError


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
    with engine.connect().execution_options(immediate=True) as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
