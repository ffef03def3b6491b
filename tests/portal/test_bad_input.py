"""What is wrong on purpose: refused in the words of the contract, never a failure of the server."""

from __future__ import annotations

import http.client
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.portal.house import House

pytestmark = pytest.mark.whole

GIGABYTE = 1 << 30


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/xml", "multipart/form-data; boundary=x", "application/octet-stream", "x"],
)
def test_json_of_another_kind_is_refused(house: House, kind: str) -> None:
    document = b'{"name": "a", "pipelineIdentifier": "failer/1.0", "inputValues": {"code": "0"}}'
    for method, path in (("POST", "/executions"), ("POST", "/authenticate"), ("PUT", "/user/externalKeys")):
        answer = house.ask(method, path, document, Content_Type=kind)
        assert (answer.status, answer.code) == (400, 8009), (path, answer)


@pytest.mark.parametrize(
    ("path", "kind", "most"),
    [
        ("/rest/executions", "application/json", 17 << 20),
        ("/rest/path/vip/Home/x", "application/carmin+json", 66 << 20),
        ("/submit", "application/json", 66 << 20),
    ],
)
@pytest.mark.parametrize("announced", [True, False])
def test_a_gigabyte_of_json_is_refused_long_before_its_end(
    house: House, path: str, kind: str, most: int, announced: bool
) -> None:
    connection = http.client.HTTPConnection(urlsplit(house.url).netloc, timeout=120)
    connection.putrequest("PUT" if "path" in path else "POST", path)
    connection.putheader("apikey", house.keys["ann"])
    connection.putheader("Content-Type", kind)
    if announced:
        connection.putheader("Content-Length", str(GIGABYTE))
    else:
        connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    sent, piece = 0, b'[["0123456789abcdef"],' * 50_000
    try:
        while sent < GIGABYTE:
            connection.send(piece if announced else b"%x\r\n%s\r\n" % (len(piece), piece))
            sent += len(piece)
            connection.sock.settimeout(0.001 if sent > most else 120)
            if sent > most and _says_something(connection):
                break
    except OSError:
        pass  # it has closed the connection, which is as good
    connection.close()
    assert sent < GIGABYTE
    assert house.ask("GET", "/platform").status == 200


def _says_something(connection: http.client.HTTPConnection) -> bool:
    try:
        return bool(connection.sock.recv(1)) or True
    except TimeoutError:
        connection.sock.settimeout(120)
        return False


LINKER: dict[str, Any] = {
    "name": "linker",
    "description": "Leaves a link where its result should be",
    "tool-version": "1.0",
    "schema-version": "0.5",
    "command-line": "ln -s [TARGET] out.txt",
    "inputs": [{"id": "target", "name": "target", "type": "String", "value-key": "[TARGET]"}],
    "output-files": [{"id": "out", "name": "out", "path-template": "out.txt"}],
}


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../../../../../../etc/passwd", "/", "."])
def test_a_result_that_is_a_link_shows_nothing_of_the_server(house: House, target: str) -> None:
    if "linker/1.0" not in [one["identifier"] for one in house.ok("GET", "/pipelines").json]:
        house.engine("pipeline", "add", house.desk.write("linker.json", LINKER))
    told = house.run("linker/1.0", {"target": target}, resultsLocation="/vip/Home/links")
    assert told["status"] == "ExecutionFailed"
    assert not told["returnedFiles"]
    id_ = told["identifier"]
    for path in (f"/vip/Home/links/{id_}/outputs/out.txt", f"/vip/Home/links/{id_}/outputs/out.txt/passwd"):
        answer = house.ask("GET", f"/path{path}?action=content")
        assert answer.status == 400
        assert b"root:" not in answer.body
    assert b"root:" not in house.read("/vip/Home/links")  # a tar of all that is there


@pytest.mark.parametrize(
    "value",
    ["$(touch /tmp/x)", "`id`", "a; id", "a' && id '", 'a" | id', "a\nid", "$HOME", "a\\", "-rf /", "*"],
)
def test_what_a_shell_would_read_is_a_word_or_refused(house: House, value: str) -> None:
    house.put("/vip/Home/in.txt", b"x\n")
    answer = house.launch("copier/1.0", {"file": "/vip/Home/in.txt", "word": value})
    if answer.status != 200:
        assert (answer.status, answer.code) == (400, 8009)
        return
    told = house.ended(answer.json["identifier"])
    [path] = told["returnedFiles"]["copy"]
    assert house.read(path) == b"x\n" + value.encode() + b"\n"


@pytest.mark.parametrize(
    "line",
    [
        b"GET /rest/platform HTTP/9.9",
        b"G@T /rest/platform HTTP/1.1",
        b"GET http://169.254.169.254/latest HTTP/1.1",
        b"GET /rest/executions/%zz HTTP/1.1",
        b"GET /rest/path/vip/Home/%c0%ae%c0%ae/x?action=content HTTP/1.1",
        b"GET /rest/path/vip/Home/..\\..\\x HTTP/1.1",
        b"GET /rest/path/vip/Home/%u002e%u002e/x HTTP/1.1",
        b"GET /rest/path/vip/Home/....//....//etc/passwd HTTP/1.1",
        b"GET /rest/path/vip/Home/;/../../x HTTP/1.1",
        b"CONNECT example.org:443 HTTP/1.1",
        b"TRACE /rest/platform HTTP/1.1",
    ],
)
def test_strange_requests_are_refused_or_mean_a_name_that_is_not_there(house: House, line: bytes) -> None:
    host, _, port = urlsplit(house.url).netloc.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        key = house.keys["ann"].encode()
        connection.sendall(line + b"\r\nHost: x\r\nConnection: close\r\napikey: " + key + b"\r\n\r\n")
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    status = int(answer.split()[1])
    refusals = {*range(400, 500), 505}  # the last says that it does not speak this version of HTTP
    assert status in refusals or b'"exists":false' in answer, answer
    assert b"root:" not in answer
