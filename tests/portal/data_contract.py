"""CARMIN-Data: the virtual tree, as a client sees it over the wire, whatever holds it."""

from __future__ import annotations

import base64
import hashlib
import http.client
import io
import tarfile
import zipfile
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.cli.desk import until
from tests.portal.house import House

ENVELOPE = "application/carmin+json"
RAW = "application/octet-stream"


def zipped(files: Mapping[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


def tarred(*infos: tarfile.TarInfo, **files: bytes) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for info in infos:
            archive.addfile(info)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return made.getvalue()


def link(name: str, target: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def envelope(content: bytes, kind: str = "Archive", **more: Any) -> dict[str, Any]:
    return {"base64Content": base64.b64encode(content).decode(), "type": kind, **more}


EVIL = {
    "parent": zipped({"../../evil.txt": b"x"}),
    "absolute": zipped({"/evil.txt": b"x"}),
    "backslash": zipped({"..\\evil.txt": b"x"}),
    "deep parent": zipped({"a/../../../../evil.txt": b"x"}),
    "tar parent": tarred(**{"../evil.txt": b"x"}),
    "symbolic link": tarred(link("l", "/etc", tarfile.SYMTYPE), **{"l/evil.txt": b"x"}),
    "hard link": tarred(link("l", "/etc/passwd", tarfile.LNKTYPE)),
    "device": tarred(link("d", "", tarfile.CHRTYPE)),
    "fifo": tarred(link("f", "", tarfile.FIFOTYPE)),
    "no archive": b"nothing that can be unpacked",
    "cut zip": zipped({"a.txt": b"x" * 1000})[:-40],
    "long name": zipped({"n" * 300: b"x"}),
}


TRAVERSALS = [
    "/vip/Home/../../users",
    "/vip/Home/%2e%2e/%2e%2e/x",
    "/vip/Home/%2E%2E%2Fx",
    "/vip/Home/..%2f..%2fx",
    "/vip/Home/%252e%252e/x",
    "/vip/Home/a/./b",
    "/vip/Home/%00",
    "/vip/Home/a%00b",
    "/vip/Homeward/x",
    "/vipx/Home",
    "/etc/passwd",
    "//etc/passwd",
    "/%2fetc/passwd",
    "/vip/Users/x",
    "/vip/users/x",
    "/vip/.parts",
    "/vip/Home/" + "n" * 256,
    "/vip/%ff%fe",
]


class DataContract:
    """What clients are promised. A subclass gives a `house`."""

    MEMORY = 64 << 20
    """Bytes that a large file may take."""

    def test_what_is_put_is_read_listed_and_summed(self, house: House) -> None:
        content = bytes(range(256)) * 5000
        house.put("/vip/Home/data/a.bin", content)
        assert house.read("/vip/Home/data/a.bin") == content
        told = house.ok("GET", "/path/vip/Home/data/a.bin?action=properties").json
        assert told["path"] == told["platformPath"] == "/vip/Home/data/a.bin"
        assert (told["size"], told["isDirectory"], told["exists"]) == (len(content), False, True)
        [listed] = house.ok("GET", "/path/vip/Home/data?action=list").json
        assert listed == told
        summed = house.ok("GET", "/path/vip/Home/data/a.bin?action=md5").json
        assert summed == {"md5": hashlib.md5(content).hexdigest()}

    def test_a_directory_is_made_by_an_empty_put_and_answers_where_it_is(self, house: House) -> None:
        made = house.ok("PUT", "/path/vip/Home/made/below/")
        assert made.status == 201
        assert made.headers["location"] == "/rest/path/vip/Home/made/below"
        assert made.json["isDirectory"]
        assert house.ok("GET", "/path/vip/Home/made/below?action=list").json == []

    def test_an_empty_file_is_a_file(self, house: House) -> None:
        house.put("/vip/Home/empty.txt", b"")
        assert not house.ok("GET", "/path/vip/Home/empty.txt?action=properties").json["isDirectory"]
        assert house.read("/vip/Home/empty.txt") == b""

    @pytest.mark.parametrize("name", ["Zoë Müller (α).txt", "a b+c&d=e#g%41.txt", "日本.nii.gz", "-rf", "~"])
    def test_names_of_any_language_are_kept(self, house: House, name: str) -> None:
        from urllib.parse import quote

        house.ok("PUT", "/path/vip/Home/names/")
        path = f"/vip/Home/names/{quote(name)}"
        made = house.ok("PUT", f"/path{path}", b"x", Content_Type=RAW)
        made.headers["location"].encode("ascii")
        assert made.json["path"] == f"/vip/Home/names/{name}"
        assert house.read(path) == b"x"

    def test_a_name_with_a_question_mark_is_kept_or_refused_in_plain_words(self, house: House) -> None:
        answer = house.ask("PUT", "/path/vip/Home/what%3F.txt", b"x", Content_Type=RAW)
        if answer.status == 201:
            assert house.read("/vip/Home/what%3F.txt") == b"x"
        else:  # XRootD cannot rename to such a name
            assert answer.code == 8000
            assert "cannot be done" in answer.json["errorMessage"]
            assert not house.exists("/vip/Home/what%3F.txt")

    @pytest.mark.parametrize(
        ("wanted", "status", "body", "told"),
        [
            ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
            ("bytes=-2", 206, b"89", "bytes 8-9/10"),
            ("bytes=4-", 206, b"456789", "bytes 4-9/10"),
            ("bytes=20-", 416, b"", "bytes */10"),
            ("bytes=9-3", 200, b"0123456789", None),
            ("lines=1-2", 200, b"0123456789", None),
        ],
    )
    def test_a_part_of_a_file_can_be_had(
        self, house: House, wanted: str, status: int, body: bytes, told: str | None
    ) -> None:
        house.put("/vip/Home/ten.txt", b"0123456789")
        answer = house.ask("GET", "/path/vip/Home/ten.txt?action=content", Range=wanted)
        assert (answer.status, answer.body, answer.headers.get("content-range")) == (status, body, told)

    def test_a_client_that_has_the_file_is_not_sent_it_again(self, house: House) -> None:
        house.put("/vip/Home/same.txt", b"same")
        path = "/path/vip/Home/same.txt?action=content"
        until(lambda: "etag" in house.ok("GET", path).headers)  # not while it is so new that it may change
        tag = house.ok("GET", path).headers["etag"]
        assert house.ask("GET", "/path/vip/Home/same.txt?action=content", If_None_Match=tag).status == 304

    def test_a_directory_comes_as_a_tar_without_its_own_name(self, house: House) -> None:
        house.put("/vip/Home/packed/one.txt", b"1" * 3_000_000)
        house.put("/vip/Home/packed/sub/two.txt", b"2")
        with tarfile.open(fileobj=io.BytesIO(house.read("/vip/Home/packed"))) as tar:
            assert sorted(tar.getnames()) == ["one.txt", "sub", "sub/two.txt"]
            two = tar.extractfile("sub/two.txt")
            assert two is not None
            assert two.read() == b"2"

    def test_what_is_deleted_lies_in_the_trash_and_then_is_gone(self, house: House) -> None:
        for content in (b"first", b"second"):
            house.put("/vip/Home/gone.txt", content)
            assert house.ok("DELETE", "/path/vip/Home/gone.txt").status == 204
        assert not house.exists("/vip/Home/gone.txt")
        found = [one["path"] for one in house.ok("GET", "/path/vip/Trash?action=list").json]
        mine = [path for path in found if path.endswith("gone.txt")]
        assert sorted(house.read(path) for path in mine) == [b"first", b"second"]
        for path in mine:
            house.ok("DELETE", f"/path{path}")
            assert not house.exists(path)

    def test_the_roots_are_there_and_stay(self, house: House) -> None:
        roots = [one["path"] for one in house.ok("GET", "/path/vip?action=list").json]
        assert roots == ["/vip/Home", "/vip/Trash", "/vip/brain team (group)"]
        assert [one["path"] for one in house.ok("GET", "/path/?action=list").json] == ["/vip"]
        for path in ("/", "/vip", "/vip/", "/vip/Home", "/vip/Home/", "/vip/Trash"):
            assert house.exists(path)
            assert house.ask("DELETE", f"/path{path}").code == 8013
            assert house.ask("PUT", f"/path{path}", b"x", Content_Type="text/plain").status in (201, 400)
        assert house.ok("GET", "/path/vip/Home?action=properties").json["isDirectory"]

    def test_members_of_a_group_share_its_files_and_others_do_not_see_it(self, house: House) -> None:
        path = "/vip/brain%20team%20(group)/shared.txt"
        house.put(path, b"ours", user="ann")
        assert house.read(path, user="carl") == b"ours"
        for method, query in (("GET", "?action=content"), ("GET", "?action=exists"), ("DELETE", "")):
            assert house.ask(method, f"/path{path}{query}", user="bob").code == 8013
        assert house.ask("PUT", f"/path{path}", b"theirs", user="bob").code == 8013

    def test_a_file_inside_of_json_is_written_if_its_md5_is_right(self, house: House) -> None:
        right = envelope(b"content", "File", md5=hashlib.md5(b"content").hexdigest())
        house.ok("PUT", "/path/vip/Home/json.txt", right, Content_Type=ENVELOPE)
        assert house.read("/vip/Home/json.txt") == b"content"
        wrong = {**right, "md5": "0" * 32}
        assert house.ask("PUT", "/path/vip/Home/json2.txt", wrong, Content_Type=ENVELOPE).code == 8009
        assert not house.exists("/vip/Home/json2.txt")

    @pytest.mark.parametrize("pack", [lambda f: zipped(f), lambda f: tarred(**f)], ids=["zip", "tar"])
    def test_an_archive_is_unpacked_where_it_is_put(self, house: House, pack: Any, request: Any) -> None:
        where = f"/vip/Home/unpacked-{request.node.callspec.id}"
        archive = envelope(pack({"a.txt": b"a", "sub/b.txt": b"b"}))
        house.ok("PUT", f"/path{where}", archive, Content_Type=ENVELOPE)
        assert house.read(f"{where}/sub/b.txt") == b"b"

    @pytest.mark.parametrize("data", EVIL.values(), ids=EVIL)
    def test_an_archive_that_leads_elsewhere_is_refused_and_leaves_nothing(
        self, house: House, data: bytes
    ) -> None:
        answer = house.ask("PUT", "/path/vip/Home/evil", envelope(data), Content_Type=ENVELOPE)
        assert answer.status == 400
        assert answer.code in (8000, 8009)
        assert not list(house.desk.directory.parent.rglob("evil.txt"))
        found = house.ok("GET", "/path/vip/Home/evil?action=exists").json
        if found["exists"]:
            assert house.ok("GET", "/path/vip/Home/evil?action=list").json == []

    @pytest.mark.parametrize(
        "document",
        [b"", b"{", b"[]", b'{"type": "File"}', b'{"base64Content": "?", "type": "File"}', b"[" * 100_000],
    )
    def test_a_document_that_is_none_is_refused(self, house: House, document: bytes) -> None:
        answer = house.ask("PUT", "/path/vip/Home/doc.txt", document, Content_Type=ENVELOPE)
        assert answer.code == 8009

    @pytest.mark.parametrize("path", TRAVERSALS)
    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
    def test_no_spelling_of_a_path_leads_out_of_what_is_ones_own(
        self, house: House, path: str, method: str
    ) -> None:
        answer = house.ask(method, f"/path{path}", b"x" if method == "PUT" else None)
        if answer.status < 300:  # a strange name, but inside
            assert "%252e" in path
            return
        assert 400 <= answer.status < 500
        assert answer.code in (8000, 8013)
        assert str(house.desk.home) not in answer.body.decode()

    def test_the_files_of_another_user_are_reached_by_no_path(self, house: House) -> None:
        house.put("/vip/Home/secret.txt", b"bob's", user="bob")
        id_ = house.ids["bob"]
        for path in (f"/vip/users/{id_}/home/secret.txt", f"/vip/Home/../../{id_}/home/secret.txt"):
            assert house.ask("GET", f"/path{path}?action=content").status == 400
        assert not house.exists("/vip/Home/secret.txt")

    def test_an_upload_that_breaks_off_leaves_nothing(self, house: House) -> None:
        connection = http.client.HTTPConnection(urlsplit(house.url).netloc, timeout=60)
        connection.putrequest("PUT", "/rest/path/vip/Home/broken.bin")
        connection.putheader("apikey", house.keys["ann"])
        connection.putheader("Content-Length", "1000000")
        connection.putheader("Content-Type", "application/octet-stream")
        connection.endheaders()
        connection.send(b"x" * 1000)
        connection.close()
        assert not house.exists("/vip/Home/broken.bin")

    def test_big_files_take_no_memory_in_either_direction(self, house: House) -> None:
        before = house.peak()
        connection = http.client.HTTPConnection(urlsplit(house.url).netloc, timeout=120)
        size, piece = 300 << 20, bytes(1 << 20)
        headers = {
            "apikey": house.keys["ann"],
            "Content-Length": str(size),
            "Content-Type": "application/octet-stream",
        }
        connection.request("PUT", "/rest/path/vip/Home/big.bin", (piece for _ in range(300)), headers)
        assert connection.getresponse().read() is not None
        key = {"apikey": house.keys["ann"]}
        for path in ("big.bin", ""):
            connection.request("GET", f"/rest/path/vip/Home/{path}?action=content", headers=key)
            answer, got = connection.getresponse(), 0
            while chunk := answer.read(1 << 20):
                got += len(chunk)
            assert got >= size
        connection.close()
        house.ok("DELETE", "/path/vip/Home/big.bin")
        assert house.peak() - before < self.MEMORY

    def test_no_more_is_kept_than_a_quota_allows(self, house: House) -> None:
        house.put("/vip/Home/quota/some.bin", b"x" * 100_000, user="carl")
        house.engine("user", "quota", "carl", "--bytes", "150000")
        more = "/path/vip/Home/quota/more.bin"
        answer = house.ask("PUT", more, b"x" * 100_000, "carl", Content_Type=RAW)
        assert (answer.status, answer.code) == (413, 8000)
        packed = envelope(zipped({"a.bin": b"x" * 100_000}))
        answer = house.ask("PUT", "/path/vip/Home/quota/in", packed, "carl", Content_Type=ENVELOPE)
        assert (answer.status, answer.code) == (413, 8000)
        house.put("/vip/Home/quota/little.bin", b"x" * 10_000, user="carl")
        house.ok("DELETE", "/path/vip/Home/quota/some.bin", user="carl")
        assert (
            house.ask("PUT", more, b"x" * 100_000, "carl", Content_Type=RAW).status == 413
        )  # the trash counts
        house.ok("DELETE", "/path/vip/Trash/some.bin", user="carl")
        house.ok("PUT", more, b"x" * 100_000, "carl", Content_Type=RAW)

    @pytest.mark.parametrize("action", ["delete", "", "contents", "EXISTS"])
    def test_an_unknown_action_is_refused(self, house: House, action: str) -> None:
        assert house.ask("GET", f"/path/vip/Home?action={action}").code == 8009

    def test_a_file_is_no_directory_and_a_directory_no_file(self, house: House) -> None:
        house.put("/vip/Home/kind/file.txt", b"x")
        assert house.ask("GET", "/path/vip/Home/kind/file.txt?action=list").code == 8000
        assert house.ask("GET", "/path/vip/Home/kind?action=md5").code == 8000
        assert house.ask("PUT", "/path/vip/Home/kind/file.txt/below", b"x").code == 8000
        assert house.ask("PUT", "/path/vip/Home/kind", b"x", Content_Type="text/plain").code == 8000
        assert house.ask("GET", "/path/vip/Home/none?action=content").code == 8000
        assert house.ask("DELETE", "/path/vip/Home/none").code == 8000
