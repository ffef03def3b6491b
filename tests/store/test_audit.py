"""The audit trail: every alteration is found."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa

from engine.app.access.key import Key
from engine.app.portal.audit import START, AuditTrail
from engine.store import audit as store
from engine.store.audit import Head
from engine.store.database import Database
from engine.store.schema import audit, audit_head
from engine.testing.clock import FakeClock

KEY = Key(b"k" * 32)


def a_trail(db: Database, lines: int = 5) -> AuditTrail:
    trail = AuditTrail(db, lambda: KEY, FakeClock())
    for number in range(lines):
        trail.record("account", "launch", f"line {number}", data=trail.data_ids(["/vip/Home/x"]))
    return trail


def test_a_trail_that_nobody_touched_is_whole(db: Database) -> None:
    trail = a_trail(db)
    assert list(trail.problems()) == []
    assert trail.head().number == 5
    assert list(AuditTrail(db, lambda: KEY, FakeClock()).problems([trail.head()])) == []


def test_an_empty_trail_is_whole(db: Database) -> None:
    assert list(a_trail(db, 0).problems()) == []


@pytest.mark.parametrize(
    "values",
    [
        {"status": "other"},
        {"account_id": "somebody"},
        {"at": 1.0},
        {"data": "[]"},
        {"data": "not JSON"},
        {"data": "5"},
        {"data": "null"},
        {"data": "true"},
        {"data": '{"a": 1}'},
        {"data": "[1]"},
        {"data": "NaN"},
        {"execution_id": "x"},
        {"pipeline": "x"},
        {"descriptor_sha256": "x"},
        {"action": "kill"},
        {"sha256": "0" * 64},
    ],
)
@pytest.mark.parametrize("number", [1, 3, 5])
def test_an_altered_line_is_found(db: Database, values: dict[str, object], number: int) -> None:
    trail = a_trail(db)
    with db.write() as connection:
        connection.execute(sa.update(audit).where(audit.c.number == number).values(**values))
    assert list(trail.problems())


@pytest.mark.parametrize("number", [1, 3, 5])
def test_a_removed_line_is_found(db: Database, number: int) -> None:
    trail = a_trail(db)
    with db.write() as connection:
        connection.execute(sa.delete(audit).where(audit.c.number == number))
    assert list(trail.problems())


@pytest.mark.parametrize("most", [1, 2, 3, 5])
@pytest.mark.parametrize("altered", [0, 2, 3, 5])
def test_a_part_at_a_time_finds_what_the_whole_finds(db: Database, most: int, altered: int) -> None:
    trail = a_trail(db)
    anchors = [Head(number, "0" * 64) for number in (3, 4, 7)]
    with db.write() as connection:
        connection.execute(sa.delete(audit).where(audit.c.number == altered))
    found, at = trail.problems_after(START, anchors, most)
    while at is not None:
        more, at = trail.problems_after(at, anchors, most)
        found += more
    assert sorted(found) == sorted(trail.problems(anchors))
    assert len(found) == (4 if altered else 3)


def test_a_part_that_begins_with_another_line_than_was_told_is_found(db: Database) -> None:
    trail = a_trail(db)
    assert trail.problems_after(Head(2, "0" * 64), [])[0]


def test_lines_that_changed_places_are_found(db: Database) -> None:
    trail = a_trail(db)
    with db.write() as connection:
        for old, new in ((2, 99), (3, 2), (99, 3)):
            connection.execute(sa.update(audit).where(audit.c.number == old).values(number=new))
    assert list(trail.problems())


def test_a_trail_that_was_written_anew_with_its_head_does_not_fit_an_exported_one(db: Database) -> None:
    trail = a_trail(db)
    anchor = trail.head()
    with db.write() as connection:
        connection.execute(sa.delete(audit))
        connection.execute(sa.update(audit_head).values(number=0, sha256=store.START))
    a_trail(db, 4)
    assert list(trail.problems()) == []
    assert list(trail.problems([anchor])) == ["line 5 of an exported head is missing"]
    a_trail(db, 1)
    assert list(trail.problems([anchor])) == ["line 5 is not that of the exported head"]
    assert list(trail.problems([Head(0, store.START)])) == []


def test_many_may_write_at_once(db: Database) -> None:
    trail = a_trail(db, 0)

    def write() -> None:
        for _ in range(5):
            trail.record("account", "launch", "running")

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(trail.problems()) == []
    assert trail.head().number == 20


def test_names_of_data_are_told_by_keyed_hashes_that_others_cannot_make() -> None:
    ours = AuditTrail.__new__(AuditTrail)
    ours._key = lambda: KEY
    theirs = AuditTrail.__new__(AuditTrail)
    theirs._key = lambda: Key(b"o" * 32)
    assert ours.data_ids(["x", "x"]) == ours.data_ids(["x"])
    assert ours.data_ids(["x"]) != theirs.data_ids(["x"])
