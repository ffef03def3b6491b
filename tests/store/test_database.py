"""Opening databases: migrations, and clear words when one cannot be used."""

from __future__ import annotations

import sqlite3
import sys
import threading
from contextlib import closing
from pathlib import Path

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

ROOT = Path(__file__).resolve().parents[2]


def test_the_migrations_make_the_tables_that_the_code_uses(db: Database) -> None:
    with db.read() as connection:
        context = MigrationContext.configure(connection, opts={"target_metadata": metadata})
        assert compare_metadata(context, metadata) == []


def test_a_new_sqlite_file_is_what_the_migrations_make_of_an_empty_one(tmp_path: Path) -> None:
    at_once = Database(f"sqlite:///{tmp_path / 'at-once.db'}")
    migrated = sa.create_engine(f"sqlite:///{tmp_path / 'migrated.db'}")
    migrate.upgrade(migrated, None)
    with at_once.read() as one, migrated.connect() as other:
        assert _content(one) == _content(other)
    at_once.close()
    migrated.dispose()


def _content(connection: sa.Connection) -> list[tuple[str, str]]:
    """Every object of an SQLite file with the statement that made it, and the rows of all tables."""
    rows = connection.exec_driver_sql("SELECT name, coalesce(sql, '') FROM sqlite_master ORDER BY name").all()
    tables = sa.inspect(connection).get_table_names()
    return [(name, " ".join(sql.split())) for name, sql in rows] + [
        (name, str(connection.exec_driver_sql(f'SELECT * FROM "{name}"').all())) for name in tables
    ]


def test_a_file_that_holds_tables_of_others_is_left_to_the_migrations(tmp_path: Path) -> None:
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
