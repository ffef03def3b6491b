"""A storage that does what storages do on bad days: an HTTP server of ours, with faults on order."""

from __future__ import annotations

import hashlib
import socket
import struct
import threading
import time
import zlib
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

_PIECE = 1 << 16


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request."""

    kind: str
    """status, redirect, drop, cut, reset, stall, flip, drip."""
    status: int = 0
    after: int = 0
    """Bytes of the body that go well."""
    headers: dict[str, str] = field(default_factory=dict)


def status(code: int, **headers: str) -> Fault:
    """An answer with this status and no file."""
    return Fault("status", code, headers={name.replace("_", "-"): value for name, value in headers.items()})


def redirect(to: str, code: int = 307) -> Fault:
    """The file is at another server."""
    return Fault("redirect", code, headers={"Location": to})


def cut(after: int) -> Fault:
    """The connection is closed after so many bytes."""
    return Fault("cut", after=after)


def reset(after: int) -> Fault:
    """The connection is reset after so many bytes."""
    return Fault("reset", after=after)


def stall(after: int) -> Fault:
    """Nothing more happens after so many bytes."""
    return Fault("stall", after=after)


def drip(after: int) -> Fault:
    """After so many bytes, one every now and then: never silent, never done."""
    return Fault("drip", after=after)


DROP = Fault("drop")
"""The connection is closed without an answer."""

FLIP = Fault("flip")
"""One byte is another."""


@dataclass
class FaultyStorage:
    """What it holds, what will go wrong, what was asked of it. May be changed while it runs."""

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    """By path, decoded, from the slash on."""
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    """Method -> what goes wrong with the next requests, one each."""
    always: dict[str, Fault] = field(default_factory=dict)
    """Method -> what goes wrong with all further requests."""
    digest: str = "adler32"
    """The checksum that it tells when it is asked; empty: none."""
    wrong_digest: bool = False
    lengths: bool = True
    """Whether it says how long a body is."""
    ranges: bool = True
    collections: set[str] | None = None
    """With a set, files go only where a collection was made before."""
    tokens: set[str] | None = None
    """With a set, requests need one of these as a bearer token."""
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    """Method, path and headers of each request."""
    clients: list[int] = field(default_factory=list)
    """The client's port of each request: which connection it came by."""
    software: str = "Faulty"
    """What it says that it is."""
    sent: int = 0
    """Bytes of bodies."""
    stopping: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, method: str) -> int:
        """How many requests there were."""
        return sum(1 for seen, _, _ in self.seen if seen == method)

    def next_fault(self, method: str) -> Fault | None:
        """What goes wrong now."""
        with self.lock:
            waiting = self.faults.get(method)
            return waiting.pop(0) if waiting else self.always.get(method)


@contextmanager
def faulty_storage() -> Iterator[FaultyStorage]:
    """Run one on a free loopback port until the end of the block."""

    class Handler(_Handler):
        pass

    server = _Server(("127.0.0.1", 0), Handler)
    storage = Handler.storage = FaultyStorage(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield storage
    finally:
        storage.stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def black_hole() -> Iterator[str]:
    """A server that accepts connections and never says a word; gives its http:// URL."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(100)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


class _Gone(Exception):
    """The connection is ended in the middle."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    storage: FaultyStorage

    def log_message(self, format: str, *args: object) -> None:
        pass

    def version_string(self) -> str:
        return self.storage.software

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (_Gone, OSError):
            self.close_connection = True

    def handle_expect_100(self) -> bool:
        """Refuse or redirect before the body is sent, as the grid's doors do."""
        self._begin()
        if self._refused():
            return False
        self.send_response_only(100)
        self.end_headers()
        return True

    def do_GET(self) -> None:
        self._begin()
        if self._refused():
            return
        body = self.storage.files.get(self._path())
        if body is None:
            self._answer(404, b"<html>not here</html>")
            return
        headers = self._facts(body)
        code, start = 200, 0
        asked = self.headers.get("Range", "")
        if asked and self.storage.ranges:
            start = int(asked[len("bytes=") :].partition("-")[0])
            if start >= len(body):
                self._answer(416, b"")
                return
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            code = 206
        if self._kind == "flip":
            body = body[: len(body) // 2] + bytes([body[len(body) // 2] ^ 1]) + body[len(body) // 2 + 1 :]
        self.send_response(code)
        if self.storage.lengths:
            headers["Content-Length"] = str(len(body) - start)
        else:
            headers["Connection"] = "close"
            self.close_connection = True
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self._send(body[start:])

    do_HEAD = do_GET  # noqa: N815 - the name that http.server looks for

    def do_PUT(self) -> None:
        if "100-continue" not in self.headers.get("Expect", "").lower():
            self._begin()
            if self._refused():
                self._receive()
                return
        body = self._receive()
        parent = self._path().rpartition("/")[0]
        if self.storage.collections is not None and parent not in self.storage.collections | {""}:
            self._answer(409, b"")
            return
        if self._kind == "flip" and body:
            body = bytes([body[0] ^ 1]) + body[1:]
        self.storage.files[self._path()] = body
        self._answer(201, b"")

    def do_DELETE(self) -> None:
        self._begin()
        if not self._refused():
            self._answer(204 if self.storage.files.pop(self._path(), None) is not None else 404, b"")

    def do_MOVE(self) -> None:
        self._begin()
        if self._refused():
            return
        body = self.storage.files.pop(self._path(), None)
        if body is not None:
            self.storage.files[unquote(urlsplit(self.headers["Destination"]).path)] = body
        if self._kind == "cut":
            raise _Gone
        self._answer(404 if body is None else 201, b"")

    def do_MKCOL(self) -> None:
        self._begin()
        if self._refused():
            return
        path = self._path().rstrip("/")
        made = self.storage.collections
        if made is None or path in made:
            self._answer(405, b"")
        elif path.rpartition("/")[0] not in made | {""}:
            self._answer(409, b"")
        else:
            made.add(path)
            self._answer(201, b"")

    def _begin(self) -> None:
        self.storage.seen.append((self.command, self._path(), dict(self.headers.items())))
        self.storage.clients.append(self.client_address[1])
        self._fault = self.storage.next_fault(self.command)
        self._kind = self._fault.kind if self._fault else ""

    def _path(self) -> str:
        return unquote(self.path.partition("?")[0])

    def _refused(self) -> bool:
        """Answer now, if it is to go wrong at once or the credential is not accepted."""
        tokens, fault = self.storage.tokens, self._fault
        if self._kind == "drop":
            raise _Gone
        if fault is not None and fault.status:
            headers = dict(fault.headers)
            if "Location" in headers:
                headers["Location"] += self.path
            self._answer(fault.status, b"<html>a page, not a file</html>", headers)
            return True
        if tokens is not None:
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            if token not in tokens:
                self._answer(401, b"")
                return True
        return False

    def _facts(self, body: bytes) -> dict[str, str]:
        headers = {"ETag": f'"{hashlib.md5(body).hexdigest()}"'}
        if self.storage.digest and "Want-Digest" in self.headers:
            told = b"something else" if self.storage.wrong_digest else body
            sums = {
                "adler32": f"{zlib.adler32(told):08x}",
                "md5": b64encode(hashlib.md5(told).digest()).decode(),
                "sha-256": b64encode(hashlib.sha256(told).digest()).decode(),
            }
            headers["Digest"] = f"{self.storage.digest}={sums[self.storage.digest]}"
        return headers

    def _answer(self, code: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _receive(self) -> bytes:
        left = int(self.headers.get("Content-Length", 0))
        parts, received = [], 0
        while left:
            piece = self.rfile.read(min(left, _PIECE))
            if not piece:
                raise _Gone
            parts.append(piece)
            left -= len(piece)
            received += len(piece)
            self._perhaps_end(received)
        return b"".join(parts)

    def _send(self, body: bytes) -> None:
        fault = self._fault
        stop = (
            min(fault.after, len(body)) if fault and self._kind in ("cut", "reset", "stall", "drip") else None
        )
        first = body if stop is None else body[:stop]
        with self.storage.lock:
            self.storage.sent += len(first)
        self.wfile.write(first)
        if stop is not None:
            self.wfile.flush()
            self._perhaps_end(stop)
            for number in range(stop, len(body)):  # drip
                self.wfile.write(body[number : number + 1])
                if self.storage.stopping.wait(0.05):
                    raise _Gone

    def _perhaps_end(self, passed: int) -> None:
        fault = self._fault
        if fault is None or passed < fault.after:
            return
        if fault.kind == "cut":
            raise _Gone
        if fault.kind == "reset":
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            raise _Gone
        if fault.kind == "stall":
            self.storage.stopping.wait(600)
            raise _Gone
        if fault.kind == "drip" and self.command == "PUT":
            time.sleep(0.05)
