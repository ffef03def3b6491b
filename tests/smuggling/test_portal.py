"""Nobody's request, with its key, becomes a part of another's: a whole portal, bare and behind proxies."""

from __future__ import annotations

import json
import socket
import time
from base64 import b64encode
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.cli.desk import desk_in
from tests.portal.house import FAILER, House, portal
from tests.services.proxies import haproxy_before, nginx_before

pytestmark = pytest.mark.whole

PASSWORD = "what the portal knows"
OFFERS = {
    "h2c": ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAAA"),
    "websocket": ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
    "an unknown protocol": ("Connection: Upgrade", "Upgrade: foo"),
}
WEBSOCKETS = {
    'proxy_set_header Connection "";': (
        "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $http_connection;"
    )
}
"""What an ingress has for every site."""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A portal."""
    with desk_in(tmp_path_factory.mktemp("portal")) as desk, portal(desk) as house:
        word = desk.directory / "word"
        word.write_text(PASSWORD)
        with word.open() as file:
            desk.ok("user", "password", "watcher", stdin=file, variables=dict(house.variables))
        yield house


@pytest.fixture(
    scope="module",
    params=[
        "bare",
        pytest.param("nginx", marks=pytest.mark.service),
        pytest.param("nginx for websockets", marks=pytest.mark.service),
        pytest.param("haproxy", marks=pytest.mark.service),
    ],
)
def port(request: pytest.FixtureRequest, house: House) -> Iterator[int]:
    """Where it is reached."""
    behind = urlsplit(house.url).port or 0
    if request.param == "bare":
        yield behind
        return
    if request.param == "haproxy":
        started = haproxy_before(behind)
    else:
        started = nginx_before(behind, WEBSOCKETS if request.param == "nginx for websockets" else {})
    with started as here:
        yield here


@pytest.mark.parametrize("offer", OFFERS)
def test_a_body_after_an_offer_of_another_protocol_takes_up_nobodys_request(
    house: House, port: int, offer: str
) -> None:
    key = house.keys["bob"]
    taken = (
        f"PUT /rest/path/vip/Home/loot HTTP/1.1\r\nHost: x\r\napikey: {key}\r\n"
        "Content-Type: application/octet-stream\r\nContent-Length: 400\r\n\r\n"
    ).encode()
    name = f"upload-{offer.replace(' ', '-')}"
    begin = "\r\n".join(
        [
            f"PUT /rest/path/vip/Home/{name} HTTP/1.1",
            "Host: x",
            f"apikey: {key}",
            "Content-Type: application/octet-stream",
            *OFFERS[offer],
            f"Content-Length: {3 + len(taken)}",
            "",
            "abc",
        ]
    ).encode()
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as attacker:
            attacker.sendall(begin)
            time.sleep(0.2)  # it has been read by then; if not, there is nothing to take up
            attacker.sendall(taken)
            _answered(port, "GET /rest/executions", house.keys["ann"])
            assert b" 201 " in attacker.recv(1000).partition(b"\r\n")[0]
        assert house.read(f"/vip/Home/{name}", user="bob") == b"abc" + taken
        assert not house.exists("/vip/Home/loot", user="bob")


def test_a_client_that_offers_h2c_with_each_request_is_served(house: House, port: int) -> None:
    """As Java's HttpClient does on plain HTTP: with every request of its first connection."""
    basic = b64encode(f"watcher:{PASSWORD}".encode()).decode()
    packed = {"workflow": FAILER, "inputs": {"code": ["0"]}, "settings": {}}
    fields = {name: b64encode(json.dumps(value).encode()).decode() for name, value in packed.items()}
    for _ in range(20):
        said = _answered(
            port,
            "POST /submit",
            "",
            *OFFERS["h2c"],
            f"Authorization: Basic {basic}",
            body=json.dumps({**fields, "proxy": ""}).encode(),
        )
        assert said.startswith(b"HTTP/1.1 200 "), said


def _answered(port: int, start: str, key: str, *lines: str, body: bytes = b"") -> bytes:
    """One request as a client sends it that sends the head first; its answer."""
    fields = [f"{start} HTTP/1.1", "Host: x", *([f"apikey: {key}"] if key else []), *lines]
    head = "\r\n".join([*fields, f"Content-Length: {len(body)}", "", ""]).encode()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(head)
        time.sleep(0.02)
        connection.sendall(body)
        found = b""
        while True:
            found += connection.recv(1 << 16)
            top, _, rest = found.partition(b"\r\n\r\n")
            size = [line for line in top.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            if size and len(rest) >= int(size[0].split(b":")[1]):
                return found
