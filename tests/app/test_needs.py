"""What cannot work is refused while it is planned, with the setting to change."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from engine.app.access.needs import NodeServices, check_reachable, embedded_url, public_url
from engine.errors import BadRequest, SettingsError, Unavailable
from engine.settings.service import ApiSection
from tests.services.registry import free_port

NONE = ApiSection()
SET = ApiSection(public_url="https://engine.example.org/grid/")
OPEN = ["https://se.example.org/vo/a", "root://se.example.org//vo/a", "file:///a", "sandbox:", ""]


@pytest.mark.parametrize("url", ["s3://bucket/key", "girder://girder.example.org/collection/x"])
def test_what_only_the_engine_can_open_needs_its_public_url(url: str) -> None:
    with pytest.raises(BadRequest, match=r"api\.public_url is not set") as caught:
        NodeServices(NONE).require([*OPEN, url])
    assert caught.value.message.startswith(f"{url}: ")
    assert "api.public_url" in caught.value.remedy


def test_what_nodes_open_by_themselves_needs_nothing() -> None:
    NodeServices(NONE).require(OPEN)
    nobody = NodeServices(ApiSection(public_url=f"http://127.0.0.1:{free_port()}"))
    nobody.require([*OPEN, "https://127.0.0.1/se/x"])


@pytest.mark.parametrize("path", ["se", "se/execution", "se/inputs/x"])
def test_the_embedded_storage_must_answer(path: str) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    offer = NodeServices(ApiSection(public_url=url))
    offer.require([f"{url}/second"])
    with pytest.raises(Unavailable, match="no engine answers"):
        offer.require([f"{url}/{path}"])


def test_the_urls_follow_from_the_public_one() -> None:
    assert embedded_url(SET) == "https://engine.example.org/grid/se"
    assert NodeServices(SET).exchange == "https://engine.example.org/grid/node/exchange"
    assert (embedded_url(NONE), NodeServices(NONE).exchange) == ("", "")


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
        check_reachable(ApiSection(public_url=f"http://127.0.0.1:{free_port()}"))
    assert "engine serve" in caught.value.remedy
    with pytest.raises(SettingsError, match=r"api\.public_url: what answers at .* is no engine"):
        check_reachable(ApiSection(public_url=stranger))
