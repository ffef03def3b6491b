"""A node end point for tests of back-ends: it grants nothing, and remembers which claims it was shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import NamedTuple


class EndPoint(NamedTuple):
    """The URL of an end point, and the claims that came there, in order."""

    url: str
    claims: list[str]


@contextmanager
def end_point() -> Iterator[EndPoint]:
    """Answer on a free loopback port until the end of the block."""
    claims: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        """Refuses each claim."""

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            claims.append(self.headers.get("Authorization", "").removeprefix("Bearer "))
            self.send_response(403)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield EndPoint(f"http://127.0.0.1:{server.server_port}/node/exchange", claims)
        finally:
            server.shutdown()
            thread.join()
