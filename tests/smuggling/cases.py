"""Requests whose end two programs may see at different places, and what of them an application may be given.

Every case ends with a request for `/last`, after which the connection is closed. `SMUGGLED` stands where only
a server that is mistaken about the end of the request before it finds one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

HOST = b"Host: x\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class Request(NamedTuple):
    """What an application is given."""

    method: str
    path: str
    body: bytes | None = b""
    """None: it broke off."""


LAST_REQUEST = Request("GET", "/last")


@dataclass(frozen=True)
class Case:
    """Bytes of one connection."""

    name: str
    pieces: tuple[bytes, ...]
    """What is sent, each when the one before it was read."""
    readings: tuple[tuple[Request, ...], ...]
    """What RFC 9112 lets a server find; it may stop, and close, within any of these."""
    whole: bool = False
    """It is correct, and the whole of it must be answered."""

    def allows(self, seen: list[Request]) -> bool:
        """Whether an application may have been given these."""
        if self.whole:
            return tuple(seen) in self.readings
        return any(
            len(seen) <= len(reading)
            and all(_within(one, other) for one, other in zip(seen, reading, strict=False))
            for reading in (*self.readings, ())
        )


def _within(seen: Request, allowed: Request) -> bool:
    return seen == allowed or seen == allowed._replace(body=None)


def head(start: str, *lines: str) -> bytes:
    """The beginning of a request; lines are fields without their end, a character a byte."""
    return "\r\n".join([start, "Host: x", *lines, "", ""]).encode("latin-1")


def post(body: bytes) -> Request:
    """The request that every case begins with."""
    return Request("POST", "/first", body)


def chunked(*pieces: bytes) -> bytes:
    """A body in chunks."""
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


POST = "POST /first HTTP/1.1"
LENGTH = f"Content-Length: {len(SMUGGLED)}"
CHUNKED = "Transfer-Encoding: chunked"
READ = (post(SMUGGLED), LAST_REQUEST)
EMPTY = b"0\r\n\r\n"


def every_case() -> list[Case]:
    """All of them."""
    return [
        *_upgrades(),
        *_length_and_encoding(),
        *_encodings(),
        *_folds(),
        *_line_ends(),
        *_chunks(),
        *_lengths(),
        *_pipelines(),
        *_expectations(),
        *_targets(),
        *_old_versions(),
        *_fields(),
    ]


def _upgrades() -> Iterator[Case]:
    """An offer of another protocol that is not taken is ignored (RFC 9110, 7.8)."""
    offers = {
        "h2c": ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"),
        "websocket": (
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version: 13",
        ),
        "an unknown protocol": ("Connection: upgrade", "Upgrade: foo"),
        "several": ("Connection: keep-alive, Upgrade", "Upgrade: foo/1, websocket, h2c"),
        "nothing in Connection": ("Upgrade: h2c",),
        "TLS": ("Connection: Upgrade", "Upgrade: TLS/1.0"),
    }
    for name, lines in offers.items():
        with_length = head(POST, *lines, LENGTH)
        whole = chunked(SMUGGLED)
        yield Case(
            f"upgrade to {name}, no body",
            (head("GET /first HTTP/1.1", *lines), LAST),
            ((Request("GET", "/first"), LAST_REQUEST),),
            whole=True,
        )
        yield Case(f"upgrade to {name}, body at once", (with_length + SMUGGLED + LAST,), (READ,), whole=True)
        yield Case(f"upgrade to {name}, body later", (with_length, SMUGGLED, LAST), (READ,), whole=True)
        yield Case(
            f"upgrade to {name}, body in parts",
            (head(POST, *lines, f"Content-Length: {len(SMUGGLED) + 3}") + b"abc", SMUGGLED, LAST),
            ((post(b"abc" + SMUGGLED), LAST_REQUEST),),
            whole=True,
        )
        yield Case(
            f"upgrade to {name}, chunks",
            (head(POST, *lines, CHUNKED), whole[:4], whole[4:], LAST),
            (READ,),
            whole=True,
        )


def _length_and_encoding() -> Iterator[Case]:
    """The encoding counts, and the connection ends (RFC 9112, 6.1)."""
    for name, lines in {
        "CL.TE": ("Content-Length: 5", CHUNKED),
        "TE.CL": (CHUNKED, "Content-Length: 5"),
        "CL.TE.CL": ("Content-Length: 5", CHUNKED, "Content-Length: 5"),
        "CL.TE, length of zero": ("Content-Length: 0", CHUNKED),
        "CL.TE, an upgrade": ("Connection: Upgrade", "Upgrade: h2c", "Content-Length: 5", CHUNKED),
    }.items():
        yield Case(name, (head(POST, *lines) + EMPTY + SMUGGLED, LAST), ((post(b""),),))
    yield Case(
        "CL.TE, the rest within the length",
        (head(POST, f"Content-Length: {len(EMPTY + SMUGGLED)}", CHUNKED) + EMPTY + SMUGGLED, LAST),
        ((post(b""),),),
    )
    inside = chunked(SMUGGLED)
    yield Case(
        "TE.CL, the length ends within a chunk",
        (head(POST, CHUNKED, "Content-Length: 4") + inside, LAST),
        ((post(SMUGGLED),),),
    )


def _encodings() -> Iterator[Case]:
    """Encodings that one program reads and another does not: never two opinions."""
    for name, line in {
        "xchunked": "Transfer-Encoding: xchunked",
        "chunked twice": "Transfer-Encoding: chunked, chunked",
        "chunked not last": "Transfer-Encoding: chunked, identity",
        "identity": "Transfer-Encoding: identity",
        "quoted": 'Transfer-Encoding: "chunked"',
        "a vertical tab": "Transfer-Encoding: \x0bchunked",
        "a form feed": "Transfer-Encoding: chunked\x0c",
        "a NUL": "Transfer-Encoding: chunked\x00",
        "a high byte": "Transfer-Encoding: \xffchunked",
        "an empty one": "Transfer-Encoding:",
        "space before the colon": "Transfer-Encoding : chunked",
        "tab before the colon": "Transfer-Encoding\t: chunked",
        "space before the name": " Transfer-Encoding: chunked",
        "a parameter": "Transfer-Encoding: chunked;q=1",
    }.items():
        both = head(POST, line, LENGTH)
        yield Case(f"TE: {name}, and a length", (both + SMUGGLED, LAST), ())
        yield Case(f"TE: {name}", (head(POST, line) + EMPTY + SMUGGLED, LAST), ())
    for name, lines in {
        "chunked and another": (CHUNKED, "Transfer-Encoding: x"),
        "another and chunked": ("Transfer-Encoding: x", CHUNKED),
        "chunked and identity": (CHUNKED, "Transfer-Encoding: identity"),
        "chunked in two lines": (CHUNKED, CHUNKED),
        "gzip, chunked": ("Transfer-Encoding: gzip, chunked",),
    }.items():
        yield Case(f"TE.TE: {name}", (head(POST, *lines) + EMPTY + SMUGGLED, LAST), ())
    for name, line in {
        "upper case": "TRANSFER-ENCODING: CHUNKED",
        "no space": "Transfer-Encoding:chunked",
        "a tab": "Transfer-Encoding:\tchunked\t",
    }.items():
        yield Case(f"TE: {name}", (head(POST, line) + chunked(SMUGGLED) + LAST,), (READ,), whole=True)


def _folds() -> Iterator[Case]:
    """A folded line is refused, or read as one with a space in place of the fold (RFC 9112, 5.2)."""
    yield Case("obs-fold: a field", (head(POST, "X: a\r\n b", LENGTH) + SMUGGLED + LAST,), (READ,))
    yield Case(
        "obs-fold: an encoding",
        (head(POST, "Transfer-Encoding:\r\n chunked") + chunked(SMUGGLED) + LAST,),
        (READ,),
    )
    yield Case(
        "obs-fold: a length", (head(POST, f"Content-Length:\r\n {len(SMUGGLED)}") + SMUGGLED + LAST,), (READ,)
    )
    yield Case(
        "obs-fold: a length of two digits, apart",
        (head(POST, "Content-Length: 1\r\n 0") + SMUGGLED, LAST),
        (),
    )
    yield Case(
        "obs-fold: an encoding in another field",
        (head(POST, "X: a\r\n Transfer-Encoding: chunked", LENGTH) + SMUGGLED + LAST,),
        (READ,),
    )
    yield Case(
        "obs-fold: before the first field",
        (b"POST /first HTTP/1.1\r\n X: y\r\nHost: x\r\n" + LENGTH.encode() + b"\r\n\r\n" + SMUGGLED, LAST),
        (READ,),
    )


def _line_ends() -> Iterator[Case]:
    """A line feed alone ends a line or is refused; a carriage return alone is a space or refused (2.2)."""
    length = LENGTH.encode()
    yield Case(
        "LF: every line", (b"POST /first HTTP/1.1\nHost: x\n" + length + b"\n\n" + SMUGGLED + LAST,), (READ,)
    )
    yield Case(
        "LF: one field",
        (b"POST /first HTTP/1.1\r\nHost: x\nX: y\r\n" + length + b"\r\n\r\n" + SMUGGLED + LAST,),
        (READ,),
    )
    yield Case(
        "LF: a field within a field",
        (head(POST, "X: a\nTransfer-Encoding: chunked", LENGTH) + chunked(SMUGGLED), LAST),
        ((post(SMUGGLED),),),
    )
    yield Case("LF: the empty line", (head(POST, LENGTH)[:-2] + b"\n" + SMUGGLED + LAST,), (READ,))
    yield Case(
        "CR: within a value",
        (head(POST, "X: a\rTransfer-Encoding: chunked", LENGTH) + SMUGGLED + LAST,),
        (READ,),
    )
    yield Case(
        "CR: at the end of a line",
        (b"POST /first HTTP/1.1\rHost: x\r\n" + length + b"\r\n\r\n" + SMUGGLED, LAST),
        (),
    )
    yield Case("CR: twice", (head(POST, "X: a\r", LENGTH) + SMUGGLED + LAST,), (READ,))
    yield Case("CR: the empty line", (head(POST, LENGTH)[:-2] + b"\r\r\n" + SMUGGLED, LAST), ())
    yield Case("empty lines before a request", (b"\r\n" + head(POST, LENGTH) + SMUGGLED + LAST,), (READ,))


def _chunks() -> Iterator[Case]:
    """Chunks end where their sizes say; what is not their grammar is refused."""
    begin = head(POST, CHUNKED)
    size = b"%x" % len(SMUGGLED)
    yield Case(
        "chunk extension",
        (begin + size + b";a=b\r\n" + SMUGGLED + b"\r\n0\r\n\r\n" + LAST,),
        (READ,),
        whole=True,
    )
    yield Case(
        "chunk extension, quoted",
        (begin + size + b';a="b"\r\n' + SMUGGLED + b"\r\n0\r\n\r\n" + LAST,),
        (READ,),
        whole=True,
    )
    yield Case(
        "chunks, byte by byte",
        tuple(bytes([one]) for one in begin + chunked(b"ab") + LAST),
        ((post(b"ab"), LAST_REQUEST),),
        whole=True,
    )
    yield Case(
        "trailers",
        (begin + size + b"\r\n" + SMUGGLED + b"\r\n0\r\nX: y\r\nContent-Length: 5\r\n\r\n" + LAST,),
        (READ,),
    )
    broken = (post(b""),)
    for name, text in {
        "a line feed in an extension": b"2;\nxx\r\n2f\r\n0\r\n\r\n" + SMUGGLED + b"\r\n0\r\n\r\n",
        "a line feed after the size": b"2\nxx\r\n0\r\n\r\n" + SMUGGLED,
        "a line feed after the data": b"2\r\nxx\n0\r\n\r\n" + SMUGGLED,
        "other bytes after the data": b"2\r\nxxyy0\r\n\r\n" + SMUGGLED,
        "a size with 0x": b"0x2\r\nxx\r\n0\r\n\r\n" + SMUGGLED,
        "a size with a sign": b"+2\r\nxx\r\n0\r\n\r\n" + SMUGGLED,
        "a negative size": b"-2\r\nxx\r\n0\r\n\r\n" + SMUGGLED,
        "a size with an underscore": b"0_2\r\nxx\r\n0\r\n\r\n" + SMUGGLED,
        "a size beyond 64 bits": b"10000000000000002\r\nxx\r\n0\r\n\r\n" + SMUGGLED,
        "a space before the size": b" 2\r\nxx\r\n0\r\n\r\n" + SMUGGLED,
        "no size": b"\r\nxx\r\n0\r\n\r\n" + SMUGGLED,
    }.items():
        yield Case(f"chunks: {name}", (begin + text, LAST), (broken,))
    yield Case(
        "chunks: a carriage return in an extension",
        (begin + b"2;a\rb\r\nxx\r\n0\r\n\r\n" + LAST,),
        ((post(b"xx"), LAST_REQUEST),),
    )
    yield Case(
        "chunks: a space after the size",
        (begin + b"2 \r\nxx\r\n0\r\n\r\n" + LAST,),
        ((post(b"xx"), LAST_REQUEST),),
    )
    yield Case(
        "chunks: many zeros",
        (begin + b"0" * 15 + b"2\r\nxx\r\n0\r\n\r\n" + LAST,),
        ((post(b"xx"), LAST_REQUEST),),
    )


def _lengths() -> Iterator[Case]:
    """A length is a number, once; the same number twice is refused or taken once (RFC 9110, 8.6)."""
    number = len(SMUGGLED)
    for name, lines in {
        "in two lines": (LENGTH, LENGTH),
        "in one line": (f"Content-Length: {number}, {number}",),
    }.items():
        yield Case(f"CL: twice the same, {name}", (head(POST, *lines) + SMUGGLED + LAST,), (READ,))
    for name, lines in {
        "two numbers": (LENGTH, "Content-Length: 0"),
        "two numbers, the other way": ("Content-Length: 0", LENGTH),
        "two numbers in a line": (f"Content-Length: 0, {number}",),
        "a sign": (f"Content-Length: +{number}",),
        "negative": (f"Content-Length: -{number}",),
        "hexadecimal": (f"Content-Length: {number:#x}",),
        "an underscore": ("Content-Length: 3_7",),
        "a space within": ("Content-Length: 3 7",),
        "other digits": ("Content-Length: \xb2",),
        "empty": ("Content-Length:",),
        "a fraction": (f"Content-Length: {number}.0",),
        "space before the colon": (f"Content-Length : {number}",),
    }.items():
        yield Case(f"CL: {name}", (head(POST, *lines) + SMUGGLED, LAST), ())
    yield Case(
        "CL: beyond 64 bits", (head(POST, f"Content-Length: {2**64 + 1}") + SMUGGLED, LAST), ((post(b""),),)
    )
    yield Case(
        "CL: zeros before it", (head(POST, f"Content-Length: 000{number}") + SMUGGLED + LAST,), (READ,)
    )
    yield Case(
        "a GET with a body",
        (head("GET /first HTTP/1.1", LENGTH) + SMUGGLED + LAST,),
        ((Request("GET", "/first", SMUGGLED), LAST_REQUEST),),
        whole=True,
    )
    yield Case(
        "a HEAD with a body",
        (head("HEAD /first HTTP/1.1", LENGTH) + SMUGGLED + LAST,),
        ((Request("HEAD", "/first", SMUGGLED), LAST_REQUEST),),
    )


def _pipelines() -> Iterator[Case]:
    """Requests one behind the other are answered in their order."""
    three = head(POST, LENGTH) + SMUGGLED + head("PUT /second HTTP/1.1", CHUNKED) + chunked(b"ab") + LAST
    seen = (post(SMUGGLED), Request("PUT", "/second", b"ab"), LAST_REQUEST)
    yield Case("pipelined", (three,), (seen,), whole=True)
    yield Case(
        "pipelined, cut anywhere",
        tuple(three[at : at + 7] for at in range(0, len(three), 7)),
        (seen,),
        whole=True,
    )


def _expectations() -> Iterator[Case]:
    """Whether the body was asked for or not, it is the body."""
    yield Case(
        "expect: the body later",
        (head(POST, "Expect: 100-continue", LENGTH), SMUGGLED + LAST),
        (READ,),
        whole=True,
    )
    yield Case(
        "expect: the body at once",
        (head(POST, "Expect: 100-continue", LENGTH) + SMUGGLED + LAST,),
        (READ,),
        whole=True,
    )
    yield Case("expect: something else", (head(POST, "Expect: x", LENGTH) + SMUGGLED + LAST,), (READ,))
    yield Case(
        "expect: obfuscated", (head(POST, "Expect: y 100-continue", LENGTH) + SMUGGLED + LAST,), (READ,)
    )
    for name, lines in {"refused": (), "refused, with expect": ("Expect: 100-continue",)}.items():
        refused = Request("POST", "/refused", None)
        yield Case(
            f"{name}: the body later",
            (head("POST /refused HTTP/1.1", *lines, LENGTH), SMUGGLED, LAST),
            ((refused, LAST_REQUEST),),
        )
        yield Case(
            f"{name}: the body at once",
            (head("POST /refused HTTP/1.1", *lines, LENGTH) + SMUGGLED, LAST),
            ((refused, LAST_REQUEST),),
        )
    yield Case(
        "expect: on a GET",
        (head("GET /first HTTP/1.1", "Expect: 100-continue") + LAST,),
        ((Request("GET", "/first"), LAST_REQUEST),),
    )


def _targets() -> Iterator[Case]:
    """A server takes the absolute form too (RFC 9112, 3.2.2)."""
    for name, target, path in (
        ("a path", "http://x/first", "/first"),
        ("no path", "http://x", "/"),
        ("https", "https://x/first", "/first"),
        ("a port", "http://x:80/first", "/first"),
        ("capitals", "HTTP://x/first", "/first"),
    ):
        seen = (Request("POST", path, SMUGGLED), LAST_REQUEST)
        yield Case(
            f"absolute form: {name}",
            (head(f"POST {target} HTTP/1.1", LENGTH) + SMUGGLED + LAST,),
            (seen,),
            whole=True,
        )
    for name, target in {
        "a user": "http://u@x/first",
        "another scheme": "ftp://x/first",
        "no host": "http:///first",
    }.items():
        yield Case(
            f"absolute form: {name}",
            (head(f"POST {target} HTTP/1.1", LENGTH) + SMUGGLED + LAST,),
            ((post(SMUGGLED), LAST_REQUEST), (Request("POST", target, SMUGGLED), LAST_REQUEST)),
        )


def _old_versions() -> Iterator[Case]:
    """HTTP/1.0 is closed after its answer, or kept as it asks, and has no chunks (6.1)."""
    old = "POST /first HTTP/1.0"
    yield Case(
        "HTTP/1.0, keep-alive", (head(old, "Connection: keep-alive", LENGTH) + SMUGGLED + LAST,), (READ,)
    )
    yield Case("HTTP/1.0", (head(old, LENGTH) + SMUGGLED + LAST,), ((post(SMUGGLED),),))
    yield Case(
        "HTTP/1.0, chunks",
        (head(old, "Connection: keep-alive", CHUNKED) + EMPTY + SMUGGLED, LAST),
        ((post(b""),),),
    )
    yield Case(
        "HTTP/1.0, chunks and a length",
        (head(old, "Connection: keep-alive", CHUNKED, LENGTH) + EMPTY + SMUGGLED, LAST),
        ((post(b""),),),
    )
    yield Case(
        "HTTP/1.0, upgrade",
        (head(old, "Connection: keep-alive, Upgrade", "Upgrade: h2c", LENGTH), SMUGGLED, LAST),
        (READ,),
    )
    yield Case("HTTP/0.9", (b"GET /smuggled\r\n", LAST), ())
    yield Case("HTTP/2, known before", (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SMUGGLED, LAST), ())
    for version in ("HTTP/1.2", "HTTP/2.0", "HTTP/3", "http/1.1", "HTTP/1.1x", "HTTP/01.1", "HTTP /1.1"):
        yield Case(f"version {version}", (head(f"POST /first {version}", LENGTH) + SMUGGLED + LAST,), (READ,))


def _fields() -> Iterator[Case]:
    """Fields that are none, and hosts that are not one."""
    for name, text in {
        "no host": b"POST /first HTTP/1.1\r\n" + LENGTH.encode() + b"\r\n\r\n" + SMUGGLED,
        "two hosts": head(POST, "Host: y", LENGTH) + SMUGGLED,
        "no colon": head(POST, "X", LENGTH) + SMUGGLED,
        "no name": head(POST, ": x", LENGTH) + SMUGGLED,
        "a NUL in a value": head(POST, "X: a\x00b", LENGTH) + SMUGGLED,
        "a space in a name": head(POST, "X Y: z", LENGTH) + SMUGGLED,
        "a line of spaces": head(POST, " ", LENGTH) + SMUGGLED,
    }.items():
        yield Case(f"fields: {name}", (text, LAST), (READ,) if name == "a line of spaces" else ())
    yield Case(
        "underscores for a length", (head(POST, "Content_Length: 5", LENGTH) + SMUGGLED + LAST,), (READ,)
    )
