"""What the embedded storage does for those who may."""

from __future__ import annotations

import hashlib
import socket
import subprocess
import time
import zlib
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.ids import new_id
from tests.api.conftest import House, start_house

pytestmark = pytest.mark.whole


def adler32(data: bytes) -> str:
    return f"adler32={zlib.adler32(data):08x}"


def test_what_was_put_comes_back_with_its_checksum(house: House) -> None:
    put = house.ask("PUT", "e/1/a/out.txt", b"content")
    assert (put.status, put.headers["digest"]) == (201, adler32(b"content"))
    got = house.ask("GET", "e/1/a/out.txt", Want_Digest="adler32")
    assert (got.status, got.body, got.headers["digest"]) == (200, b"content", adler32(b"content"))
    assert got.headers["content-type"] == "application/octet-stream"
    head = house.ask("HEAD", "e/1/a/out.txt")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "7")


def test_a_put_replaces_and_an_empty_file_is_a_file(house: House) -> None:
    house.ask("PUT", "e/a", b"long content")
    assert house.ask("PUT", "e/a", b"").status in (201, 204)
    got = house.ask("GET", "e/a", Want_Digest="adler32")
    assert (got.body, got.headers["digest"]) == (b"", "adler32=00000001")
    assert house.files() == ["e/a"]


@pytest.mark.parametrize(
    ("wanted", "name"), [("sha-256", "sha256"), ("md5", "md5"), ("crc32, sha-256;q=0.5, md5;q=0.1", "sha256")]
)
def test_other_checksums_are_told_when_asked_for(house: House, wanted: str, name: str) -> None:
    house.ask("PUT", "e/a", b"content")
    expected = b64encode(hashlib.new(name, b"content").digest()).decode()
    for _ in range(2):  # computed, then kept
        digest = house.ask("HEAD", "e/a", Want_Digest=wanted).headers["digest"]
        assert digest.partition("=")[2] == expected


def test_a_checksum_is_that_of_the_file_as_it_is_now(house: House) -> None:
    house.ask("PUT", "e/a", b"content")
    (house.root / "e/a").write_bytes(b"changed by somebody")
    assert house.ask("HEAD", "e/a", Want_Digest="adler32").headers["digest"] == adler32(
        b"changed by somebody"
    )


def test_a_body_that_is_not_what_its_digest_says_is_not_kept(house: House) -> None:
    refused = house.ask("PUT", "e/a", b"content", Digest="adler32=00000001")
    assert refused.status == 422
    assert house.ask("PUT", "e/b", b"content", Digest=adler32(b"content")).status == 201
    assert house.files() == ["e/b"]


@pytest.mark.parametrize(
    "name", ["with space", "quote'\"$`", "ünïcödé", "new\nline", "percent%20", "ü" * 127]
)
def test_odd_names_come_back(house: House, name: str) -> None:
    assert house.ask("PUT", f"e/{quote(name)}", b"x").status == 201
    assert [p.name for p in (house.root / "e").iterdir()] == [name]
    assert house.ask("GET", f"e/{quote(name)}").body == b"x"
    listed = house.ask("PROPFIND", "e", Depth="1").body.decode()
    assert f"<D:href>/se/e/{quote(name, safe='')}</D:href>" in listed


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(size=st.integers(0, 300), start=st.none() | st.integers(0, 400), stop=st.none() | st.integers(0, 400))
def test_a_range_is_that_slice_of_the_file(
    house: House, size: int, start: int | None, stop: int | None
) -> None:
    data = bytes(n % 251 for n in range(size))
    house.ask("PUT", "e/a", data)
    text = f"bytes={'' if start is None else start}-{'' if stop is None else stop}"
    got = house.ask("GET", "e/a", Range=text)
    if start is None:
        wanted = data if stop is None else data[max(size - stop, 0) :]
    else:
        wanted = data[start:] if stop is None else data[start : stop + 1]
    nonsense = (start is None and stop is None) or (None not in (start, stop) and start > stop)  # type: ignore[operator]
    if nonsense:
        assert (got.status, got.body) == (200, data)
    elif wanted:
        at = size - len(wanted) if start is None else start
        assert (got.status, got.body) == (206, wanted)
        assert got.headers["content-range"] == f"bytes {at}-{at + len(wanted) - 1}/{size}"
    else:
        assert (got.status, got.headers["content-range"]) == (416, f"bytes */{size}")


def test_a_download_goes_on_only_with_the_same_file(house: House) -> None:
    house.ask("PUT", "e/a", b"0123456789")
    tag = house.ask("HEAD", "e/a").headers["etag"]
    assert house.ask("GET", "e/a", Range="bytes=5-", If_Range=tag).body == b"56789"
    assert house.ask("GET", "e/a", If_None_Match=tag).status == 304
    house.ask("PUT", "e/a", b"abcdefghij")
    assert house.ask("GET", "e/a", Range="bytes=5-", If_Range=tag).body == b"abcdefghij"
    assert house.ask("GET", "e/a", If_Match=tag).status == 412


def test_a_directory_is_moved_as_a_whole_and_nothing_is_replaced_unasked(house: House) -> None:
    house.ask("PUT", "e/1/a/x/file", b"one")
    to = {"Destination": f"{house.url}/e/outputs/x", "Overwrite": "F"}
    assert house.ask("MOVE", "e/1/a/x", headers=to).status == 201
    assert house.ask("GET", "e/outputs/x/file").body == b"one"
    house.ask("PUT", "e/1/a/x/file", b"two")
    assert house.ask("MOVE", "e/1/a/x", headers=to).status == 412
    to["Destination"] += "/file"
    assert house.ask("MOVE", "e/1/a/x/file", headers=to).status == 412
    assert house.ask("GET", "e/outputs/x/file").body == b"one"
    assert house.ask("MOVE", "e/1/a/x/file", headers={**to, "Overwrite": "T"}).status == 201
    assert house.ask("GET", "e/outputs/x/file").body == b"two"
    assert house.ask("MOVE", "e/nothing", headers=to).status == 404


def test_a_directory_cannot_be_moved_into_itself(house: House) -> None:
    house.ask("PUT", "e/a/file", b"x")
    assert house.ask("MOVE", "e/a", Destination=f"{house.url}/e/a/b/c").status == 409
    assert house.ask("GET", "e/a/file").body == b"x"


def test_directories_are_made_listed_and_removed(house: House) -> None:
    assert house.ask("MKCOL", "e/dir/").status == 201
    assert house.ask("MKCOL", "e/dir").status == 405
    house.ask("PUT", "e/dir/b", b"12")
    house.ask("PUT", "e/dir/a/deep", b"1")
    listed = house.ask("PROPFIND", "e/dir", Depth="1")
    assert listed.status == 207
    text = listed.body.decode()
    assert [h.partition("<")[0] for h in text.split("<D:href>")[1:]] == [
        "/se/e/dir/",
        "/se/e/dir/a/",
        "/se/e/dir/b",
    ]
    assert "<D:getcontentlength>2</D:getcontentlength>" in text
    assert house.ask("PROPFIND", "e/dir", Depth="0").body.count(b"<D:response>") == 1
    assert house.ask("DELETE", "e/dir").status == 204
    assert house.ask("DELETE", "e/dir").status == 404
    assert house.ask("PROPFIND", "e/dir", Depth="0").status == 404
    assert house.files() == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "e/dir", 404),
        ("PUT", "e/dir", 409),
        ("PUT", "e/dir/", 409),
        ("PUT", "e/dir/file/below", 409),
        ("MKCOL", "e/dir/file", 412),
        ("GET", "e/dir/file/below", 404),
        ("DELETE", "", 404),
        ("PUT", "", 409),
        ("LOCK", "e/dir/file", 405),
        ("POST", "e/dir/file", 405),
    ],
)
def test_files_and_directories_are_not_mixed_up(house: House, method: str, path: str, status: int) -> None:
    house.ask("PUT", "e/dir/file", b"x")
    assert house.ask(method, path, b"y" if method == "PUT" else None).status == status
    assert house.ask("GET", "e/dir/file").body == b"x"


def test_a_body_without_an_announced_size_is_kept_too(house: House, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(range(256)) * 20_000)
    words = [
        "curl",
        "-sf",
        "-H",
        f"Authorization: Bearer {house.token()}",
        "-H",
        "Transfer-Encoding: chunked",
    ]
    subprocess.run([*words, "-T", tmp_path / "big", f"{house.url}/e/big"], check=True)
    assert (house.root / "e/big").read_bytes() == (tmp_path / "big").read_bytes()


def test_an_upload_that_is_cut_leaves_what_was_there_before(house: House) -> None:
    house.ask("PUT", "e/a", b"good")
    address = urlsplit(house.server.url)
    with socket.create_connection((address.hostname or "", address.port or 0)) as client:
        head = f"PUT /se/e/a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {house.token()}\r\n"
        client.sendall(f"{head}Content-Length: 10000000\r\n\r\n".encode() + b"x" * 5_000_000)
    until_no_parts(house)
    assert house.ask("GET", "e/a").body == b"good"
    assert house.files() == ["e/a"]


def until_no_parts(house: House) -> None:
    """The server hears of the end a moment after us."""
    time.sleep(0.05)
    while list((house.root / ".parts").iterdir()):
        time.sleep(0.02)


def test_of_uploads_at_a_time_one_is_there_as_a_whole(house: House) -> None:
    bodies = [bytes([n]) * 3_000_000 for n in range(6)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda body: house.ask("PUT", "e/deep/a", body).status, bodies))
    assert set(answers) <= {201, 204}
    assert (house.root / "e/deep/a").read_bytes() in bodies
    assert house.files() == ["e/deep/a"]


def test_what_was_being_received_when_the_server_was_killed_is_swept(tmp_path: Path) -> None:
    (tmp_path / "storage/.parts").mkdir(parents=True)
    (tmp_path / "storage/.parts/01KX").write_bytes(b"half a file")
    house, storage, tree = start_house(tmp_path / "storage")
    assert house.files() == []
    house.server.stop()
    storage.close()
    tree.close()


def test_more_than_the_quota_is_refused_before_it_is_sent(small_house: House) -> None:
    house = small_house
    attempt = house.token(attempt="A1")
    assert house.ask("PUT", "e/a", b"x" * 600, attempt).status == 201
    refused = house.ask("PUT", "e/b", b"x" * 600, attempt)
    assert (refused.status, refused.body) == (507, b"no more than 1000 bytes may be kept here\n")
    assert house.ask("PUT", "other/b", b"x" * 600, attempt).status == 201
    assert house.ask("DELETE", "e/a").status == 204
    assert house.ask("PUT", "e/b", b"x" * 600, attempt).status == 201
    assert house.ask("PUT", "e/c", b"x" * 600).status == 201  # the engine itself
    assert house.files() == ["e/b", "e/c", "other/b"]


def test_executions_in_the_virtual_tree_have_a_quota_each(small_house: House) -> None:
    house, attempt = small_house, small_house.token(attempt="A1")
    account, one, other = new_id(), new_id(), new_id()
    places = [f"vip/users/{account}/executions/{one}", f"vip/users/{account}/executions/{other}"]
    places += [f"vip/users/{account}/home/study/{one}", f"vip/groups/{account}/{one}"]
    for place in places:
        assert house.ask("PUT", f"{place}/outputs/a", b"x" * 600, attempt).status == 201, place
    for place in places:
        assert house.ask("PUT", f"{place}/outputs/b", b"x" * 600, attempt).status == 507, place
    assert house.ask("DELETE", f"{places[0]}/outputs/a").status == 204
    assert house.ask("PUT", f"{places[0]}/outputs/b", b"x" * 600, attempt).status == 201


def test_a_quota_holds_for_bodies_of_unknown_size_and_counts_what_went_by_another_way(
    small_house: House, tmp_path: Path
) -> None:
    (tmp_path / "big").write_bytes(b"x" * 2000)
    token = f"Authorization: Bearer {small_house.token(attempt='A1')}"
    words = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", token]
    words += ["-H", "Transfer-Encoding: chunked", "-T", str(tmp_path / "big"), f"{small_house.url}/e/big"]
    assert subprocess.run(words, capture_output=True, text=True).stdout == "507"
    attempt = small_house.token(attempt="A1")
    assert small_house.ask("PUT", "e/a", b"x" * 900, attempt).status == 201
    (small_house.root / "e/a").unlink()
    assert small_house.ask("PUT", "e/b", b"x" * 900, attempt).status == 201
    assert small_house.files() == ["e/b"]


def test_uploads_at_a_time_do_not_pass_the_quota_together(small_house: House) -> None:
    attempt = small_house.token(attempt="A1")
    with ThreadPoolExecutor(8) as pool:
        asked = pool.map(lambda n: small_house.ask("PUT", f"e/{n}", b"x" * 300, attempt), range(8))
        answers = [answer.status for answer in asked]
    assert sorted(answers) == [201] * 3 + [507] * 5
