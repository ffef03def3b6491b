"""A copy of the whole database: made, put back, checked."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.app.access.key import Key
from engine.app.database import DatabaseAdministration
from engine.app.portal.audit import AuditTrail
from engine.app.portal.heads import HeadExporter
from engine.errors import BadRequest, Unavailable
from engine.store import backup, consistency, lease, space
from engine.store.database import Database
from engine.store.schema import audit, audit_head, execution, tally
from engine.testing.clock import FakeClock
from tests.store.samples import an_execution

NOW = 1000.0


@pytest.fixture
def trail(db: Database, tmp_path: Path) -> AuditTrail:
    """An audit trail whose heads are in a file, too."""
    return AuditTrail(db, lambda: Key(b"k" * 32), FakeClock(), HeadExporter([str(tmp_path / "heads")]))


def put_back(db: Database, trail: AuditTrail, copy: Path) -> Path:
    ours = DatabaseAdministration(db, trail, FakeClock(), "local:0", holder="us", is_dead=lambda _: False)
    return ours.restore(copy).kept


def executions(db: Database) -> int:
    with db.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(execution)).scalar_one())


def problems(db: Database) -> list[str]:
    with db.read() as connection:
        return list(consistency.problems(connection))


def test_a_copy_that_is_put_back_brings_what_was_then_and_the_trail_is_whole(
    db: Database, trail: AuditTrail, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    an_execution(db, 3)
    trail.record("account", "launch", "before")
    before = trail.head()
    assert backup.make(db, copy) == copy.stat().st_size
    assert copy.stat().st_mode & 0o077 == 0
    an_execution(db, 2)
    for n in range(3):
        trail.record("account", "launch", f"after {n}")
    after = trail.head()
    kept = put_back(db, trail, copy)
    assert executions(db) == 1
    assert problems(db) == []
    assert list(trail.problems([before, after])) == []
    assert [line["action"] for line in trail.lines(1)] == ["db.restore"]
    trail.record("account", "launch", "again")
    assert list(trail.problems([before, after])) == []
    with db.write() as connection:  # whoever takes lines away afterwards is found, as ever
        connection.execute(sa.delete(audit).where(audit.c.number == 3))
        sha256 = connection.execute(sa.select(audit.c.sha256).where(audit.c.number == 2)).scalar_one()
        connection.execute(sa.update(audit_head).values(number=2, sha256=sha256))
    assert list(trail.problems())
    put_back(db, trail, kept)
    assert executions(db) == 2
    assert list(trail.problems([before, after])) == []


def test_an_engine_at_work_is_not_taken_its_database_away(
    db: Database, trail: AuditTrail, tmp_path: Path
) -> None:
    backup.make(db, tmp_path / "copy")
    held = lease.acquire(db, "host:17:1:x:y", now=FakeClock().now(), seconds=30)
    with pytest.raises(Unavailable, match="process 17 of host"):
        put_back(db, trail, tmp_path / "copy")
    assert lease.current(db) == held
    assert list(trail.lines()) == []


def test_an_engine_of_before_cannot_write_into_what_was_put_back(
    db: Database, trail: AuditTrail, tmp_path: Path
) -> None:
    backup.make(db, tmp_path / "copy")
    held = lease.acquire(db, "frozen", now=0.0, seconds=30)
    assert held is not None
    put_back(db, trail, tmp_path / "copy")
    with pytest.raises(lease.LeaseLost), lease.fenced(db, held, until=NOW):
        pass


def test_what_is_no_copy_is_refused_and_nothing_changed(
    db: Database, trail: AuditTrail, tmp_path: Path
) -> None:
    an_execution(db, 3)
    for content in (b"", b"SQLite format 3\0" + b"x" * 5000, b"PGDMP" + b"x" * 5000, b"text"):
        (tmp_path / "copy").write_bytes(content)
        with pytest.raises((BadRequest, Unavailable)):
            put_back(db, trail, tmp_path / "copy")
    assert executions(db) == 1
    held = lease.current(db)
    assert held is None or held.until <= FakeClock().now()


def test_a_copy_never_replaces_a_file(db: Database, tmp_path: Path) -> None:
    (tmp_path / "copy").write_text("mine")
    with pytest.raises(BadRequest, match="exists already"):
        backup.make(db, tmp_path / "copy")
    assert [path.name for path in tmp_path.glob("*copy*")] == ["copy"]
    assert (tmp_path / "copy").read_text() == "mine"


def test_counters_that_are_not_those_of_the_rows_are_named(db: Database) -> None:
    id_ = an_execution(db, 3).id
    assert problems(db) == []
    with db.write() as connection:
        connection.execute(sa.update(tally).where(tally.c.state == "ready").values(jobs=7))
    assert problems(db) == [f"execution {id_}: 7 jobs count as ready, and 3 are"]


def test_what_was_removed_is_given_back_to_the_disk(db: Database) -> None:
    with db.write() as connection:
        trails = [{"number": n, "at": 0.0, "account_id": "", "action": "x" * 32, "status": "y" * 32,
                   "sha256": "z" * 64} for n in range(1, 20_001)]  # fmt: skip
        connection.execute(sa.insert(audit), trails)
    with db.write() as connection:
        connection.execute(sa.delete(audit))
    before = space.size(db)
    space.vacuum(db)
    assert space.size(db) < before - 2_000_000
    assert executions(db) == 0
