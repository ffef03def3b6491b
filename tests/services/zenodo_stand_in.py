"""A stand-in for Zenodo, which cannot be reached here: it speaks the APIs for records and deposits that
Zenodo documents.
"""

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
    deposits: Deposits = field(init=False)

    def __post_init__(self) -> None:
        self.deposits = Deposits(self)

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


TOKEN = "of-the-stand-in-8d1c"
"""The one that it accepts."""


class Deposits:
    """What was deposited: drafts, and records of them, by number."""

    def __init__(self, stand_in: StandIn) -> None:
        self._stand_in = stand_in
        self.drafts: dict[int, dict[str, Any]] = {}
        self.records: dict[int, dict[str, Any]] = {}
        self.others: set[int] = set()
        """Records of somebody else."""
        self.fail: dict[str, int] = {}
        """Status by the end of a path."""
        self.spoils = False
        """Whether it keeps something else than it is sent."""
        self.silent = ""
        """The end of a path that is done, but not answered."""

    def answer(self, method: str, path: str, token: str, body: bytes) -> tuple[int, Any]:
        """Do what is asked."""
        for end, status in self.fail.items():
            if path.endswith(end):
                return status, {"status": status, "message": f"no, {token}"}
        if path.startswith("/api/records/?q="):
            hits = [self._hit(number) for number in sorted(self.records)]
            return 200, {"hits": {"hits": hits, "total": len(hits)}}
        if token != f"Bearer {TOKEN}":
            return 401, {"status": 401, "message": "Unauthorized"}
        if path.startswith("/api/files/"):
            number, _, name = path.removeprefix("/api/files/").partition("/")
            kept = b"spoiled" if self.spoils else body
            file = {"id": f"f{len(kept)}", "filename": name, "data": kept}
            self.drafts[int(number)]["files"].append(file)
            return 201, {"key": name, "checksum": "md5:" + hashlib.md5(kept).hexdigest()}
        parts = path.removeprefix("/api/deposit/depositions").strip("/").split("/")
        return self._deposit(method, parts, body)

    def _deposit(self, method: str, parts: list[str], body: bytes) -> tuple[int, Any]:
        if parts == [""]:
            return 201, self._new([])
        number, rest = int(parts[0]), parts[1:]
        if rest == ["actions", "newversion"]:
            if number in self.others or number not in self.records:
                return (403 if number in self.others else 404), {"message": "not yours"}
            draft = self._new(list(self.records[number]["files"]))["id"]
            return 201, {"links": {"latest_draft": f"{self._stand_in.url}/api/deposit/depositions/{draft}"}}
        draft = self.drafts.get(number)
        if draft is None and number in self.records and method == "GET":
            return 200, {"submitted": True, "doi": f"10.5281/zenodo.{number}"}
        if draft is None:
            return 404, {"message": "gone"}
        if rest == ["actions", "publish"]:
            if not draft["files"] or "metadata" not in draft:
                return 400, {
                    "message": "Validation error.",
                    "errors": [{"field": "files", "message": "none"}],
                }
            self.records[number] = self.drafts.pop(number)
            self._stand_in.publish(number, draft["files"][-1]["data"])
            return 202, {"doi": f"10.5281/zenodo.{number}", "submitted": True}
        if rest[:1] == ["files"]:
            draft["files"] = [one for one in draft["files"] if one["id"] != rest[1]]
            return 204, None
        if method == "PUT":
            draft["metadata"] = json.loads(body)["metadata"]
        if method == "DELETE":
            return 204, self.drafts.pop(number) and None
        files = [{"id": one["id"], "filename": one["filename"]} for one in draft["files"]]
        return 200, {
            "id": number,
            "files": files,
            "links": {"bucket": f"{self._stand_in.url}/api/files/{number}"},
        }

    def _new(self, files: list[Any]) -> dict[str, Any]:
        number = 100 + len(self.drafts) + len(self.records)
        self.drafts[number] = {"files": files}
        return {"id": number}

    def _hit(self, number: int) -> dict[str, Any]:
        metadata = self.records[number]["metadata"]
        return {"id": number, "metadata": metadata, "stats": {"version_downloads": number}}


@contextmanager
def start_zenodo() -> Iterator[StandIn]:
    """A stand-in on loopback, without records."""
    stand_in = StandIn()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith(("/api/deposit", "/api/files", "/api/records/?")):
                self.do_deposit()
                return
            stand_in.asked.append(self.path)
            status, data = stand_in.answers.get(self.path, (404, b'{"status": 404, "message": "gone"}'))
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: stand_in.cut] if self.path.endswith("/content") else data)

        def do_deposit(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            token = self.headers.get("Authorization", "")
            stand_in.asked.append(f"{self.command} {self.path}")
            status, told = stand_in.deposits.answer(self.command, self.path, token, body)
            if stand_in.deposits.silent and self.path.endswith(stand_in.deposits.silent):
                self.close_connection = True
                return
            data = b"" if told is None else json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_PUT = do_DELETE = do_deposit  # noqa: N815 - names of the methods of HTTP

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        stand_in.url = f"http://127.0.0.1:{server.server_port}"
        yield stand_in
        server.shutdown()
