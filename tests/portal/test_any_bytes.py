"""Whatever bytes a stranger or a user sends: an answer that is no failure of the server, and no traceback."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import socket
import tarfile
import zipfile
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cli.served import Served
from tests.portal.house import FAILER, Answer, House

pytestmark = pytest.mark.whole

NESTED = b'{"a":' * 50_000 + b"1" + b"}" * 50_000
READ: dict[Path, int] = {}
"""How far each log was looked at."""
MANY = b"[" * 900 + b"]" * 900


def told(house: House, request: bytes) -> int:
    """The status of the answer to these bytes; 0: the connection was closed without one."""
    place = urlsplit(house.url)
    with socket.create_connection((str(place.hostname), int(place.port or 0)), timeout=60) as connection:
        with suppress(OSError):  # answered before all was sent
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
        try:
            answer = connection.makefile("rb").readline()
        except OSError:
            return 0
    parts = answer.split(b" ", 2)
    return int(parts[1]) if len(parts) > 1 and parts[0].startswith(b"HTTP/") else 0


def message(method: bytes, target: bytes, headers: Mapping[bytes, bytes], body: bytes = b"") -> bytes:
    lines = [b"%s %s HTTP/1.1" % (method, target), b"Host: a", b"Connection: close"]
    lines += [b"%s: %s" % pair for pair in headers.items()]
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body])


def is_no_failure(house: House, status: int) -> None:
    """No 5xx, and nothing written down of a defect of ours."""
    assert status < 500, status
    with house.log.open() as log:
        log.seek(READ.get(house.log, 0))
        since = log.read()
        READ[house.log] = log.tell()
    assert "Traceback" not in since, since[-4000:]


# --- members that were met ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload",
    [
        b"[" * 100_000,
        NESTED,
        b'{"account": "a", "expires": %s}' % (b"9" * 5_000),
        b'{"account": "a", "expires": 1e999}',
        b'{"account": "\\ud800", "expires": 1}',
        b'{"account": "\\u0000", "expires": 1}',
        b"\xff\xfe",
        b"",
    ],
    ids=range(8),
)
def test_a_session_of_any_content_opens_nothing(house: House, payload: bytes) -> None:
    token = "s." + urlsafe_b64encode(payload).decode()[:60_000]
    for headers in (
        {b"apikey": token.encode()},
        {b"Cookie": b"engine-session=" + token.encode(), b"X-Requested-With": b"x"},
        {b"apikey": token.encode() + b".signature"},
    ):
        status = told(house, message(b"GET", b"/rest/executions", headers))
        is_no_failure(house, status)
        assert status in (0, 401, 429, 431), status
    is_no_failure(
        house, told(house, message(b"POST", b"/rest/session", {}, json.dumps({"apikey": token}).encode()))
    )


@pytest.mark.parametrize("digits", ["9" * 5_000 + "-", "-" + "9" * 5_000, "0-" + "9" * 5_000])
def test_a_range_of_any_size_is_no_failure(house: House, digits: str) -> None:
    house.put("/vip/Home/ranged", b"content")
    answer = house.ask("GET", "/path/vip/Home/ranged?action=content", Range=f"bytes={digits}")
    assert (answer.status, answer.body) in [(206, b"content"), (416, b"")]
    assert house.ask("GET", "/path/vip/Home/ranged?action=content", Range="bytes=0-").body == b"content"


@pytest.mark.parametrize("body", [NESTED, MANY, b'{"wants": %s}' % MANY], ids=["deep", "list", "wants"])
def test_wants_of_any_depth_are_refused(house: House, body: bytes) -> None:
    headers = {b"Authorization": b"Bearer x.y"}
    status = told(house, message(b"POST", b"/node/exchange", headers, body))
    is_no_failure(house, status)
    assert status in (400, 401)


@pytest.mark.parametrize("levels", [90, 900, 50_000])
@pytest.mark.parametrize("where", ["descriptor", "inputValues", "admin"])
def test_documents_of_any_depth_are_refused_or_read(house: House, where: str, levels: int) -> None:
    deep = '{"a":' * levels + "1" + "}" * levels
    if where == "admin":
        body = json.dumps({"descriptor": {**FAILER, "custom": 0}}).replace('"custom": 0', f'"custom": {deep}')
        answer = house.ask("POST", "/admin/pipelines", body.encode(), "root", Content_Type="application/json")
    else:
        wanted = {"name": "a", "pipelineIdentifier": "failer/1.0", where: {"x": 0}}
        body = json.dumps(wanted).replace('"x": 0', f'"x": {deep}')
        answer = house.ask("POST", "/executions", body.encode(), Content_Type="application/json")
    assert 400 <= answer.status < 500, answer
    is_no_failure(house, answer.status)


@pytest.mark.parametrize("text", ["\ud800", "a\udcffb", "\x00", "\n"])
def test_text_that_is_no_text_is_refused_wherever_it_stands(house: House, text: str) -> None:
    run = {"name": "a", "pipelineIdentifier": "failer/1.0"}
    documents: list[tuple[str, str, object, str]] = [
        ("POST", "/executions", {**run, "name": text}, "ann"),
        ("POST", "/executions", {**run, "pipelineIdentifier": text}, "ann"),
        ("POST", "/executions", {**run, "inputValues": {text: "1"}}, "ann"),
        ("POST", "/executions", {**run, "inputValues": {"code": text}}, "ann"),
        ("POST", "/executions", {"name": "a", "descriptor": {**FAILER, "description": text}}, "ann"),
        ("POST", "/executions", {**run, "resultsLocation": text}, "ann"),
        ("POST", "/executions", {**run, "studyIdentifier": text}, "ann"),
        ("POST", "/authenticate", {"username": text, "password": text}, ""),
        ("POST", "/session", {"apikey": text}, ""),
        ("PUT", "/user/externalKeys", {"storageIdentifier": text, "apiKey": text}, "ann"),
        ("POST", "/admin/users", {"name": text, "role": text, "groups": [text]}, "root"),
        ("POST", "/admin/groups", {"name": text}, "root"),
        ("POST", "/admin/pipelines", {"descriptor": {text: text}, "groups": [text]}, "root"),
        ("PUT", "/path/vip/Home/x", {"base64Content": text, "md5": text}, "ann"),
    ]
    for method, path, document, user in documents:
        kind = "application/carmin+json" if path.startswith("/path") else "application/json"
        answer = house.ask(method, path, document, user, Content_Type=kind)
        assert 400 <= answer.status < 500, (path, document, answer)


def archives() -> dict[str, bytes]:
    """Whole archives by kind."""
    plain, zipped = io.BytesIO(), io.BytesIO()
    content = bytes(range(256)) * 40
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for name in ("first", "second"):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("first", content)
        archive.writestr("second", content)
    tarred = plain.getvalue()
    return {
        "tar": tarred,
        "zip": zipped.getvalue(),
        "gz": gzip.compress(tarred),
        "bz2": bz2.compress(tarred),
        "xz": lzma.compress(tarred),
    }


def unpacked(house: House, path: str, data: bytes) -> Answer:
    document = {"base64Content": b64encode(data).decode(), "type": "Archive"}
    return house.ask("PUT", f"/path/vip/Home/{path}", document, Content_Type="application/carmin+json")


@pytest.mark.parametrize("kind", ["tar", "zip", "gz", "bz2", "xz"])
def test_a_damaged_archive_is_refused_as_a_whole(house: House, kind: str) -> None:
    whole = archives()[kind]
    assert unpacked(house, f"whole-{kind}", whole).status == 201
    cuts = {"half": whole[: len(whole) // 2], "start": whole[:20], "middle": _flipped(whole, len(whole) // 2)}
    if kind != "tar":  # which has no checksums of contents
        cuts["crc"] = _flipped(whole, len(whole) - 6 if kind != "zip" else whole.rindex(b"PK\x01\x02") + 16)
    if kind == "tar":
        del cuts["middle"]
    for what, data in cuts.items():
        answer = unpacked(house, f"{what}-{kind}", data)
        assert (answer.status, answer.code) == (400, 8000), (what, answer)
        assert not house.exists(f"/vip/Home/{what}-{kind}"), what


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    kind=st.sampled_from(["tar", "zip", "gz", "bz2", "xz"]), at=st.floats(0, 0.999), byte=st.integers(1, 255)
)
def test_an_archive_with_any_byte_changed_is_no_failure(
    house: House, kind: str, at: float, byte: int
) -> None:
    data = bytearray(archives()[kind])
    data[int(at * len(data))] ^= byte
    answer = unpacked(house, "changed", bytes(data))
    assert answer.status in (201, 400), answer


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]


def test_a_chain_of_headers_in_a_tar_is_refused(house: House) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 512
    block = header.tobuf(tarfile.USTAR_FORMAT) + b"11 path=ab\n".ljust(512, b"\0")
    assert unpacked(house, "chain", block * 5_000).status == 400


# --- any bytes ------------------------------------------------------------------------------------

TARGETS = [
    b"/",
    b"/page/watch.js",
    b"/health",
    b"/health/ready",
    b"/metrics",
    b"/node/exchange",
    b"/submit",
    b"/status/x",
    b"/kill",
    b"/se/x",
    b"/rest/platform",
    b"/rest/authenticate",
    b"/rest/session",
    b"/rest/executions",
    b"/rest/executions/count",
    b"/rest/executions/x/jobs/1",
    b"/rest/path/vip/Home/x",
    b"/rest/path/",
    b"/rest/path",
    b"/rest/pipelines/a%2F1.0",
    b"/rest/user/externalKeys/x",
    b"/rest/admin/users/x",
    b"/rest/admin/audit",
    b"/rest/admin/pipelines/a/1",
    b"/rest/openapi.json",
    b"/rest/docs",
]
METHODS = [
    b"GET",
    b"HEAD",
    b"PUT",
    b"POST",
    b"DELETE",
    b"OPTIONS",
    b"MOVE",
    b"PROPFIND",
    b"MKCOL",
    b"PATCH",
    b"X",
]
NAMES = [
    b"Range",
    b"If-Match",
    b"If-None-Match",
    b"If-Range",
    b"Content-Type",
    b"Cookie",
    b"Authorization",
    b"Digest",
    b"Want-Digest",
    b"Destination",
    b"Depth",
    b"Overwrite",
    b"Accept",
    b"Origin",
    b"Expect",
    b"X-Forwarded-For",
    b"Content-Range",
    b"X-Requested-With",
    b"Access-Control-Request-Method",
    b"Content-Encoding",
]
PIECES = [
    b"\xff",
    b"%ff",
    b"%00",
    b"%0a",
    b"%2f",
    b"..",
    b"\\",
    b"?",
    b"#",
    b"[",
    b"http://[",
    b"9" * 5000,
    b"-1",
    b"\xed\xa0\x80",
    b"bytes=",
    b"Bearer ",
    b"Basic ",
    b"s.",
    b"apikey",
    b"application/json",
    b"application/carmin+json",
    b"multipart/form-data",
    b"md5",
    b"sha-256;q=x",
    b"=",
    b";",
    b",",
    b'"',
    b"a" * 300,
    b"e30",
    b"eyJhbGciOiJub25lIn0.e30.",
    b"charset=x",
]
FIELDS = [
    "name",
    "pipelineIdentifier",
    "descriptor",
    "inputValues",
    "wants",
    "url",
    "method",
    "code",
    "groups",
    "username",
    "password",
    "apikey",
    "base64Content",
    "type",
    "md5",
    "role",
    "heads",
    "after",
    "number",
    "workflow",
    "inputs",
    "workflowID",
    "deleteFiles",
    "timeout",
    "sha256",
]
PART = st.one_of(st.sampled_from(PIECES), st.binary(max_size=8))
TEXT = st.lists(PART, max_size=6).map(b"".join)
JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(st.characters(codec=None), max_size=8),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(FIELDS),
            inner,
            max_size=5,
        ),
    ),
    max_leaves=12,
)
BODY = st.one_of(TEXT, JSON.map(lambda value: json.dumps(value).encode()))


def _line(text: bytes) -> bytes:
    return bytes(byte for byte in text if byte not in b"\r\n\0")


@st.composite
def requests(draw: Callable[..., object], key: bytes) -> bytes:
    target = draw(st.sampled_from(TARGETS))
    assert isinstance(target, bytes)
    more = draw(TEXT)
    assert isinstance(more, bytes)
    headers = draw(st.dictionaries(st.sampled_from(NAMES), TEXT.map(_line), max_size=4))
    assert isinstance(headers, dict)
    if draw(st.booleans()):
        headers[b"apikey"] = key
    if draw(st.booleans()):
        headers.setdefault(b"Content-Type", b"application/json")
    method, body = draw(st.sampled_from(METHODS)), draw(BODY)
    assert isinstance(method, bytes)
    assert isinstance(body, bytes)
    return message(method, target + _line(more).replace(b" ", b""), headers, body)


@settings(max_examples=400, suppress_health_check=list(HealthCheck))
@given(data=st.data(), user=st.sampled_from(["ann", "root", "watcher"]))
def test_no_request_makes_a_failure_of_the_server(house: House, data: st.DataObject, user: str) -> None:
    is_no_failure(house, told(house, data.draw(requests(house.keys[user].encode()))))


@settings(max_examples=100, suppress_health_check=list(HealthCheck))
@given(st.lists(PART, max_size=30).map(b"".join))
def test_no_bytes_at_all_make_a_failure_of_the_server(house: House, data: bytes) -> None:
    is_no_failure(house, told(house, data + b"\r\n\r\n"))


@pytest.fixture(scope="module")
def storage(house: House) -> Mapping[bytes, bytes]:
    """What opens the embedded storage of the same daemon."""
    served = Served(house.desk, house.url, house.process, dict(house.variables))
    return {b"Authorization": f"Bearer {served.token()}".encode()}


@settings(max_examples=200, suppress_health_check=list(HealthCheck))
@given(
    method=st.sampled_from(METHODS),
    more=TEXT,
    headers=st.dictionaries(
        st.sampled_from([name for name in NAMES if name != b"Authorization"]), TEXT.map(_line), max_size=4
    ),
    body=st.binary(max_size=20),
)
def test_no_request_for_the_embedded_storage_makes_a_failure_of_the_server(
    house: House,
    storage: Mapping[bytes, bytes],
    method: bytes,
    more: bytes,
    headers: dict[bytes, bytes],
    body: bytes,
) -> None:
    target = b"/se/fuzzed/" + _line(more).replace(b" ", b"")
    is_no_failure(house, told(house, message(method, target, {**headers, **storage}, body)))
