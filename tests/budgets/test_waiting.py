"""Clients that are waited for within a request leave room too: bodies that are sent slowly, or never."""

from __future__ import annotations

import socket
from contextlib import ExitStack

import pytest

from tests.budgets.test_connections import connected, lines
from tests.portal.house import House
from tests.smuggling.cases import head

pytestmark = pytest.mark.whole

CONNECTIONS = 60
BODY = b'{"apikey": "ge_x", "username": "x", "password": "x", "name": "x"}'


def begun(house: House, stack: ExitStack, route: str, *fields: str) -> socket.socket:
    """A request whose body the engine waits for: it has asked for it."""
    connection = connected(house, stack)
    length = f"Content-Length: {len(BODY)}"
    connection.sendall(
        head(
            f"POST {route} HTTP/1.1",
            "Content-Type: application/json",
            "Expect: 100-continue",
            length,
            *fields,
        )
    )
    assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
    return connection


@pytest.mark.parametrize("route", ["/rest/session", "/rest/authenticate"])
def test_bodies_that_strangers_do_not_send_shut_nobody_out(house: House, route: str) -> None:
    with ExitStack() as stack:
        held = [begun(house, stack, route) for _ in range(CONNECTIONS)]
        for _ in range(3):
            assert house.ask("GET", "/executions").status == 200
        assert held[0].recv(1000).startswith(b"HTTP/1.1 503 ")
        held[-1].sendall(BODY)
        assert held[-1].recv(1000).startswith(b"HTTP/1.1 401 ")
    assert len(lines(house, "clients that are waited for")) == 1


def test_bodies_that_one_account_does_not_send_shut_nobody_out(house: House) -> None:
    with ExitStack() as stack:
        stranger = begun(house, stack, "/rest/session")
        key = f"apikey: {house.keys['bob']}"
        held = [begun(house, stack, "/rest/executions", key) for _ in range(CONNECTIONS - 1)]
        for _ in range(3):
            assert house.ask("GET", "/executions").status == 200
        assert held[0].recv(1000).startswith(b"HTTP/1.1 503 ")
        stranger.sendall(BODY)
        assert stranger.recv(1000).startswith(b"HTTP/1.1 401 ")
