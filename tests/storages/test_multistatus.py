"""What WebDAV servers answer to PROPFIND is read, or refused in a line."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.ports import Stat
from engine.storages import multistatus
from wrappers.transfer.errors import Transient

NGINX = b"""<?xml version="1.0" encoding="utf-8" ?>
<D:multistatus xmlns:D="DAV:"><D:response><D:href>/n/</D:href><D:propstat><D:prop>
<D:getlastmodified>Sat, 21 Nov 2026 14:05:24 GMT</D:getlastmodified>
<D:resourcetype><D:collection/></D:resourcetype></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>
</D:response><D:response><D:href>/n/with%20space</D:href><D:propstat><D:prop>
<D:getcontentlength>5</D:getcontentlength><D:getlastmodified>Sat, 21 Nov 2026 14:05:24 GMT</D:getlastmodified>
<D:resourcetype></D:resourcetype></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>
<D:propstat><D:prop><D:getcontentlength>99</D:getcontentlength></D:prop>
<D:status>HTTP/1.1 404 Not Found</D:status></D:propstat></D:response></D:multistatus>"""
XROOTD = b"""<?xml version="1.0" encoding="utf-8"?>
<D:multistatus xmlns:D="DAV:"><D:response xmlns:lp1="DAV:" xmlns:lp3="LCGDM:"><D:href>/n/with space</D:href>
<D:propstat><D:prop><lp1:getcontentlength>5</lp1:getcontentlength>
<lp1:getlastmodified>Sat, 21 Nov 2026 14:05:24 GMT</lp1:getlastmodified><lp1:iscollection>0</lp1:iscollection>
</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response></D:multistatus>"""


def test_nginx_is_understood() -> None:
    directory, file = multistatus.parse(NGINX, "http://x/n")
    assert directory.stat == Stat(0, 1795269924.0, directory=True)
    assert (file.name(escaped=True), file.stat) == ("with space", Stat(5, 1795269924.0))
    assert not multistatus.looks_unescaped([directory, file])


def test_the_unescaped_paths_of_xrootd_are_noticed() -> None:
    [file] = multistatus.parse(XROOTD, "http://x/n")
    assert multistatus.looks_unescaped([file])
    assert (file.name(escaped=False), file.stat) == ("with space", Stat(5, 1795269924.0))


@pytest.mark.parametrize("text", [b"", b"<html></html>", b"<a>", b"not xml", NGINX[:200], b"\xff\xfe"])
def test_anything_else_is_refused(text: bytes) -> None:
    with pytest.raises(Transient, match="not a WebDAV answer"):
        multistatus.parse(text, "http://x/n")


def test_entities_do_not_grow_without_end() -> None:
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    bomb = f'<!DOCTYPE d [<!ENTITY e0 "xxxxxxxxxx">{levels}]><d>&e9;</d>'
    with pytest.raises(Transient, match="not a WebDAV answer"):
        multistatus.parse(bomb.encode(), "http://x/n")


@given(st.integers(-(10**9), 10**11))
def test_a_date_is_its_moment(seconds: int) -> None:
    assert multistatus.seconds(formatdate(seconds, usegmt=True)) == seconds


@given(st.text(st.characters(exclude_categories=["Nd"])))
@example("Sat, 21 Nov 99999999999999999999 14:05:24 GMT")
@example(f"Sat, 21 Nov 2026 14:05:24 +{'9' * 20}")
@example("Sat, 31 Feb 2026 14:05:24 GMT")
def test_what_is_no_date_is_none(text: str) -> None:
    assert multistatus.seconds(text) == 0.0


@pytest.mark.parametrize("size", ["²", "-5", "9" * 5000])
def test_what_is_no_size_is_none(size: str) -> None:
    _, file = multistatus.parse(NGINX.replace(b">5<", f">{size}<".encode()), "http://x/n")
    assert file.stat.size == 0
