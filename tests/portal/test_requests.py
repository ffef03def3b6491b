"""Requests of the Python client whose answers are late, or lost: what is repeated, and what is not."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from engine.client import Client
from engine.errors import Unavailable
from engine.testing.clock import FakeClock

pytestmark = pytest.mark.whole

Act = Callable[[], bytes]
MD5_OF_X = "9dd4e461268c8034f5c8564e155c67a6"


def answer(document: str, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(document)}\r\n\r\n{document}".encode()


@contextmanager
def scripted(*acts: Act) -> Iterator[tuple[str, list[str]]]:
    """A daemon that answers its requests so, one after the other; nothing: it closes the connection. Gives
    its URL, and the request lines that came.
    """
    came: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            left = list(acts)
            while left:
                connection, _ = server.accept()
                with suppress(ConnectionError), connection, connection.makefile("rb") as file:
                    while left and (told := _request(file)):
                        came.append(told)
                        if not (said := left.pop(0)()):
                            break
                        connection.sendall(said)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", came
        thread.join()


def _request(file: Any) -> str:
    line = file.readline().decode().rsplit(" ", 1)[0]
    size = 0
    while header := file.readline().strip():
        name, _, value = header.partition(b":")
        size = int(value) if name.lower() == b"content-length" else size
    file.read(size)
    return str(line)


MAKING: dict[str, tuple[Callable[[Client], object], str]] = {
    "account": (lambda client: client.add_user("eve"), "engine user key eve"),
    "key": (lambda client: client.new_key("eve", "laptop"), "engine user keys eve"),
    "group": (lambda client: client.add_group("team"), "engine user group list"),
}


@pytest.mark.parametrize("kind", MAKING)
@pytest.mark.parametrize("lost", [b"", answer("", "504 Gateway Timeout")])
def test_what_may_have_been_made_is_not_made_again(kind: str, lost: bytes) -> None:
    make, look = MAKING[kind]
    with (
        scripted(lambda: answer("[]"), lambda: lost) as (url, came),
        Client(url, "key", clock=FakeClock()) as client,
    ):
        client.users()
        with pytest.raises(Unavailable, match="perhaps it is done") as caught:
            make(client)
    assert look in str(caught.value)
    assert len(came) == 2


def test_what_was_not_begun_is_asked_for_again() -> None:
    busy = answer('{"errorCode": 8000, "errorMessage": "later"}', "503 Service Unavailable")
    with (
        scripted(lambda: busy, lambda: answer('{"key": "ge_x"}')) as (url, came),
        Client(url, "key", clock=FakeClock()) as client,
    ):
        assert client.new_key("eve", "laptop") == "ge_x"
    assert len(came) == 2


def test_a_daemon_may_move_a_file_for_longer_than_it_may_be_silent_otherwise(tmp_path: Path) -> None:
    def late(said: bytes) -> Act:
        def act() -> bytes:
            time.sleep(1.0)
            return said

        return act

    file = tmp_path / "x"
    file.write_bytes(b"x")
    sums = f'{{"md5": "{MD5_OF_X}"}}'
    with (
        scripted(late(answer("", "201 Created")), late(answer(sums)), late(answer("[]"))) as (url, came),
        Client(url, "key", timeout=0.3, patience=0.0) as client,
    ):
        client.upload(file, "/vip/Home/x")
        with pytest.raises(Unavailable, match="timed out"):
            client.users()
    assert [line.split("/")[0] for line in came] == ["PUT ", "GET ", "GET "]


def test_an_upload_that_broke_off_after_a_long_time_is_tried_again(tmp_path: Path) -> None:
    clock = FakeClock()

    def break_off() -> bytes:
        clock.advance(3600.0)
        return b""

    file = tmp_path / "x"
    file.write_bytes(b"x")
    sums = f'{{"md5": "{MD5_OF_X}"}}'
    with (
        scripted(break_off, lambda: answer("", "201 Created"), lambda: answer(sums)) as (url, came),
        Client(url, "key", clock=clock) as client,
    ):
        client.upload(file, "/vip/Home/x")
    assert len(came) == 3


def test_a_long_trail_is_verified_in_several_requests() -> None:
    first = '{"lines": 2, "problems": ["one"], "next": {"number": 1, "sha256": "x"}}'
    last = '{"lines": 2, "problems": ["two"], "next": null}'
    with (
        scripted(lambda: answer(first), lambda: answer(last)) as (url, came),
        Client(url, "key") as client,
    ):
        assert client.audit_problems() == ["one", "two"]
    assert len(came) == 2
