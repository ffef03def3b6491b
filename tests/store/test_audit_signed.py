"""Somebody who can write the database, and has not the key: what the signed heads outside of it show."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.app.access.key import Key
from engine.app.access.signature import is_signed
from engine.app.portal.audit import AuditTrail
from engine.app.portal.heads import HeadExporter
from engine.store import audit as store
from engine.store.audit import AuditRecord, Head
from engine.store.database import Database
from engine.store.schema import audit, audit_head
from engine.testing.clock import FakeClock
from tests.store.samples import BACK_TO_0013

KEY, ANOTHER = Key(b"k" * 32), Key(b"o" * 32)


@pytest.fixture
def heads(tmp_path: Path) -> Path:
    return tmp_path / "state" / "heads"


def a_trail(db: Database, heads: Path | None, key: Key = KEY) -> AuditTrail:
    return AuditTrail(db, lambda: key, FakeClock(), HeadExporter([str(heads)] if heads else []))


def filled(db: Database, heads: Path | None) -> AuditTrail:
    trail = a_trail(db, heads)
    for number in range(5):
        trail.record("account", "launch", f"line {number}")
    assert list(trail.problems()) == []
    return trail


def _shorter(db: Database) -> None:
    """The last lines go, and the head with them."""
    with db.write() as connection:
        connection.execute(sa.delete(audit).where(audit.c.number > 3))
        sha256 = connection.execute(sa.select(audit.c.sha256).where(audit.c.number == 3)).scalar_one()
        connection.execute(sa.update(audit_head).values(number=3, sha256=sha256))


def _nothing(db: Database) -> None:
    with db.write() as connection:
        connection.execute(sa.delete(audit))
        connection.execute(sa.delete(audit_head))


def _anew(db: Database, signature: str | None = None) -> None:
    """A line is altered and all hashes from there on are computed anew."""
    with db.write() as connection:
        connection.execute(sa.update(audit).where(audit.c.number == 2).values(account_id="somebody"))
        before = store.START
        for line in list(store.lines(connection)):
            before = store.digest(before, line.number, line.record)
            connection.execute(sa.update(audit).where(audit.c.number == line.number).values(sha256=before))
        values = {"sha256": before} | ({} if signature is None else {"signature": signature})
        connection.execute(sa.update(audit_head).values(**values))


def _anew_and_unsigned(db: Database) -> None:
    _anew(db, "")


def _anew_with_a_migration_line(db: Database) -> None:
    with db.write() as connection:
        connection.execute(sa.update(audit).where(audit.c.number == 5).values(action=store.MIGRATED))
    _anew(db, "")


def _shorter_with_the_head_of_then(db: Database) -> None:
    """Its signature was copied when it was the head."""
    _shorter(db)
    trail = AuditTrail(db, lambda: KEY, FakeClock())
    with db.write() as connection:
        current = store.head(connection)
        made = Head(current.number, current.sha256)
        connection.execute(sa.update(audit_head).values(signature=trail._signer.sign(made.signed_text)))


@pytest.mark.parametrize(
    "alter",
    [
        _shorter,
        _nothing,
        _anew,
        _anew_and_unsigned,
        _anew_with_a_migration_line,
        _shorter_with_the_head_of_then,
    ],
)
def test_whatever_is_done_to_the_database_alone_is_found(
    db: Database, heads: Path, alter: Callable[[Database], None]
) -> None:
    trail = filled(db, heads)
    alter(db)
    assert list(trail.problems()), alter.__doc__


@pytest.mark.parametrize("alter", [_shorter, _anew, _anew_and_unsigned])
def test_a_head_that_the_key_did_not_sign_is_found_without_any_file(
    db: Database, alter: Callable[[Database], None]
) -> None:
    trail = filled(db, None)
    alter(db)
    assert list(trail.problems())


def test_an_outsider_checks_lines_and_head_without_any_secret(db: Database) -> None:
    told, before = filled(db, None).published_head(), store.START
    with db.read() as connection:
        for line in store.lines(connection):
            before = store.digest(before, line.number, line.record)
    assert before == told["sha256"]
    assert is_signed(f"audit head 5 {before}", told["signature"], told["public_key"])
    assert not is_signed(f"audit head 4 {before}", told["signature"], told["public_key"])


def test_heads_of_another_key_are_named(db: Database, heads: Path) -> None:
    filled(db, heads)
    assert list(a_trail(db, heads, ANOTHER).problems())
    exported = Head(2, "0" * 64, "bm9uZQ==")
    [first, *_] = a_trail(db, None).problems([exported])
    assert "not signed" in first


def test_a_line_of_the_file_that_is_no_head_is_named(db: Database, heads: Path) -> None:
    trail = filled(db, heads)
    with heads.open("a") as file:
        file.write("junk\n")
    assert any(f"{heads}, line 6" in problem for problem in trail.problems())


def test_nothing_is_written_outside_of_what_is_not_committed(db: Database, heads: Path) -> None:
    trail = filled(db, heads)
    with pytest.raises(ZeroDivisionError), db.write() as connection:
        trail.append(connection, [trail.entry("account", "launch", "never")])
        raise ZeroDivisionError
    assert [json.loads(line)["number"] for line in heads.read_text().splitlines()] == [1, 2, 3, 4, 5]
    assert heads.stat().st_mode & 0o777 == 0o600
    assert list(trail.problems()) == []


def test_a_place_that_cannot_be_written_stops_nobody(db: Database, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    trail = AuditTrail(
        db, lambda: KEY, FakeClock(), HeadExporter([str(tmp_path / "file" / "heads"), "syslog"])
    )
    trail.record("account", "launch", "running")
    assert trail.head().number == 1


# --- trails of older engines ----------------------------------------------------------------------


_BACK_TO_0009 = (
    *BACK_TO_0013,
    "DROP TABLE proposal",
    'DROP TABLE "usage"',
    "ALTER TABLE membership DROP COLUMN issuer",
    "ALTER TABLE account DROP COLUMN groups_told_at",
    "DROP INDEX ix_submission_native_id",
    "ALTER TABLE audit_head DROP COLUMN signature",
    "ALTER TABLE launch DROP COLUMN address",
    "ALTER TABLE account DROP COLUMN revoked_at",
    "ALTER TABLE account DROP COLUMN session_secret",
    "UPDATE alembic_version SET version_num = '0009'",
)
"""What undoes the migrations since then."""


@pytest.fixture
def old(url: str) -> sa.Engine:
    """A database as an engine made it that signed no heads, with three lines and two accounts."""
    Database(url).close()
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in _BACK_TO_0009:
            connection.execute(sa.text(statement))
        before = store.START
        for number in (1, 2, 3):
            deed = AuditRecord(number + 0.5, "account", "launch", "running", data=("x",))
            before = store.digest(before, number, deed)
            values = {
                "number": number,
                "at": deed.at,
                "account_id": deed.account_id,
                "action": deed.action,
                "status": deed.status,
                "data": '["x"]',
                "sha256": before,
            }
            connection.execute(sa.insert(audit).values(**values))
        connection.execute(
            sa.text("INSERT INTO audit_head (id, number, sha256) VALUES (1, 3, :s)"), {"s": before}
        )
        for name in ("ann", "bob"):
            connection.execute(
                sa.text(
                    "INSERT INTO account (id, name, role, created_at, password) "
                    "VALUES (:n, :n, 'user', 0, 'x')"
                ),
                {"n": name},
            )
    engine.dispose()
    return engine


def test_an_old_trail_is_verified_up_to_its_migration_line_and_signed_from_there(
    old: sa.Engine, url: str, heads: Path
) -> None:
    db = Database(url)
    trail = a_trail(db, heads)
    assert list(trail.problems()) == []
    assert (trail.head().number, trail.published_head()["unsigned"]) == (4, 4)
    trail.record("account", "launch", "running")
    assert list(trail.problems()) == []
    assert trail.head().signature
    db.close()


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_an_altered_line_of_an_old_trail_is_found(old: sa.Engine, url: str, number: int) -> None:
    db = Database(url)
    with db.write() as connection:
        connection.execute(sa.update(audit).where(audit.c.number == number).values(account_id="somebody"))
    assert list(a_trail(db, None).problems())
    db.close()


def test_each_account_of_an_older_engine_has_a_secret_of_its_own(old: sa.Engine, url: str) -> None:
    db = Database(url)
    with db.read() as connection:
        secrets = set(connection.execute(sa.text("SELECT session_secret FROM account")).scalars())
    assert len(secrets) == 2
    assert all(len(secret) == 64 for secret in secrets)
    db.close()
