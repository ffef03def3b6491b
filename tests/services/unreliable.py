"""An unreliable way to a server: a proxy that refuses, delays, cuts and counts."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Trouble:
    """What happens to requests whose path begins so. May be changed while the proxy runs."""

    path: str = "/"
    times: int = 1
    """How many requests it happens to."""
    status: int = 0
    """Answered in place of the server, which hears nothing of it."""
    retry_after: str = ""
    detail: str = "trouble"
    cut: bool = False
    """The server does what is asked; its answer never comes."""
    refuse: bool = False
    """The connection is closed at once; the server hears nothing of it."""
    delay: float = 0.0
    """Seconds before the answer."""
    becomes: int = 0
    """The status of the server's answer becomes this."""


@dataclass
class Way:
    """A running proxy."""

    url: str
    upstream: str
    troubles: list[Trouble] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    """`METHOD /path` of every request."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, beginning: str) -> int:
        """Requests that begin so."""
        with self.lock:
            return sum(1 for request in self.seen if request.startswith(beginning))

    def take(self, path: str) -> Trouble | None:
        """What is to happen to this request."""
        with self.lock:
            for trouble in self.troubles:
                if trouble.times > 0 and path.startswith(trouble.path):
                    trouble.times -= 1
                    return trouble
        return None


@contextmanager
def unreliable(upstream: str) -> Iterator[Way]:
    """A proxy on a free loopback port until the end of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    way = server.way = Way(f"http://127.0.0.1:{server.server_port}", upstream)  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield way
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PATCH = do_GET  # noqa: N815  # names that http.server wants

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def _serve(self) -> None:
        way: Way = self.server.way  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with way.lock:
            way.seen.append(f"{self.command} {self.path}")
        trouble = way.take(self.path) or Trouble(times=0)
        if trouble.refuse:
            self.close_connection = True
            return
        if trouble.status:
            time.sleep(trouble.delay)
            headers = {"Retry-After": trouble.retry_after} if trouble.retry_after else {}
            self._answer(trouble.status, f'{{"detail": "{trouble.detail}"}}'.encode(), headers)
            return
        status, content, headers = self._ask(way.upstream, body)
        time.sleep(trouble.delay)
        if trouble.cut:
            self.close_connection = True
            return
        self._answer(trouble.becomes or status, content, headers)

    def _ask(self, upstream: str, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection(urlsplit(upstream).netloc, timeout=60)
        try:
            kept = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")}
            connection.request(self.command, self.path, body, kept)
            answer = connection.getresponse()
            names = ("content-type", "date", "retry-after", "content-range")
            return (
                answer.status,
                answer.read(),
                {k: v for k, v in answer.getheaders() if k.lower() in names},
            )
        finally:
            connection.close()

    def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        headers = {"Content-Type": "application/json", **{k.title(): v for k, v in headers.items()}}
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        try:
            self.wfile.write(content)
        except OSError:
            self.close_connection = True
