"""Passwords of whoever knows them, among very many guesses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.api.passwords import Passwords
from engine.app.access.key import Key
from engine.app.portal.administration import Administration
from engine.app.portal.audit import AuditTrail
from engine.app.portal.carmin import CarminError
from engine.app.portal.failures import Failures
from engine.app.portal.users import Users
from engine.clock import SystemClock
from engine.store.database import Database

pytestmark = pytest.mark.whole

KEY = Key(b"k" * 32)
PASSWORD = "correct horse battery"


@pytest.fixture
def users(tmp_path: Path) -> Iterator[Users]:
    db, clock = Database(f"sqlite:///{tmp_path / 'engine.db'}"), SystemClock()
    trail = AuditTrail(db, lambda: KEY, clock)
    administration = Administration(db, trail, clock, "local:0")
    administration.add_user("ann")
    administration.change_user("ann", password=PASSWORD)
    yield Users(db, lambda: KEY, clock, trail)
    db.close()


def of(users: Users, waiting: int, known: int = 100) -> Passwords:
    clock = SystemClock()
    return Passwords(users, Failures(3, clock), clock, waiting=waiting, known=known)


async def tried(passwords: Passwords, name: str, password: str, address: str) -> bool | int:
    try:
        return await passwords.account(name, password, address) is not None
    except CarminError as refused:
        return refused.status


@pytest.mark.parametrize(("waiting", "answer"), [(12, True), (9, 429)])
def test_whoever_logs_in_first_while_others_guess_has_to_wait_as_long_as_there_is_room(
    users: Users, waiting: int, answer: bool | int
) -> None:
    passwords = of(users, waiting)

    async def main() -> bool | int:
        guesses = [
            asyncio.create_task(tried(passwords, f"n{number}", "wrong", f"198.51.100.{number}"))
            for number in range(10)
        ]
        while passwords.waiting < 9:  # one has its turn
            await asyncio.sleep(0.01)
        found = await tried(passwords, "ann", PASSWORD, "192.0.2.1")
        await asyncio.gather(*guesses)
        return found

    assert asyncio.run(main()) == answer
    passwords.close()


def test_a_password_that_was_right_is_known_whatever_is_guessed_later(users: Users) -> None:
    passwords = of(users, waiting=1, known=3)

    async def main() -> list[bool | int]:
        assert await tried(passwords, "ann", PASSWORD, "192.0.2.1") is True
        for number in range(5):
            await tried(passwords, "ann", f"wrong {number}", "192.0.2.1")
        others = [asyncio.create_task(tried(passwords, f"n{n}", "x", f"198.51.100.{n}")) for n in range(3)]
        found = await tried(passwords, "ann", PASSWORD, "192.0.2.1")  # there is no turn left to wait for
        return [found, *await asyncio.gather(*others)]

    assert asyncio.run(main())[0] is True
    passwords.close()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1:2:3", True),
        ("2001:db8:0:0:ffff::", "2001:DB8::1%eth0", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("no address", "another", False),
    ],
)
def test_addresses_of_one_network_are_one_stranger(one: str, other: str, same: bool) -> None:
    failures = Failures(3, SystemClock())
    for _ in range(3):
        failures.add(one)
        failures.add(one, "ann")
    assert failures.too_many(one)
    assert failures.too_many(other) is same
    assert failures.too_many(other, "ann") is same
    assert failures.count(other) == (3 if same else 0)
    assert not failures.too_many(one, "bob")
