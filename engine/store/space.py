"""The room that the database takes on its disk."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from engine.errors import Unavailable
from engine.store.database import Database


def size(db: Database) -> int:
    """Return the bytes that it takes."""
    if db.sqlite:
        path = db.url.database or ""
        return sum(os.path.getsize(one) for one in (path, f"{path}-wal") if os.path.exists(one))
    with db.read() as connection:
        query = sa.select(sa.func.pg_database_size(sa.func.current_database()))
        return int(connection.execute(query).scalar_one())


def vacuum(db: Database) -> None:
    """Give back to the disk what removed rows took. Engines wait meanwhile, or this waits for them.

    Raises:
        Unavailable: the database was busy for a minute, or its disk has no room for a second copy.
    """
    try:
        if db.sqlite:
            with closing(sqlite3.connect(db.url.database or "", timeout=60, isolation_level=None)) as own:
                own.execute("VACUUM")
                own.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return
        engine = sa.create_engine(db.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql("VACUUM (ANALYZE)")
        engine.dispose()
    except (sqlite3.Error, DBAPIError) as error:
        reason = str(getattr(error, "orig", error)).splitlines()[0]
        remedy = "free as much disk space as the database takes, or stop the engines; nothing was lost"
        raise Unavailable(f"the database cannot be made smaller: {reason}", remedy=remedy) from None
