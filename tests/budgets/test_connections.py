"""Connections, heads, bodies and answers of strangers and of single users leave room for everybody else."""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.cli.desk import Desk, until
from tests.portal.house import House
from tests.smuggling.cases import head

pytestmark = pytest.mark.whole


def connected(house: House, stack: ExitStack) -> socket.socket:
    host, _, port = urlsplit(house.url).netloc.rpartition(":")
    return stack.enter_context(socket.create_connection((host, int(port)), timeout=60))


def lines(house: House, words: str) -> list[str]:
    return [line for line in house.log.read_text().splitlines() if words in line]


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nX: y"], ids=["silent", "half a head"])
def test_idle_connections_of_a_stranger_make_room(house: House, sent: bytes) -> None:
    with ExitStack() as stack:
        for _ in range(200):
            connection = connected(house, stack)
            with suppress(OSError):
                connection.sendall(sent)
        assert house.ask("GET", "/executions").status == 200
    assert len(lines(house, "too many connections")) == 1


def test_a_head_of_more_than_64_kb_is_refused(house: House) -> None:
    with ExitStack() as stack:
        connection = connected(house, stack)
        connection.sendall(head("GET /rest/platform HTTP/1.1", *[f"X-{n}: {'y' * 1000}" for n in range(70)]))
        assert connection.recv(100).startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 "))
        endless = connected(house, stack)
        endless.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        with pytest.raises(OSError, match=r"reset|pipe"):
            for _ in range(1000):
                endless.sendall(b"X: " + b"y" * 100_000 + b"\r\n")


def test_a_large_body_of_a_stranger_is_not_read(house: House) -> None:
    with ExitStack() as stack:
        connection = connected(house, stack)
        length = f"Content-Length: {16 << 20}"
        connection.sendall(
            head("POST /rest/executions HTTP/1.1", "Content-Type: application/json", length) + b'{"name": "'
        )
        assert connection.recv(1000).startswith(b"HTTP/1.1 401 ")
        unannounced = connected(house, stack)
        chunk = b"10000\r\n" + b"x" * (1 << 16) + b"\r\n"
        start = head(
            "POST /rest/executions HTTP/1.1", "Content-Type: application/json", "Transfer-Encoding: chunked"
        )
        unannounced.sendall(start + 2 * chunk)
        assert unannounced.recv(1000).startswith(b"HTTP/1.1 413 ")


def test_a_body_for_the_node_end_point_needs_a_claim(house: House) -> None:
    with ExitStack() as stack:
        connection = connected(house, stack)
        connection.sendall(
            head("POST /node/exchange HTTP/1.1", "Authorization: Bearer x.y", "Content-Length: 4000000")
            + b"{"
        )
        assert connection.recv(1000).startswith(b"HTTP/1.1 401 ")


def test_one_account_sends_so_many_large_documents_in_a_while(house: House) -> None:
    large = json.dumps({"name": "x" * (15 << 20)}).encode()
    answers = [
        house.ask("POST", "/executions", large, user="carl", Content_Type="application/json")
        for _ in range(4)
    ]
    assert answers[0].status == 400
    assert answers[-1].status == 429
    assert int(answers[-1].headers["retry-after"]) > 0
    assert house.ask("POST", "/executions", {}, user="carl").status == 400  # small ones are taken
    assert len(lines(house, "larger documents")) == 1


def test_downloads_that_nobody_takes_hold_little_memory_and_end(house: House) -> None:
    house.put("/vip/Home/large", bytes(64 << 20))
    before = house.peak()
    with ExitStack() as stack:
        taken = [connected(house, stack) for _ in range(40)]
        for connection in taken:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(
                head("GET /rest/path/vip/Home/large?action=content HTTP/1.1", f"apikey: {house.keys['ann']}")
            )
        for connection in taken:
            assert connection.recv(15).startswith(b"HTTP/1.1 200 ")
        assert house.ask("GET", "/executions", user="bob").status == 200
        assert house.peak() - before < 40 << 20
        process = Path(f"/proc/{house.process.pid}")
        until(lambda: str(house.storage) not in " ".join(opened(process)))
    assert house.read("/vip/Home/large") == bytes(64 << 20)


def opened(process: Path) -> list[str]:
    """The files that a process has open."""
    found = []
    for one in (process / "fd").iterdir():
        with suppress(OSError):
            found.append(str(one.readlink()))
    return found


def test_archives_that_nobody_takes_keep_no_threads(house: House) -> None:
    for number in range(3):
        house.put(f"/vip/Home/many/{number}", bytes(8 << 20))
    with ExitStack() as stack:
        answers = []
        for _ in range(20):
            connection = connected(house, stack)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(
                head("GET /rest/path/vip/Home/many?action=content HTTP/1.1", f"apikey: {house.keys['ann']}")
            )
            answers.append(connection.recv(12))
        assert answers.count(b"HTTP/1.1 200") == 16
        assert answers.count(b"HTTP/1.1 429") == 4
        tasks = Path(f"/proc/{house.process.pid}/task")
        until(lambda: not [one for one in tasks.iterdir() if (one / "comm").read_text() == "tar\n"])
        until(lambda: house.ask("GET", "/path/vip/Home/many?action=content").status == 200)


def test_it_listens_beyond_loopback_behind_a_proxy_only(desk: Desk) -> None:
    ran = desk.run("serve", "--http", variables={"ENGINE_API__LISTEN": "0.0.0.0:0"})
    assert ran.code == 2
    assert "api.behind_proxy" in ran.err
