"""Clients that are slow on purpose: what they have begun must go on, or they are left."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from engine.api.asgi import Message, Receive, Reply, Send, answer, begin
from engine.api.server import HttpServer

pytestmark = pytest.mark.whole

STALL = 2.0
LEAST = 1
LARGE, PIECE = 32 << 20, 1 << 20
"""More than the system keeps for a client that does not read."""
Heard = list[str]


@pytest.fixture
def heard() -> Heard:
    """What the application was told, in order."""
    return []


@pytest.fixture
def refused() -> list[int]:
    """What was refused before it was a request."""
    return []


@pytest.fixture
def server(heard: Heard, refused: list[int]) -> Iterator[HttpServer]:
    """Answers with the bytes of the body; `/slow` after more than its own patience; `/large` with much."""

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        try:
            await answered(scope, receive, send)
        finally:
            heard.append("over")

    async def answered(scope: Message, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            heard.append(message["type"])
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if scope["path"] == "/frozen":
            heard.append("frozen")
            time.sleep(1.5 * STALL)  # of the loop itself
        if scope["path"] == "/slow":
            await asyncio.sleep(2 * STALL)
        if scope["path"] == "/large":
            await begin(send, 200, {"Content-Length": str(LARGE)})
            for at in range(0, LARGE, PIECE):
                last = at + PIECE == LARGE
                await send({"type": "http.response.body", "body": bytes(PIECE), "more_body": not last})
        else:
            await answer(send, Reply(200, {}, body))

    server = HttpServer(app, "127.0.0.1:0", STALL, LEAST, lambda client, status: refused.append(status))
    server.start()
    yield server
    server.stop()


def connected(server: HttpServer) -> socket.socket:
    host, _, port = urlsplit(server.url).netloc.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=60)


def the_rest(connection: socket.socket) -> bytes:
    """All that comes until the server closes."""
    found = b""
    with suppress(ConnectionError):
        while piece := connection.recv(1 << 16):
            found += piece
    connection.close()
    return found


def send_slowly(connection: socket.socket, text: bytes, pause: float, size: int = 1) -> None:
    with suppress(ConnectionError):
        for at in range(0, len(text), size):
            connection.sendall(text[at : at + size])
            time.sleep(pause)


def test_headers_that_come_byte_by_byte_are_not_waited_for(server: HttpServer) -> None:
    connection = connected(server)
    send_slowly(connection, b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 60, 0.1)
    told = the_rest(connection)
    assert told.startswith(b"HTTP/1.1 408 ") or told == b""  # a late byte may be answered by a reset
    other = connected(server)
    other.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert the_rest(other).startswith(b"HTTP/1.1 200 ")


def test_headers_that_are_never_finished_are_answered_with_408(
    server: HttpServer, refused: list[int]
) -> None:
    connection = connected(server)
    connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: y")
    told = the_rest(connection)
    assert told.startswith(b"HTTP/1.1 408 ")
    assert b'{"errorCode": 8000, "errorMessage": ' in told
    assert refused == [408]


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"\r\n" * 5])
def test_a_connection_that_asks_nothing_is_closed(
    server: HttpServer, refused: list[int], sent: bytes
) -> None:
    connection = connected(server)
    connection.sendall(sent)
    the_rest(connection)
    assert not refused


def test_a_second_request_is_waited_for_no_longer_than_the_first(server: HttpServer) -> None:
    connection = connected(server)
    connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
    connection.sendall(b"GET / HT")
    assert b"408" in the_rest(connection)


def test_a_body_that_stalls_is_given_up(server: HttpServer, heard: Heard) -> None:
    connection = connected(server)
    connection.sendall(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n0123456789")
    assert the_rest(connection).startswith(b"HTTP/1.1 408 ")
    while "http.disconnect" not in heard:
        time.sleep(0.02)


def test_a_body_that_is_slow_but_keeps_coming_is_taken(server: HttpServer) -> None:
    connection = connected(server)
    connection.sendall(b"PUT / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 120\r\n\r\n")
    send_slowly(connection, b"0123456789" * 12, STALL / 8, size=10)
    told = the_rest(connection)
    assert told.startswith(b"HTTP/1.1 200 ")
    assert told.endswith(b"0123456789" * 12)


def test_a_body_that_trickles_is_given_up(server: HttpServer, heard: Heard, refused: list[int]) -> None:
    connection = connected(server)
    connection.sendall(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
    send_slowly(connection, b"x" * 100, STALL * 0.6)  # something in every `STALL`, and less than `LEAST`
    told = the_rest(connection)
    assert told.startswith(b"HTTP/1.1 408 ") or told == b""
    assert "http.disconnect" in heard
    assert not refused  # it was a request: the application knows of it


def test_an_answer_that_is_not_taken_is_given_up(server: HttpServer, heard: Heard) -> None:
    connection = connected(server)
    connection.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
    while "over" not in heard:  # the connection has ended, or it would still wait
        time.sleep(0.02)
    assert len(the_rest(connection)) < LARGE


def test_a_large_answer_is_given_to_whoever_takes_it_slowly(server: HttpServer, heard: Heard) -> None:
    connection = connected(server)
    connection.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    found = 0
    for _ in range(16):
        time.sleep(STALL / 8)
        found += len(connection.recv(1 << 20))
    found += len(the_rest(connection))
    assert found > LARGE


def test_what_is_no_http_is_refused(server: HttpServer) -> None:
    connection = connected(server)
    connection.sendall(b"SSH-2.0-x\r\n\r\n")
    assert the_rest(connection).startswith(b"HTTP/1.1 400 ")


def test_a_client_waits_for_a_slow_answer_as_long_as_it_likes(server: HttpServer) -> None:
    connection = connected(server)
    connection.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert the_rest(connection).startswith(b"HTTP/1.1 200 ")


def test_a_second_request_that_began_with_the_first_is_waited_for_no_longer(server: HttpServer) -> None:
    connection = connected(server)
    connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nG")
    assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
    connection.sendall(b"E")
    assert b"HTTP/1.1 408 " in the_rest(connection)


def test_a_body_of_a_second_request_that_stalls_is_given_up(server: HttpServer) -> None:
    connection = connected(server)
    first = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    connection.sendall(first + b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n0123456789")
    told = the_rest(connection)
    assert told.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 408 " in told


@pytest.mark.parametrize(
    "second", [b"GET / HT", b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx"]
)
def test_an_answer_is_not_disturbed_by_a_second_request_that_stalls(
    server: HttpServer, second: bytes
) -> None:
    connection = connected(server)
    connection.sendall(b"PUT /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nanswer" + second)
    assert the_rest(connection).partition(b"HTTP/1.1 408 ")[0].endswith(b"answer")


def test_what_came_while_the_server_stood_still_is_in_time(server: HttpServer, heard: Heard) -> None:
    connection, other = connected(server), connected(server)
    connection.sendall(b"PUT / HT")
    other.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert other.recv(1000).startswith(b"HTTP/1.1 200 ")  # what came before it is read
    other.sendall(b"GET /frozen HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    while "frozen" not in heard:
        time.sleep(0.02)
    connection.sendall(b"TP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\nlate")
    assert the_rest(connection).endswith(b"late")
    assert the_rest(other).startswith(b"HTTP/1.1 200 ")
