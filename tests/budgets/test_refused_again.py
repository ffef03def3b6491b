"""Whoever is refused again and again is refused slowly; who shows a right key does not wait behind them."""

from __future__ import annotations

import select
import socket
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from engine.api.carmin.guard import REFUSALS
from tests.portal.house import House
from tests.smuggling.cases import head

pytestmark = pytest.mark.whole

REFUSED = {
    "no key": [],
    "a wrong key": ["apikey: x"],
    "a token of nobody": ["Authorization: Bearer x"],
    "a password": ["Authorization: Basic eDp5"],
}


@pytest.fixture(scope="module")
def refused(house: House) -> House:
    """A portal that has refused what this machine sent many times."""
    for _ in range(REFUSALS):
        assert house.ask("GET", "/executions", user="").status == 401
    return house


@pytest.mark.parametrize("shown", REFUSED.values(), ids=REFUSED)
def test_a_refusal_comes_after_answers_to_later_requests_with_a_right_key(
    refused: House, shown: list[str]
) -> None:
    host, _, port = urlsplit(refused.url).netloc.rpartition(":")
    with ExitStack() as stack:
        connection = stack.enter_context(socket.create_connection((host, int(port)), timeout=60))
        connection.sendall(head("GET /rest/executions HTTP/1.1", *shown))
        assert refused.ask("GET", "/executions").status == 200
        assert refused.ask("GET", "/platform", user="").status == 200
        assert not select.select([connection], [], [], 0)[0]
        assert connection.recv(100).startswith((b"HTTP/1.1 401 ", b"HTTP/1.1 429 "))
