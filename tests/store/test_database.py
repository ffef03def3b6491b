"""Opening databases: migrations, and clear words when one cannot be used."""

from __future__ import annotations

import sqlite3
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from engine.errors import SettingsError, Unavailable
from engine.store import database, migrate
from engine.store.database import REVISION, Database, file_system
from engine.store.schema import metadata
from tests.services.unprivileged import Unprivileged
from tests.upgrade.golden_copy import GOLDEN, unpack

ROOT = Path(__file__).resolve().parents[2]


COPIES = sorted(path.name.removesuffix("-sqlite.tar.xz") for path in GOLDEN.glob("*-sqlite.tar.xz"))


@pytest.mark.parametrize("copy", COPIES)
def test_the_migrations_make_of_an_earlier_database_what_a_new_one_is(
    url: str, copy: str, db: Database, tmp_path: Path
) -> None:
    with db.read() as connection:
        new = _shape(connection)
    db.close()
    earlier = _earlier(url, copy, tmp_path)
    migrated = Database(earlier)
    with migrated.read() as connection:
        context = MigrationContext.configure(connection, opts={"target_metadata": metadata})
        assert compare_metadata(context, metadata) == []
        assert _shape(connection) == new
    migrated.close()


def _earlier(url: str, copy: str, directory: Path) -> str:
    """Load a golden copy in place of the database; gives its URL."""
    sqlite = url.startswith("sqlite")
    unpack(GOLDEN / f"{copy}-{'sqlite' if sqlite else 'postgres'}.tar.xz", directory / "copy", {})
    dump = (directory / "copy" / "database.sql").read_text()
    if sqlite:
        with closing(sqlite3.connect(directory / "earlier.db")) as connection:
            connection.executescript(dump)
        return f"sqlite:///{directory / 'earlier.db'}"
    with psycopg.connect(url.replace("+psycopg", "")) as server:
        server.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        server.execute(dump.encode())
    return url


def _shape(connection: sa.Connection) -> dict[str, dict[str, object]]:
    """What each table is: columns, keys and indexes with their names."""
    look = sa.inspect(connection)
    return {
        table: {
            "columns": {
                one["name"]: (str(one["type"]), one["nullable"], one["default"])
                for one in look.get_columns(table)
            },
            "primary key": look.get_pk_constraint(table),
            "foreign keys": sorted(map(str, look.get_foreign_keys(table))),
            "unique": sorted(map(str, look.get_unique_constraints(table))),
            "indexes": sorted(map(_index, look.get_indexes(table))),
        }
        for table in look.get_table_names()
    }


def _index(one: Any) -> str:
    """An index as text: the condition of a partial one too, which is an object."""
    options = {name: str(value) for name, value in one.get("dialect_options", {}).items()}
    return str({**one, "dialect_options": options})


def test_a_database_that_is_older_than_any_that_is_taken_over_is_refused(url: str, db: Database) -> None:
    with db.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0006'"))
    with pytest.raises(SettingsError, match="schema 0006; the oldest that this engine takes over is 0007"):
        Database(url)


def test_a_file_that_holds_tables_of_others_gets_ours_too(tmp_path: Path) -> None:
    path = tmp_path / "engine.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (it TEXT)")
    db = Database(f"sqlite:///{path}")
    with db.read() as connection:
        assert {"theirs", "execution"} <= set(sa.inspect(connection).get_table_names())
    db.close()


def test_the_revision_that_the_code_expects_is_the_newest_migration() -> None:
    assert ScriptDirectory.from_config(migrate.configuration()).get_current_head() == REVISION


def test_many_engines_may_open_a_new_database_at_once(url: str) -> None:
    errors: list[BaseException] = []

    def open_it() -> None:
        try:
            Database(url).close()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_a_database_of_a_newer_engine_is_refused(url: str, db: Database) -> None:
    with db.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SettingsError, match="schema 9999, newer"):
        Database(url)


def test_a_transaction_that_fails_leaves_nothing(db: Database) -> None:
    with pytest.raises(RuntimeError), db.write() as connection:
        connection.execute(sa.text("INSERT INTO lease (name, holder, fence, until) VALUES ('x', 'y', 1, 1)"))
        raise RuntimeError
    with db.read() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM lease")).scalar() == 0


@pytest.mark.parametrize("text", ["nonsense", "", "sqlite://", "sqlite:///:memory:"])
def test_an_unusable_url_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(SettingsError, match="setting database"):
        Database(text)


def test_a_server_that_is_down_is_told_in_one_line_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        Database(f"postgresql+psycopg://me:secret@/db?host={tmp_path}")
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_database_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "engine.db").write_text("this is a letter\n" * 100)
    with pytest.raises(SettingsError, match="not a database"):
        Database(f"sqlite:///{tmp_path / 'engine.db'}")


def test_a_directory_that_cannot_be_written_is_named(unprivileged: Unprivileged) -> None:
    (unprivileged.directory / "closed").mkdir(mode=0o500)
    unprivileged.give(unprivileged.directory / "closed")
    url = f"sqlite:///{unprivileged.directory}/closed/deep/engine.db"
    program = f"from engine.store.database import Database; Database({url!r})"
    ran = unprivileged.run([sys.executable, "-c", program], environment={"PYTHONPATH": str(ROOT)})
    assert ran.returncode == 1
    assert "Unavailable: cannot make the directory" in ran.stderr
    assert "ENGINE_DATABASE" in ran.stderr


MOUNTS = """/dev/vda / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
tmpfs /home/me/local tmpfs rw 0 0
server:/odd /mnt/with\\040space nfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib", "ext4"),
        ("/home/me/.local/share", "nfs4"),
        ("/home/me/local/x", "tmpfs"),
        ("/homework", "ext4"),
        ("/mnt/with space/x", "nfs"),
    ],
)
def test_the_file_system_of_a_path_is_the_nearest_mount_above_it(path: str, kind: str) -> None:
    assert file_system(Path(path), MOUNTS) == kind


def test_sqlite_on_a_network_file_system_is_refused_with_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "file_system", lambda _: "nfs4")
    with pytest.raises(SettingsError, match=r"network file system \(nfs4\).*ENGINE_DATABASE="):
        Database(f"sqlite:///{tmp_path / 'engine.db'}")
