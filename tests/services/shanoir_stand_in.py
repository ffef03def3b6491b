"""A stand-in for Shanoir's CARMIN-Data (`datasets/carmin-data/path`), which cannot be had here: it sends data
sets and takes results as its clients' code shows, for tokens that its provider calls good.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import unquote, urlsplit


@dataclass
class Shanoir:
    """What it has, and what it got."""

    url: str = ""
    sets: dict[str, bytes] = field(default_factory=dict)
    """By resource."""
    results: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    full: bool = False
    """Whether it takes no results."""
    turned_away: int = 0
    """Results that it did not take."""


@contextmanager
def start_shanoir(is_good: Callable[[str], bool]) -> Iterator[Shanoir]:
    """A stand-in on loopback."""
    stand_in = Shanoir()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self, status: int, data: bytes = b"") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _allowed(self) -> bool:
            stand_in.asked.append(f"{self.command} {self.path}")
            return is_good(self.headers.get("Authorization", "").removeprefix("Bearer "))

        def do_GET(self) -> None:
            resource = unquote(urlsplit(self.path).path.removeprefix("/path/"))
            if not self._allowed():
                self._answer(401)
            elif resource not in stand_in.sets:
                self._answer(400)
            else:
                self._answer(200, stand_in.sets[resource])

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if not self._allowed():
                self._answer(401)
                return
            if stand_in.full:
                stand_in.turned_away += 1
                self._answer(507)
                return
            told = json.loads(body)
            assert (told["type"], self.headers["Content-Type"]) == ("File", "application/carmin+json")
            stand_in.results[unquote(self.path.removeprefix("/path/"))] = base64.b64decode(
                told["base64Content"]
            )
            self._answer(201)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        stand_in.url = f"http://127.0.0.1:{server.server_port}/path"
        yield stand_in
        server.shutdown()
