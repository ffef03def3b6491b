"""Documents of single users leave room for everybody else, however they are sent and whatever is in them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack, suppress

import pytest

from tests.budgets.test_connections import connected
from tests.portal.house import House
from tests.smuggling.cases import head

pytestmark = pytest.mark.whole


def chunked(house: House, path: str, user: str, kind: str, pieces: Iterable[bytes]) -> bytes:
    """The beginning of the answer to a body without a length."""
    with ExitStack() as stack:
        connection = connected(house, stack)
        shown = f"apikey: {house.keys[user]}"
        start = head(path, f"Content-Type: {kind}", shown, "Transfer-Encoding: chunked")
        connection.sendall(start)
        with suppress(OSError):  # it may be refused before its end
            for piece in pieces:
                connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
            connection.sendall(b"0\r\n\r\n")
        return connection.recv(1000)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("POST /rest/executions HTTP/1.1", "application/json"),
        ("PUT /rest/path/vip/Home/x HTTP/1.1", "application/carmin+json"),
    ],
    ids=["document", "envelope"],
)
def test_documents_that_do_not_say_their_length_count_too(house: House, path: str, kind: str) -> None:
    pieces = [b'{"name": "', *[b"x" * (1 << 20)] * 15, b'"}']
    user = "bob" if path.startswith("POST") else "carl"
    answers = [chunked(house, path, user, kind, pieces) for _ in range(4)]
    assert answers[0].startswith(b"HTTP/1.1 400 ")
    assert answers[-1].startswith(b"HTTP/1.1 429 ")
    assert b"retry-after:" in answers[-1].lower()


@pytest.mark.parametrize("field", ["inputValues", "other"])
def test_a_document_of_very_many_values_is_refused(house: House, field: str) -> None:
    wanted = b'{"name": "a", "pipelineIdentifier": "failer/1.0", "%s": {"code": [%s1]}}'
    body = wanted % (field.encode(), b"1," * 3_000_000)
    answer = house.ask("POST", "/executions", body, "root", Content_Type="application/json")
    assert (answer.status, answer.code) == (400, 8009)
    assert "2000000 values" in answer.json["errorMessage"]
