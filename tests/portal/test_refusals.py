"""What is refused leaves one line in the audit trail: row by row, and however often it is tried."""

from __future__ import annotations

import base64
import http.client
import io
import json
import socket
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from engine.app.access.key import Key
from engine.app.portal.administration import Administration
from engine.app.portal.audit import AuditTrail
from engine.app.portal.refusals import MOST, WINDOW_S, Minutes, RecordedRefusal, Refusals
from engine.clock import SystemClock
from engine.ids import new_id
from engine.store.database import Database
from engine.testing.clock import FakeClock
from tests.cli.desk import desk_in, until
from tests.portal.house import Answer, House, portal
from tests.portal.test_bad_input import LINKER

pytestmark = pytest.mark.whole

KEY = Key(b"k" * 32)
STALL = 5.0
Line = Mapping[str, Any]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A portal with little patience."""
    settings = {"ENGINE_API__STALL": str(STALL), "ENGINE_API__LEAST_RATE": "1000"}
    with desk_in(tmp_path_factory.mktemp("portal")) as desk, portal(desk, settings) as house:
        yield house


@pytest.fixture(scope="module")
def db(house: House) -> Iterator[Database]:
    """The portal's database."""
    db = Database(f"sqlite:///{house.desk.database}")
    yield db
    db.close()


@dataclass(frozen=True)
class Person:
    """Somebody who has done nothing yet."""

    house: House
    db: Database
    id: str
    key: str

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        return self.house.ask(method, path, body, user="", headers=headers, apikey=self.key)

    def lines(self) -> list[Line]:
        return [
            one
            for one in AuditTrail(self.db, lambda: KEY, SystemClock()).lines()
            if self.id == one["account"]
        ]

    def only_line(self) -> tuple[str, str]:
        """What was asked, and how it was answered; there is no other line, though a later one is written."""
        self.ask("PUT", "/none/later")
        later = ("PUT -", "refused 404 8000")
        until(lambda: len(self.told()) > 1 and later in self.told())
        [line] = [one for one in self.told() if one != later]
        return line

    def told(self) -> list[tuple[str, str]]:
        """What was asked, and how it was answered, line by line."""
        return [(one["action"], one["status"]) for one in self.lines()]


@pytest.fixture
def person(house: House, db: Database) -> Person:
    clock = SystemClock()
    ours = Administration(db, AuditTrail(db, lambda: KEY, clock), clock, "local:0")
    made, key = ours.add_user(f"p-{new_id().lower()}")
    return Person(house, db, made.id, key)


def launch(**more: Any) -> Callable[[Person], Answer]:
    wanted = {"name": "a test", "pipelineIdentifier": "copier/1.0", **more}
    return lambda person: person.ask("POST", "/executions", wanted)


def ask(method: str, path: str, body: Any = None, **headers: str) -> Callable[[Person], Answer]:
    return lambda person: person.ask(method, path, body, **headers)


def zipped(name: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as packed:
        packed.writestr(name, b"x")
    return made.getvalue()


def archive(content: bytes) -> Callable[[Person], Answer]:
    def upload(person: Person) -> Answer:
        document = {"base64Content": base64.b64encode(content).decode(), "type": "Archive"}
        return person.ask(
            "PUT", "/path/vip/Home/x", json.dumps(document).encode(), Content_Type="application/carmin+json"
        )

    return upload


JSON = "application/json"
ROWS: dict[str, tuple[Callable[[Person], Answer], str, str]] = {
    "no JSON": (ask("POST", "/executions", b"{", Content_Type=JSON), "POST executions", "400 8009"),
    "another type": (
        ask("POST", "/executions", b"{}", Content_Type="text/xml"),
        "POST executions",
        "400 8009",
    ),
    "a field is missing": (ask("POST", "/executions", {}), "POST executions", "400 8009"),
    "a wrong query": (ask("GET", "/executions?limit=-1"), "GET executions", "400 8009"),
    "traversal": (ask("GET", "/path/vip/Home/../../etc/passwd"), "GET path", "400 8000"),
    "encoded traversal": (ask("GET", "/path/vip/Home/%2e%2e/%2e%2e/x"), "GET path", "400 8000"),
    "traversal of results": (
        launch(pipelineIdentifier="failer/1.0", inputValues={"code": "0"}, resultsLocation="/etc"),
        "POST executions",
        "400 8013",
    ),
    "SSRF": (launch(inputValues={"file": "http://169.254.169.254/x"}), "POST executions", "400 8013"),
    "a file of the server": (launch(inputValues={"file": "file:/etc/passwd"}), "POST executions", "400 8013"),
    "shell": (
        launch(pipelineIdentifier="failer/1.0", inputValues={"code": "0; id"}),
        "POST executions",
        "400 8009",
    ),
    "zip-slip": (archive(zipped("../../evil.txt")), "PUT path", "400 8000"),
    "no such pipeline": (launch(pipelineIdentifier="none/1", inputValues={}), "POST executions", "400 8007"),
    "no such route": (ask("GET", "/none/such"), "GET -", "404 8000"),
    "no such method": (ask("PATCH", "/executions"), "PATCH executions", "405 8000"),
    "for administrators": (ask("GET", "/admin/pipelines"), "GET admin/pipelines", "403 8008"),
}


@pytest.mark.parametrize("row", ROWS)
def test_each_refusal_leaves_one_line_of_who_and_what(person: Person, row: str) -> None:
    act, action, answered = ROWS[row]
    answer = act(person)
    assert f"{answer.status} {answer.code}" == answered, answer
    assert person.only_line() == (action, f"refused {answered}")


def test_fields_that_are_not_known_are_ignored_and_leave_none(person: Person) -> None:
    body = {"name": "x", "pipelineIdentifier": "failer/1.0", "inputValues": {"code": "0"}, "unknown": 1}
    assert person.ask("POST", "/executions", body).status == 200
    assert person.lines()[0]["action"] == "launch"
    person.ask("GET", "/none/such")
    until(lambda: len(person.lines()) > 1)
    assert [one["status"] for one in person.lines() if "refused" in one["status"]] == ["refused 404 8000"]


def test_anothers_execution_is_named_in_the_line(house: House, person: Person) -> None:
    id_ = house.start("failer/1.0", {"code": "0"}, user="bob")
    assert person.ask("GET", f"/executions/{id_}").code == 8015
    assert person.only_line() == ("GET executions", "refused 400 8015")
    assert id_ in [one["execution"] for one in person.lines()]


def test_a_result_that_is_a_link_has_an_end_that_failed(house: House, person: Person) -> None:
    house.engine("pipeline", "add", house.desk.write("linker.json", LINKER))
    wanted = {"name": "x", "pipelineIdentifier": "linker/1.0", "inputValues": {"target": "/etc/passwd"}}
    made = person.ask("POST", "/executions", wanted)
    assert made.status == 200, made
    until(lambda: [one for one in person.lines() if one["action"] == "end"])
    assert person.told()[1:] == [("end", "failed")]


def test_a_gigabyte_of_json_leaves_one_line(house: House, person: Person) -> None:
    connection = http.client.HTTPConnection(urlsplit(house.url).netloc, timeout=60)
    connection.putrequest("POST", "/rest/executions")
    for name, value in (("apikey", person.key), ("Content-Type", JSON), ("Content-Length", str(1 << 30))):
        connection.putheader(name, value)
    connection.endheaders()
    try:
        for _ in range(1024):
            connection.send(b'["0123456789abc"],' * 58_000)
    except OSError:
        pass  # it did not wait for the end
    connection.close()
    assert person.only_line() == ("POST executions", "refused 413 8000")


@pytest.mark.parametrize("path", ["/rest/executions", "/rest/path/vip/Home/x"])
def test_a_body_that_stalls_is_answered_with_408_and_leaves_one_line(
    house: House, person: Person, path: str
) -> None:
    host, _, port = urlsplit(house.url).netloc.rpartition(":")
    method = "PUT" if "path" in path else "POST"
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(
            f"{method} {path} HTTP/1.1\r\nHost: x\r\napikey: {person.key}\r\nContent-Type: application/"
            f"{'octet-stream' if method == 'PUT' else 'json'}\r\nContent-Length: 100\r\n\r\n{{".encode()
        )
        assert b" 408 " in connection.recv(1000)
    area = path.split("/")[2]
    assert person.only_line() == (f"{method} {area}", "refused 408 8000")


def test_an_answer_that_was_not_waited_for_is_no_refusal(house: House, person: Person) -> None:
    host, _, port = urlsplit(house.url).netloc.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(
            f"PUT /rest/path/vip/Home/x HTTP/1.1\r\nHost: x\r\napikey: {person.key}\r\n"
            "Content-Type: application/octet-stream\r\nContent-Length: 100\r\n\r\nx".encode()
        )
    person.ask("GET", "/none/such")
    assert person.only_line() == ("GET -", "refused 404 8000")


def strangers(db: Database, action: str, status: str) -> list[Line]:
    lines = AuditTrail(db, lambda: KEY, SystemClock()).lines()
    return [one for one in lines if (one["account"], one["action"], one["status"]) == ("", action, status)]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/rest/executions", {}, "401 8003"),
        ("GET", "/rest/pipelines", {"apikey": "ge_wrong"}, "401 8002"),
        ("POST", "/rest/executions?apikey=ge_secret", {}, "400 8002"),
        ("PUT", "/rest/none", {}, "404 8000"),
        ("POST", "/submit", {}, "401"),
        ("GET", "/none", {"Authorization": "Bearer x"}, "404"),
        ("GET", "/se/%2e%2e/etc/passwd", {}, "400"),
        ("GET", "/se/x", {}, "401"),
    ],
)
def test_strangers_leave_a_line_with_a_hash_of_where_they_came_from(
    house: House, db: Database, method: str, path: str, headers: dict[str, str], status: str
) -> None:
    answer = house.ask(method, path, None, user="", raw=True, headers=headers)
    assert str(answer.status) == status.split()[0], answer
    words = path.split("?")[0].split("/")[1:]
    known = {"rest": words[1] if words[-1] in ("executions",) and status[:3] == "401" else "-"}
    action = f"{method} {known.get(words[0], words[0] if words[0] in ('se', 'submit') else '-')}"
    [line] = until(lambda: strangers(db, action, f"refused {status}"))
    assert (len(line["data"]), "127.0.0.1" in str(line)) == (1, False)


@pytest.mark.parametrize(
    "sent",
    [
        b"SSH-2.0-x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_what_is_no_request_of_http_is_answered_with_400(house: House, sent: bytes) -> None:
    assert said_to(house, sent).startswith(b"HTTP/1.1 400 ")


def test_a_request_that_can_be_understood_in_two_ways_leaves_a_line(house: House, db: Database) -> None:
    told = said_to(house, b"GET ftp://x/rest/platform HTTP/1.1\r\nHost: x\r\n\r\n")
    assert told.startswith(b"HTTP/1.1 400 ")
    assert b'{"errorCode": 8000, "errorMessage": ' in told
    until(lambda: strangers(db, "request", "refused 400 8000"))


def said_to(house: House, sent: bytes) -> bytes:
    host, _, port = urlsplit(house.url).netloc.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(sent)
        found = b""
        while piece := connection.recv(1000):
            found += piece
        return found


def test_no_line_holds_a_secret_and_the_trail_is_whole(house: House, person: Person) -> None:
    person.ask("GET", f"/executions?apikey={person.key}")
    person.ask("GET", "/path/vip/Home/Jane%20Doe")
    text = house.engine("audit", "list").out
    assert not [word for word in (person.key, "ge_secret", "Jane", "169.254", "evil") if word in text]
    house.engine("audit", "verify")


# --- how many lines there are ---------------------------------------------------------------------


def refused(who: str = "", what: str = "GET x", address: str = "a") -> RecordedRefusal:
    return RecordedRefusal(who, address, what, 400, 8009)


def test_the_same_refusal_is_counted_until_its_minute_is_over() -> None:
    minutes = Minutes()
    assert [minutes.add(refused("ann"), 0.0) for _ in range(5)] == [True, False, False, False, False]
    assert minutes.add(refused("ann", "GET y"), 1.0)
    assert list(minutes.over(WINDOW_S - 1)) == []
    assert list(minutes.over(WINDOW_S)) == [(refused("ann"), 4)]
    assert minutes.ends() is None
    assert minutes.add(refused("ann"), WINDOW_S)


def test_strangers_from_everywhere_share_the_lines_of_a_minute_and_leave_those_of_others_alone() -> None:
    minutes = Minutes()
    told = [minutes.add(refused(address=str(number)), 0.0) for number in range(1000)]
    assert told.count(True) == MOST
    assert minutes.add(refused("ann"), 1.0)
    [(rest, count)] = minutes.over(WINDOW_S)
    assert (rest.action, rest.address, count) == ("others", "", 1000 - MOST)


def a_writer(directory: Path) -> tuple[Database, FakeClock, Refusals]:
    db, clock = Database(f"sqlite:///{directory}/engine.db"), FakeClock()
    return db, clock, Refusals(AuditTrail(db, lambda: KEY, clock), clock)


def told_in(db: Database) -> list[tuple[str, str]]:
    return [(one["action"], one["status"]) for one in AuditTrail(db, lambda: KEY, FakeClock()).lines()]


def test_counts_of_the_last_minute_are_written_at_the_end(tmp_path: Path) -> None:
    db, _, refusals = a_writer(tmp_path)
    refusals.start()
    for _ in range(3):
        refusals.record(refused("ann"))
    for number in range(MOST + 7):
        refusals.record(refused(address=str(number)))
    refusals.close()
    told = told_in(db)
    assert told[0] == ("GET x", "refused 400 8009")
    assert told[-2:] == [("GET x", "refused 400 8009, 2 more"), ("others", "refused, 7 more")]
    assert len(told) == 1 + MOST + 2
    db.close()


def test_nobody_waits_while_another_holds_the_database(tmp_path: Path) -> None:
    db, _, refusals = a_writer(tmp_path)
    refusals.start()
    with db.write():
        for number in range(5000):
            refusals.record(refused("ann", f"GET {number}"))
    refusals.close()
    assert len(told_in(db)) == MOST + 1
    db.close()
