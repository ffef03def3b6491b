"""A node end point with grants on order: for what the engine's own would take hours to show."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from wrappers import wire

CLAIM = "attempt-1.a-claim-for-the-tests"


@dataclass
class Granting:
    """What it grants, and what it was asked for."""

    url: str
    grant: Callable[[wire.Want], wire.Grant | str]
    """The grant, or why there is none."""
    claim: str = CLAIM
    skew: float = 0.0
    """Seconds that its clock is ahead of ours."""
    faults: list[int] = field(default_factory=list)
    """Statuses for the next requests."""
    wants: list[wire.Want] = field(default_factory=list)
    requests: int = 0

    def now(self) -> float:
        """What its clock says."""
        return time.time() + self.skew


@contextmanager
def granting(grant: Callable[[wire.Want], wire.Grant | str]) -> Iterator[Granting]:
    """Run one on a free loopback port until the end of the block."""

    class Handler(_Handler):
        pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    point = Handler.point = Granting(f"http://127.0.0.1:{server.server_address[1]}/node/exchange", grant)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield point
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    point: Granting

    def log_message(self, format: str, *args: object) -> None:
        pass

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(int(self.point.now()))

    def do_POST(self) -> None:
        point = self.point
        point.requests += 1
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if point.faults:
            self._answer(point.faults.pop(0), b"")
        elif self.headers.get("Authorization") != f"Bearer {point.claim}":
            self._answer(401, b"")
        else:
            wants = wire.loads(wire.Wants, body).wants
            point.wants += wants
            answers = [(want, point.grant(want)) for want in wants]
            grants = [one for _, one in answers if isinstance(one, wire.Grant)]
            refused = {want.url: one for want, one in answers if isinstance(one, str)}
            self._answer(200, wire.dumps(wire.Grants(grants, refused)).encode())

    def _answer(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
