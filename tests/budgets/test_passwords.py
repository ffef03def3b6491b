"""Guessers of passwords make nobody wait but themselves, and lock nobody out who knows one."""

from __future__ import annotations

import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.portal.house import Answer, House

pytestmark = pytest.mark.whole

PASSWORD = "correct horse battery"
GUESSERS = 12


@pytest.fixture(scope="module")
def known(house: House) -> House:
    """The portal, with passwords for ann and for the service."""
    for name in ("ann", "watcher"):
        path = house.desk.directory / "password"
        path.write_text(PASSWORD)
        with path.open() as file:
            house.desk.ok("user", "password", name, stdin=file, variables=dict(house.variables))
    return house


def log_in(house: House, name: str, password: str, **headers: str) -> Answer:
    fields = {"username": name, "password": password}
    return house.ask("POST", "/authenticate", fields, user="", headers=headers)


def basic(house: House, name: str, password: str) -> Answer:
    shown = b64encode(f"{name}:{password}".encode()).decode()
    return house.ask("GET", "/status/none", user="", raw=True, Authorization=f"Basic {shown}")


@contextmanager
def guessers(house: House, name: str) -> Iterator[list[int]]:
    """People who guess until the end of the block; gives what they are answered."""
    over, told = threading.Event(), []

    def guess(number: int) -> None:
        tried = 0
        while not over.is_set():
            tried += 1
            told.append(log_in(house, name or f"nobody-{number}-{tried}", f"{number} {tried}").status)

    threads = [threading.Thread(target=guess, args=(number,)) for number in range(GUESSERS)]
    for one in threads:
        one.start()
    try:
        yield told
    finally:
        over.set()
        for one in threads:
            one.join()


@pytest.mark.parametrize(
    "name", ["ann", "watcher", ""], ids=["one name", "the service", "other names each time"]
)
def test_whoever_knows_a_password_is_let_in_while_others_guess(known: House, name: str) -> None:
    with guessers(known, name) as told:
        while len(told) < GUESSERS:
            assert known.ask("GET", "/executions").status == 200
        assert log_in(known, "ann", PASSWORD).status == 200
        assert basic(known, "watcher", PASSWORD).status == 200
    assert set(told) <= {401, 429}


def test_an_address_that_is_only_said_is_not_believed(known: House) -> None:
    told = [
        log_in(known, "carl", f"wrong {number}", X_Forwarded_For=f"192.0.2.{number}") for number in range(30)
    ]
    assert told[0].status == 401
    assert told[-1].status == 429  # all of them came from one address
    assert int(told[-1].headers["retry-after"]) > 0


def test_forty_wrong_keys_from_invented_addresses_come_from_one(known: House) -> None:
    told = [
        known.ask("GET", "/executions", user="", apikey=f"ge_{n}", X_Forwarded_For=f"192.0.2.{n}")
        for n in range(40)
    ]
    assert told[-1].status == 429
    assert known.ask("GET", "/executions").status == 200
