"""Opening the database: SQLite by default, PostgreSQL for a portal; one transaction at a time each way."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, OperationalError

from engine.errors import SettingsError, Unavailable
from engine.interrupts import Uninterrupted
from engine.store.schema import metadata

REVISION = "0015"
"""The schema that this version of the engine reads and writes: the newest of `migrations/versions`."""

_VERSION = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
_LOCK = 0x656E67696E65  # "engine"

_KINDS = "sqlite:///PATH or postgresql+psycopg://..."

_NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "afs", "lustre", "gpfs", "beegfs", "ceph", "glusterfs", "fuse.sshfs"}
)


class Database:
    """A migrated database.

    Raises:
        SettingsError: the URL is wrong, SQLite would lie on a network file system, or the schema is newer
            than this engine.
        Unavailable: the server does not answer, the directory cannot be written, or an older engine is at
            work.
    """

    def __init__(self, url: str, is_dead: Callable[[str], bool] = lambda _: False) -> None:
        """`is_dead`: whether a holder of the lease is known to run no more."""
        try:
            self.url: URL = make_url(url)
        except ArgumentError:
            raise SettingsError("setting database: not a database URL", remedy=_KINDS) from None
        if self.url.drivername not in ("sqlite", "postgresql+psycopg"):
            raise SettingsError(f"setting database: {self.url.drivername} is not supported", remedy=_KINDS)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        if self.sqlite:
            _prepare_file(self.url.database or "")
        self._engine = sa.create_engine(self.url, **_engine_options(self.sqlite))
        if self.sqlite:
            event.listen(self._engine, "connect", _configure_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)
            event.listen(self._engine, "invalidate", _leave_sqlite)
        try:
            self._migrate(is_dead)
        except BaseException:
            self._engine.dispose()
            raise

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give the view of one moment; nothing may be written through it."""
        with Uninterrupted(), _clear_errors(self.url), self._engine.connect() as connection:
            if not self.sqlite:  # by default each statement of PostgreSQL sees another moment
                connection = connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            with connection.begin():
                yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that commits as a whole, or not at all.

        SQLite takes its write lock at once (`BEGIN IMMEDIATE`): a reader that turns writer half-way
        would be refused instead of waiting.
        """
        afterwards: list[Callable[[], None]] = []
        with Uninterrupted():
            with _clear_errors(self.url), self._engine.connect() as connection:
                connection = connection.execution_options(immediate=True, afterwards=afterwards)
                with connection.begin():
                    yield connection
            for act in afterwards:
                act()

    def close(self) -> None:
        """Give back the connections."""
        self._engine.dispose()

    def _migrate(self, is_dead: Callable[[str], bool]) -> None:
        with _clear_errors(self.url):
            with self._engine.connect() as connection:
                current = revision(connection)
            if current is None:
                current = self._create()
            if current == REVISION:
                return
            from engine.store import migrate  # Alembic costs half a second: only when there is work

            migrate.upgrade(self._engine, current, is_dead)

    def _create(self) -> str:
        """Make all tables in an empty database, unless another process was faster; the revision then."""
        with (
            self._engine.connect().execution_options(immediate=True) as connection,
            connection.begin(),
        ):
            lock_schema(connection)
            current = revision(connection)
            if current is None:
                metadata.create_all(connection, checkfirst=False)  # tables of others are never taken for ours
                _VERSION.create(connection)
                connection.execute(sa.insert(_VERSION).values(version_num=REVISION))
            return current or REVISION


def lock_schema(connection: Connection) -> None:
    """Have others who make or change tables wait for the end of this transaction, as SQLite does anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))


def afterwards(connection: Connection, act: Callable[[], None]) -> None:
    """Have something done once the transaction is committed, and never when it is not."""
    connection.get_execution_options()["afterwards"].append(act)


def _engine_options(sqlite: bool) -> dict[str, Any]:
    if sqlite:
        return {"connect_args": {"timeout": 60}}
    return {"pool_pre_ping": True, "connect_args": {"connect_timeout": 10}}


def _prepare_file(name: str) -> None:
    path = Path(name)
    if name in ("", ":memory:"):
        raise SettingsError(
            "setting database: a database in memory is forgotten at the end", remedy="sqlite:///PATH"
        )
    directory = path.resolve().parent
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise Unavailable(
            f"cannot make the directory of the database, {directory}: {error.strerror}",
            remedy="set `database` (or ENGINE_DATABASE) to a place that can be written",
        ) from None
    kind = file_system(directory)
    if kind in _NETWORK_FILE_SYSTEMS:
        raise SettingsError(
            f"the database {path} would lie on a network file system ({kind}), where SQLite loses data",
            remedy="set ENGINE_DATABASE=sqlite:////var/tmp/engine-$USER/engine.db, a disk of this machine, "
            "or use PostgreSQL",
        )


def file_system(path: Path, mounts: str | None = None) -> str:
    """Find the type of the file system that holds `path`, as /proc/mounts says; "" when unknown."""
    if mounts is None:
        try:
            mounts = Path("/proc/mounts").read_text(errors="replace")
        except OSError:
            return ""
    best, kind = "", ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = fields[1].replace("\\040", " ")
        inside = str(path) == point or str(path).startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, fields[2]
    return kind


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, see _begin_sqlite
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")  # a power cut must not lose the row that preceded a submit
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA busy_timeout = 60000")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _leave_sqlite(connection: Any, *_: object) -> None:
    """End the transaction of a connection that a KeyboardInterrupt broke: it is closed without. SQLite closes
    it only when its last cursor is gone, which the traceback holds, and until then it keeps the write lock.
    """
    with suppress(sqlite3.Error):
        connection.rollback()


def revision(connection: Connection) -> str | None:
    """Read the schema that the database has; None when it is empty."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


@contextmanager
def _clear_errors(url: URL) -> Iterator[None]:
    """Turn the driver's trouble with the service into one line; bugs in our SQL keep their traceback."""
    try:
        yield
    except OperationalError as error:
        raise Unavailable(
            f"the database {url.render_as_string(hide_password=True)} fails: {_first_line(error)}",
            remedy=_remedy(_first_line(error)),
        ) from error
    except DBAPIError as error:
        if type(error) is DatabaseError:
            raise SettingsError(
                f"the database {url.render_as_string(hide_password=True)}: {_first_line(error)}",
                remedy="restore it from a backup, or set `database` (ENGINE_DATABASE) to another",
            ) from error
        if error.connection_invalidated:
            raise Unavailable(
                f"the database {url.host or url.database} went away", remedy="try later"
            ) from error
        raise


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().splitlines()[0] if error.orig else "no reason given"


def _remedy(reason: str) -> str:
    if "full" in reason:
        return "free some disk space; nothing was lost"
    if "readonly" in reason or "unable to open" in reason:
        return "set `database` (or ENGINE_DATABASE) to a place that can be written"
    return "see that it runs, then try again"
