"""DiracX on the databases of a DIRAC: only what DIRAC does not have is created. Runs in DiracX's own Python.

`diracx.testing.routers` would create all tables, and fails on those of DIRAC. This one replaces OpenSearch by
SQLite as that does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from diracx.db.__main__ import init_os
from diracx.db.os.utils import BaseOSDB
from diracx.db.sql.utils import BaseSQLDB
from diracx.routers.factory import create_app as create_server
from diracx.testing.mock_osdb import fake_available_osdb_implementations
from fastapi import FastAPI

_OURS = ("AuthDB", "TaskDB", "TransformationDB")


def create_app() -> FastAPI:
    """The application."""
    real = BaseOSDB.available_implementations
    BaseOSDB.available_implementations = partial(
        fake_available_osdb_implementations, real_available_implementations=real
    )
    app = create_server()
    app.lifetime_functions.append(_create_tables)
    return app


@asynccontextmanager
async def _create_tables() -> AsyncIterator[None]:
    for name, url in BaseSQLDB.available_urls().items():
        if name in _OURS:
            database = BaseSQLDB.available_implementations(name)[0](url)
            async with database.engine_context(), database.engine.begin() as connection:
                await connection.run_sync(database.metadata.create_all)
                await database.post_create(connection)
    await init_os()
    yield
