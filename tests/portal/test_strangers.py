"""What strangers ask with odd words: nothing of it is believed, kept, or read in two ways."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.cli.desk import desk_in
from tests.portal.house import House, portal

pytestmark = pytest.mark.whole

PAGE = "https://portal.example.org"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A portal that the scripts of one web page may use."""
    origins = json.dumps([PAGE])
    with (
        desk_in(tmp_path_factory.mktemp("portal")) as desk,
        portal(desk, {"ENGINE_PORTAL__ORIGINS": origins}) as house,
    ):
        yield house


def said(house: House, start: str, *fields: str) -> bytes:
    """The answer to a request as it is written here."""
    where = urlsplit(house.url)
    with socket.create_connection((where.hostname or "", where.port or 0), timeout=60) as connection:
        connection.sendall("\r\n".join([f"{start} HTTP/1.1", *fields, "Connection: close", "", ""]).encode())
        found = b""
        while piece := connection.recv(1 << 16):
            found += piece
        return found


@pytest.mark.parametrize(
    "path",
    [
        "/health/",
        "/health/ready/",
        "/metrics/",
        "/submit/",
        "/kill/",
        "/status/x/",
        "/page/watch.js/",
        "/node/exchange/",
    ],
)
def test_nobody_is_sent_to_the_host_that_a_client_has_named(house: House, path: str) -> None:
    answer = said(house, f"GET {path}", "Host: elsewhere.example.org")
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"elsewhere" not in answer


@pytest.mark.parametrize("path", ["/rest/executions", "/se/x", "/metrics", "/status/x"])
@pytest.mark.parametrize("field", ["apikey", "Authorization", "Content-Type"])
def test_a_key_that_stands_twice_is_refused(house: House, path: str, field: str) -> None:
    key = house.keys["ann"]
    for one, other in ((key, "x"), ("x", key), (key, key)):
        answer = said(house, f"GET {path}", "Host: x", f"{field}: {one}", f"{field.upper()}: {other}")
        assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("path", ["/executions", "/platform", "/nothing", "/path/vip/Home?action=list"])
@pytest.mark.parametrize("user", ["ann", ""])
def test_answers_are_kept_by_nobody_and_are_what_their_type_says(house: House, path: str, user: str) -> None:
    answer = house.ask("GET", path, user=user)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_file_has_these_fields_once(house: House) -> None:
    house.put("/vip/Home/page.html", b"<script>")
    key = f"apikey: {house.keys['ann']}"
    answer = said(house, "GET /rest/path/vip/Home/page.html?action=content", "Host: x", key).lower()
    assert answer.count(b"nosniff") == answer.count(b"no-store") == 1


def test_methods_that_somebody_invents_are_one_label_and_no_text_of_the_log(house: House) -> None:
    for number in range(3):
        answer = said(house, f"INVENTED{number}{'Z' * 1000} /rest/platform", "Host: x")
        assert answer.startswith(b"HTTP/1.1 405 ")
    key = house.keys["root"]
    numbers = house.ask("GET", "/metrics", user="", raw=True, Authorization=f"Bearer {key}").body
    assert b"INVENTED" not in numbers
    assert numbers.count(b'\nengine_http_requests_total{method="other"') == 1
    assert numbers.count(b'\nhttp_server_request_duration_seconds_count{http_request_method="other"') == 1
    assert "INVENTED" not in Path(house.log).read_text()


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([], "401"),
        (["apikey: wrong"], "401"),
        (["apikey: ANN"], "200"),
        (["apikey: ANN", "apikey: ANN"], "400"),
    ],
)
@pytest.mark.parametrize("origin", [PAGE, "https://elsewhere.example.org", "null"])
def test_scripts_of_the_pages_of_the_settings_alone_read_answers(
    house: House, fields: list[str], status: str, origin: str
) -> None:
    fields = [field.replace("ANN", house.keys["ann"]) for field in fields]
    answer = said(house, "GET /rest/executions", "Host: x", f"Origin: {origin}", *fields).decode().lower()
    assert answer.startswith(f"http/1.1 {status}")
    may = f"access-control-allow-origin: {PAGE}" in answer
    assert may is (origin == PAGE and len(fields) < 2)  # one with two keys is no request at all
    assert "access-control-allow-credentials" not in answer


def test_a_browser_that_asks_what_a_script_may_send_is_answered_without_a_key(house: House) -> None:
    asked = ["Access-Control-Request-Method: DELETE", "Access-Control-Request-Headers: apikey"]
    start = "OPTIONS /rest/executions/x"
    answer = said(house, start, "Host: x", f"Origin: {PAGE}", *asked).decode().lower()
    assert answer.startswith("http/1.1 200")
    assert "apikey" in answer.partition("access-control-allow-headers:")[2].splitlines()[0]
    assert said(house, start, "Host: x", "Origin: https://elsewhere.example.org", *asked).startswith(
        b"HTTP/1.1 400"
    )


@pytest.mark.parametrize("name", ["apikey", "ApiKey", "%61pikey", "a%50ikey", "x%26apikey"])
def test_a_key_in_a_url_is_refused_however_it_is_spelled(house: House, name: str) -> None:
    answer = said(house, f"GET /rest/executions?{name}={house.keys['ann']}", "Host: x")
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"revoke it" in answer
    assert house.keys["ann"] not in house.log.read_text()
