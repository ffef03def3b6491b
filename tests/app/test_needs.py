"""What cannot work is refused while it is planned, with the setting to change."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from engine.app.needs import check_answers, embedded_url, exchange_url, public_url, require_embedded
from engine.errors import BadRequest, SettingsError, Unavailable
from engine.settings import ApiSection, CredentialSection, StorageSection
from tests.services.registry import free_port

NONE = ApiSection()
SET = ApiSection(public_url="https://engine.example.org/grid/")
GRID = {
    "se": StorageSection(
        url="https://se.example.org/vo", doors=("root://se.example.org//vo",), credential="t"
    )
}
TOKEN = {"t": CredentialSection(kind="token", file=Path("/nowhere"))}
PROXY = {"t": CredentialSection(kind="proxy", file=Path("/nowhere"))}


@pytest.mark.parametrize("url", ["s3://bucket/key", "girder://girder.example.org/collection/x"])
def test_what_only_the_engine_can_open_needs_its_public_url(url: str) -> None:
    with pytest.raises(BadRequest, match=r"api\.public_url is not set") as caught:
        exchange_url(["https://se.example.org/vo/a", url], NONE, {}, {})
    assert caught.value.message.startswith(f"{url}: ")
    assert "api.public_url" in caught.value.remedy
    assert exchange_url([url], SET, {}, {}) == "https://engine.example.org/grid/node/exchange"


@pytest.mark.parametrize(
    "url", ["https://se.example.org/vo/a", "root://se.example.org//vo/a", "file:///a", "sandbox:"]
)
def test_what_nodes_open_by_themselves_needs_nothing(url: str) -> None:
    assert exchange_url([url], NONE, GRID, PROXY) == ""
    assert exchange_url([url], SET, GRID, PROXY) == ""
    assert exchange_url([url], NONE, GRID, TOKEN) == ""


def test_a_token_of_the_engine_is_offered_where_it_can_be() -> None:
    exchange = "https://engine.example.org/grid/node/exchange"
    for url in ("https://se.example.org/vo/a", "root://se.example.org//vo/a"):
        assert exchange_url([url], SET, GRID, TOKEN) == exchange
    assert exchange_url(["https://se.example.org/vo2/a"], SET, GRID, TOKEN) == ""


def test_the_embedded_storage_needs_the_exchange() -> None:
    place = "https://engine.example.org/grid/se/execution"
    assert embedded_url(SET) == "https://engine.example.org/grid/se"
    assert exchange_url([place], SET, {}, {}) == "https://engine.example.org/grid/node/exchange"
    assert exchange_url(["https://engine.example.org/grid/second"], SET, {}, {}) == ""
    assert embedded_url(NONE) == ""
    with pytest.raises(BadRequest, match=r"staging needs the embedded storage: api\.public_url is not set"):
        require_embedded(NONE, "staging")
    assert require_embedded(SET, "staging") == embedded_url(SET)


@pytest.mark.parametrize(
    "url",
    [
        "engine.example.org",
        "ftp://x",
        "https://",
        "https://u:p@x",
        "https://x/?q",
        "https://x/#f",
        "http://192.0.2.1",
    ],
)
def test_a_public_url_that_is_none_or_is_heard_by_others_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match=r"api\.public_url"):
        public_url(ApiSection(public_url=url))


@pytest.mark.parametrize("host", ["127.0.0.1:8420", "[::1]:8420", "localhost:1", "127.8.8.8"])
def test_nobody_hears_what_is_said_on_loopback(host: str) -> None:
    assert public_url(ApiSection(public_url=f"http://{host}/")) == f"http://{host}"


class Stranger(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"service": "something else"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def stranger() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_engine_that_does_not_answer_is_told_with_what_to_do(stranger: str) -> None:
    with pytest.raises(Unavailable, match="no engine answers at http") as caught:
        check_answers(ApiSection(public_url=f"http://127.0.0.1:{free_port()}"))
    assert "engine serve" in caught.value.remedy
    with pytest.raises(SettingsError, match=r"api\.public_url: what answers at .* is no engine"):
        check_answers(ApiSection(public_url=stranger))
