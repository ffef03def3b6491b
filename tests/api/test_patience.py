"""Clients that are slow on purpose: what they have begun must go on, or they are left."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from engine.api.asgi import Message, Receive, Reply, Send, answer
from engine.api.server import HttpServer

STALL = 2.0
Heard = list[str]


@pytest.fixture
def heard() -> Heard:
    """What the application was told, in order."""
    return []


@pytest.fixture
def server(heard: Heard) -> Iterator[HttpServer]:
    """Answers with the bytes of the body; `/slow` after more than its own patience."""

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            heard.append(message["type"])
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if scope["path"] == "/slow":
            await asyncio.sleep(2 * STALL)
        await answer(send, Reply(200, {}, body))

    server = HttpServer(app, "127.0.0.1:0", STALL)
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
        while piece := connection.recv(1000):
            found += piece
    connection.close()
    return found


def send_slowly(connection: socket.socket, text: bytes, pause: float) -> None:
    with suppress(ConnectionError):
        for byte in text:
            connection.sendall(bytes([byte]))
            time.sleep(pause)


def test_headers_that_come_byte_by_byte_are_not_waited_for(server: HttpServer) -> None:
    connection = connected(server)
    send_slowly(connection, b"GET / HTTP/1.1\r\nX: " + b"y" * 60, 0.1)
    told = the_rest(connection)
    assert told.startswith(b"HTTP/1.1 408 ") or told == b""  # a late byte may be answered by a reset
    other = connected(server)
    other.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert the_rest(other).startswith(b"HTTP/1.1 200 ")


def test_headers_that_are_never_finished_are_answered_with_408(server: HttpServer) -> None:
    connection = connected(server)
    connection.sendall(b"GET / HTTP/1.1\r\nX: y")
    told = the_rest(connection)
    assert told.startswith(b"HTTP/1.1 408 ")
    assert b'{"errorCode": 8000, "errorMessage": ' in told


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"\r\n" * 5])
def test_a_connection_that_asks_nothing_is_closed(server: HttpServer, sent: bytes) -> None:
    connection = connected(server)
    connection.sendall(sent)
    the_rest(connection)


def test_a_second_request_is_waited_for_no_longer_than_the_first(server: HttpServer) -> None:
    connection = connected(server)
    connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
    connection.sendall(b"GET / HT")
    assert b"408" in the_rest(connection)


def test_a_body_that_stalls_is_given_up(server: HttpServer, heard: Heard) -> None:
    connection = connected(server)
    connection.sendall(b"PUT / HTTP/1.1\r\nContent-Length: 100\r\n\r\n0123456789")
    assert the_rest(connection).startswith(b"HTTP/1.1 408 ")
    while "http.disconnect" not in heard:
        time.sleep(0.02)


def test_a_body_that_is_slow_but_keeps_coming_is_taken(server: HttpServer) -> None:
    connection = connected(server)
    connection.sendall(b"PUT / HTTP/1.1\r\nConnection: close\r\nContent-Length: 12\r\n\r\n")
    send_slowly(connection, b"0123456789ab", STALL / 8)
    told = the_rest(connection)
    assert told.startswith(b"HTTP/1.1 200 ")
    assert told.endswith(b"0123456789ab")


def test_a_client_waits_for_a_slow_answer_as_long_as_it_likes(server: HttpServer) -> None:
    connection = connected(server)
    connection.sendall(b"GET /slow HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert the_rest(connection).startswith(b"HTTP/1.1 200 ")
