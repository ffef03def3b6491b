"""A server and its clients agree where each request ends; what may be understood in two ways is refused."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from engine.api.server import HttpServer
from tests.smuggling.cases import Case, every_case
from tests.smuggling.echo import app
from tests.smuggling.wire import seen, sent

pytestmark = pytest.mark.whole


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Where the server of the engine answers, with an application that tells what it was given."""
    server = HttpServer(app, "127.0.0.1:0")
    server.start()
    yield urlsplit(server.url).port or 0
    server.stop()


@pytest.mark.parametrize("case", every_case(), ids=lambda case: case.name)
def test_nothing_is_found_where_the_request_has_not_ended(port: int, case: Case) -> None:
    seen(port)
    answered = sent(port, case)
    found = seen(port)
    assert case.allows(found), (found, answered)
