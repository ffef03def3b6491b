"""A stand-in for Zenodo, which cannot be reached here: it speaks the record API that Zenodo documents."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass
class StandIn:
    """Answers by path: a status and bytes, of which only the first `cut` are sent."""

    url: str = ""
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    cut: int | None = None
    asked: list[str] = field(default_factory=list)

    def publish(self, number: int, data: bytes, **changes: Any) -> None:
        """A record with one file, as Zenodo answers it."""
        link = f"{self.url}/api/records/{number}/files/tool.json/content"
        file = {
            "id": "b0c3",
            "key": "tool.json",
            "size": len(data),
            "checksum": "md5:" + hashlib.md5(data).hexdigest(),
            "links": {"self": link},
            **changes,
        }
        paper = {"key": "paper.pdf", "size": 1, "checksum": "md5:0", "links": {"self": f"{self.url}/paper"}}
        record = {"id": number, "doi": f"10.5281/zenodo.{number}", "files": [paper, file]}
        self.answers[f"/api/records/{number}"] = (200, json.dumps(record).encode())
        self.answers[f"/api/records/{number}/files/tool.json/content"] = (200, data)


@contextmanager
def start_zenodo() -> Iterator[StandIn]:
    """A stand-in on loopback, without records."""
    stand_in = StandIn()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            stand_in.asked.append(self.path)
            status, data = stand_in.answers.get(self.path, (404, b'{"status": 404, "message": "gone"}'))
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: stand_in.cut] if self.path.endswith("/content") else data)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        stand_in.url = f"http://127.0.0.1:{server.server_port}"
        yield stand_in
        server.shutdown()
