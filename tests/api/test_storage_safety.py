"""What the embedded storage keeps from those who may not, and from those who plant things."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from engine.api.tree import Tree
from engine.app.access import tokens
from engine.app.access.key import Key
from engine.app.access.tokens import READ, WRITE, TokenScope
from engine.errors import Unavailable
from tests.api.conftest import NOW, House

HOSTILE = [
    "../secret",
    "e/../../secret",
    "%2e%2e/secret",
    "e/%2E%2E/%2e%2e/secret",
    "..%2fsecret",
    "e/..%2f..%2fsecret",
    "%2fetc%2fpasswd",
    "e/%00",
    "e/a%00b",
    "./e/../x",
    "e/" + "x" * 256,
    "e/..",
]


def raw(house: House, request: bytes) -> bytes:
    """The status line for a request that no library would send."""
    address = urlsplit(house.server.url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=30) as client:
        client.sendall(request)
        return client.makefile("rb").readline()


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "MKCOL", "PROPFIND", "MOVE"])
def test_no_path_leads_out_of_the_storage(house: House, method: str) -> None:
    secret = house.root.parent / "secret"
    secret.write_text("secret")
    for path in HOSTILE:
        body = b"x" if method == "PUT" else None
        answer = house.ask(method, path, body, Destination=f"{house.url}/e/stolen")
        assert answer.status == 400, path
        assert secret.read_text() == "secret", path
        assert house.files() == [], path


def test_no_destination_leads_out_of_the_storage(house: House) -> None:
    house.ask("PUT", "e/a", b"x")
    for path in HOSTILE:
        assert house.ask("MOVE", "e/a", Destination=f"{house.url}/{path}").status == 400, path
    assert house.ask("MOVE", "e/a", Destination="http://elsewhere.example/x").status == 400
    assert house.ask("MOVE", "e/a").status == 400
    assert house.files() == ["e/a"]


def test_paths_that_no_library_sends_are_refused(house: House) -> None:
    token = house.token()
    for path in (b"/se/../secret", b"//se/e/../../x", b"/se/e\\..\\x/..", b"/se/e/a b"):
        request = b"GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n" % (path, token.encode())
        status = raw(house, request).split()[1]
        assert status in (b"400", b"404")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "MKCOL", "PROPFIND", "MOVE"])
def test_a_planted_link_leads_nowhere(house: House, method: str) -> None:
    outside = house.root.parent / "outside"
    outside.mkdir()
    (outside / "file").write_text("secret")
    (house.root / "e").mkdir()
    (house.root / "e/link").symlink_to(outside)
    (house.root / "e/flink").symlink_to(outside / "file")
    for path in ("e/link/file", "e/link/new"):
        body = b"x" if method == "PUT" else None
        answer = house.ask(method, path, body, Destination=f"{house.url}/e/stolen", Depth="1")
        assert answer.status in (404, 409)
        assert b"secret" not in answer.body
    house.ask("PUT", "e/mine", b"mine")
    assert house.ask("MOVE", "e/mine", Destination=f"{house.url}/e/link/mine").status == 409
    assert sorted(p.name for p in outside.iterdir()) == ["file"]
    assert (outside / "file").read_text() == "secret"


def test_a_link_at_the_end_of_a_path_is_replaced_or_removed_and_never_followed(house: House) -> None:
    outside = house.root.parent / "outside"
    outside.write_text("secret")
    (house.root / "e").mkdir()
    link = house.root / "e/link"
    link.symlink_to(outside)
    assert house.ask("GET", "e/link").status == 404
    assert b"link" not in house.ask("PROPFIND", "e", Depth="1").body
    assert house.ask("PUT", "e/link", b"mine").status == 201
    assert not link.is_symlink()
    link.unlink()
    link.symlink_to(outside)
    assert house.ask("DELETE", "e/link").status == 204
    assert outside.read_text() == "secret"


def test_a_fifo_that_was_planted_holds_nobody_up(house: House) -> None:
    (house.root / "e").mkdir()
    os.mkfifo(house.root / "e/fifo")
    assert house.ask("GET", "e/fifo").status == 404


def test_what_the_storage_keeps_for_itself_is_not_there(house: House) -> None:
    for path in (".parts", ".parts/x", ".anything/y"):
        assert house.ask("GET", path).status == 404
        assert house.ask("PUT", path, b"x").status == 404
        assert house.ask("DELETE", path).status == 404
    assert house.ask("PROPFIND", "", Depth="1").body.count(b"<D:response>") == 1
    assert house.ask("PUT", "e/.attempts/1/a/x", b"x").status == 201  # further down they are anybody's


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer ", "Bearer x", "Bearer x.y", "Basic eDp5", "x"]
)
def test_without_a_token_nothing_is_said(house: House, authorization: str) -> None:
    house.ask("PUT", "e/a", b"x")
    for method in ("GET", "HEAD", "PUT", "DELETE", "MKCOL", "PROPFIND", "MOVE"):
        for path in ("e/a", "e/nothing"):
            for header in ("", f"Authorization: {authorization}\r\n"):
                request = f"{method} /se/{path} HTTP/1.1\r\nHost: x\r\n{header}\r\n"
                assert raw(house, request.encode()).split()[1] == b"401"


def test_a_token_of_one_attempt_is_worth_nothing_at_another(house: House) -> None:
    mine = house.token("e", "1", "mine")
    house.ask("PUT", "e/1/other/file", b"x")
    assert house.ask("PUT", "e/1/mine/file", b"x", token=mine).status == 201
    for path in ("e/1/other/file", "e/1/mine2/file", "e/1", "e", "", "e/1/mine/../other/file"):
        for method in ("GET", "PUT", "DELETE", "PROPFIND"):
            assert house.ask(method, path, b"y" if method == "PUT" else None, token=mine).status in (403, 400)
    out = f"{house.url}/e/1/other/file2"
    assert house.ask("MOVE", "e/1/mine/file", token=mine, Destination=out).status == 403
    assert (
        house.ask("MOVE", "e/1/other/file", token=mine, Destination=f"{house.url}/e/1/mine/x").status == 403
    )
    assert house.files() == ["e/1/mine/file", "e/1/other/file"]


def test_a_token_says_what_may_be_done(house: House) -> None:
    house.ask("PUT", "e/a", b"x")
    only_read = house.token("e", verbs=frozenset({READ}))
    only_write = house.token("e", verbs=frozenset({WRITE}))
    assert house.ask("GET", "e/a", token=only_read).status == 200
    assert house.ask("PROPFIND", "e", token=only_read).status == 207
    assert house.ask("GET", "e/a", token=only_write).status == 403
    for method in ("PUT", "DELETE", "MKCOL", "MOVE"):
        there = f"{house.url}/e/b"
        assert house.ask(method, "e/a", token=only_read, Destination=there).status == 403
    assert house.ask("DELETE", "e/a", token=only_write).status == 403


def test_a_token_that_has_run_out_or_was_changed_is_worth_nothing(house: House) -> None:
    token = house.token("e", seconds=60)
    assert house.ask("PUT", "e/a", b"x", token=token).status == 201
    payload, _, signature = token.partition(".")
    forged = tokens.mint(Key(b"another" * 5), TokenScope((), frozenset({READ}), NOW + 9e9))
    for bad in (f"{payload}A.{signature}", f"{payload}.{signature[:-1]}A", payload, forged, f".{signature}"):
        assert house.ask("GET", "e/a", token=bad).status == 401
    house.now += 60
    assert house.ask("GET", "e/a", token=token).status == 401


def test_a_token_dies_with_its_attempt(house: House) -> None:
    token = house.token("e", attempt="A1")
    assert house.ask("PUT", "e/a", b"x", token=token).status == 201
    house.dead.add("A1")
    assert house.ask("PUT", "e/a", b"y", token=token).status == 401
    assert house.ask("GET", "e/a").body == b"x"


def test_two_servers_do_not_share_a_storage(house: House) -> None:
    with pytest.raises(Unavailable, match="another engine serves"):
        Tree(house.root)


def test_a_root_that_cannot_be_made_is_told_with_its_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match=r"api\.root"):
        Tree(tmp_path / "file")


def test_everything_in_the_storage_is_its_owners_alone(house: House) -> None:
    house.ask("PUT", "e/1/a/file", b"x")
    found = [house.root, *house.root.rglob("*")]
    assert [p for p in found if p.stat().st_mode & 0o077] == []


def test_what_the_disk_cannot_hold_is_refused_before_it_is_sent(house: House) -> None:
    head = f"PUT /se/e/a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {house.token()}\r\n"
    status = raw(house, f"{head}Content-Length: {1 << 60}\r\nExpect: 100-continue\r\n\r\n".encode())
    assert status.split()[1] == b"507"
    assert house.files() == []


def test_a_body_is_asked_for_only_when_it_would_be_kept(house: House) -> None:
    head = f"PUT /se/e/a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {house.token()}\r\n"
    rest = "Content-Length: 1\r\nExpect: 100-continue\r\n\r\n"
    assert raw(house, f"{head}{rest}".encode()).split()[1] == b"100"
    assert raw(house, f"{head}Content-Range: bytes 0-0/1\r\n{rest}".encode()).split()[1] == b"400"
    assert raw(house, f"PUT /se/e/a HTTP/1.1\r\nHost: x\r\n{rest}".encode()).split()[1] == b"401"


def test_a_database_that_does_not_answer_is_no_refusal(house: House) -> None:
    house.dead_reason = "the database fails"
    answer = house.ask("PUT", "e/a", b"x", token=house.token(attempt="A1"))
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert b"database" not in answer.body
    assert house.ask("PUT", "e/a", b"x").status == 201  # the engine itself
