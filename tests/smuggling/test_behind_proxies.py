"""The same, behind nginx and haproxy as they are shipped: two programs, one opinion, and nobody's request for
another's.
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from engine.api.server import HttpServer
from tests.services.proxies import haproxy_before, nginx_before
from tests.smuggling.cases import Case, every_case
from tests.smuggling.echo import app
from tests.smuggling.wire import seen, sent

pytestmark = pytest.mark.whole

KEY = "the-key-of-ann"


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    """The server of the engine, with an application that tells what it was given."""
    server = HttpServer(app, "127.0.0.1:0")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module", params=["nginx", "nginx for websockets", "haproxy"])
def front(request: pytest.FixtureRequest, server: HttpServer) -> Iterator[int]:
    """The port of a proxy before it."""
    behind = urlsplit(server.url).port or 0
    unlimited = {"rate=100r/s": "rate=10000r/s"}
    shared = {
        "http_req_rate gt 200": "http_req_rate gt 100000",
        "    server engine": "    http-reuse always\n    server engine",
    }
    websockets = {
        'proxy_set_header Connection "";': (
            "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $http_connection;"
        )
    }
    if request.param == "haproxy":
        started = haproxy_before(behind, shared)
    else:
        started = nginx_before(behind, unlimited if request.param == "nginx" else {**unlimited, **websockets})
    with started as port:
        yield port


@pytest.mark.service
@pytest.mark.parametrize("case", every_case(), ids=lambda case: case.name)
def test_a_request_behind_another_is_answered_as_itself(server: HttpServer, front: int, case: Case) -> None:
    behind = urlsplit(server.url).port or 0
    seen(behind)
    answered = sent(front, case)
    found = [one.path for one in seen(behind)]
    if "/smuggled" in found:  # it is, where the proxy has found it too, and so answers it as a request
        assert re.findall(rb'"path": "([^"]*)"', answered) == [path.encode() for path in found]
    for number in range(3):
        assert _asked(front, f"/ann-{number}") == {"path": f"/ann-{number}", "key": KEY, "body": ""}
    assert [one.path for one in seen(behind)] == ["/ann-0", "/ann-1", "/ann-2"]


@pytest.mark.service
def test_two_users_share_a_connection_behind_a_proxy(server: HttpServer, front: int) -> None:
    connections = {str(_asked(front, "/x", "client")) for _ in range(20)}
    assert len(connections) < 20


def _asked(port: int, path: str, *more: str) -> dict[str, object]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers={"apikey": KEY, "Host": "portal.example.org"})
        answer = json.loads(connection.getresponse().read())
        return {name: answer[name] for name in more or ("path", "key", "body")}
    finally:
        connection.close()


@pytest.mark.service
def test_nobody_guesses_passwords_quickly_and_all_else_stays_open(front: int) -> None:
    told = [
        _status(front, "POST", path) for path in ("/rest/authenticate", "/rest/session//") for _ in range(30)
    ]
    assert 429 in told
    assert _status(front, "GET", "/rest/platform") != 429


def _status(port: int, method: str, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path)
        return connection.getresponse().status
    finally:
        connection.close()
