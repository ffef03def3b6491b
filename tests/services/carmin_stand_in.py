"""A stand-in for a platform that speaks CARMIN-Data: what VIP and the specification say, over a directory.

Not a real platform. It goes when the engine itself speaks CARMIN.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

KEY = "the-key-of-a-user"


@dataclass(frozen=True)
class CarminStandIn:
    """A running stand-in."""

    host: str
    api: str
    key: str = KEY


@contextmanager
def start_carmin_stand_in(directory: Path) -> Iterator[CarminStandIn]:
    """Serve a directory until the end of the block."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory)) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        host = f"127.0.0.1:{server.server_port}"
        yield CarminStandIn(host, f"http://{host}/rest")
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, directory: Path, *words: Any) -> None:
        self._directory = directory
        super().__init__(*words)

    def log_message(self, *_: object) -> None:
        pass

    def _begin(self) -> Path | None:
        parts = urlsplit(self.path)
        if self.headers.get("apikey") != KEY:
            self._answer(401, {"errorCode": 8002, "errorMessage": "Bad credentials (Error code 8002)"})
            return None
        return self._directory / unquote(parts.path.removeprefix("/rest/path/")).strip("/")

    def do_GET(self) -> None:
        if (path := self._begin()) is None:
            return
        action = parse_qs(urlsplit(self.path).query).get("action", [""])[0]
        if action == "exists":
            self._answer(200, {"exists": path.exists()})
        elif action == "properties":
            self._answer(200, self._properties(path))
        elif action == "list" and path.is_dir():
            self._answer(200, [self._properties(below) for below in path.iterdir()])
        elif action == "md5" and path.is_file():
            self._answer(200, {"md5": hashlib.md5(path.read_bytes()).hexdigest()})
        elif action == "content" and path.is_file():
            self._raw(200, path.read_bytes(), "application/octet-stream")
        else:
            self._refuse(f"no {action} of {path.name}")

    def do_PUT(self) -> None:
        path = self._begin()
        body = self.rfile.read(size := int(self.headers["Content-Length"]))
        if path is None or len(body) < size:
            self.close_connection = True
        elif not body:
            path.mkdir(exist_ok=True)
            self._raw(201, b"")
        elif not path.parent.is_dir():
            self._refuse("no such directory")
        else:
            if self.headers["Content-Type"] == "application/carmin+json":
                body = base64.b64decode(json.loads(body)["base64Content"])
            part = path.with_name(f".{threading.get_ident()}")
            part.write_bytes(body)
            part.replace(path)
            self._raw(201, b"")

    def do_DELETE(self) -> None:
        if (path := self._begin()) is None:
            return
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
        self._raw(204, b"")

    def _properties(self, path: Path) -> dict[str, Any]:
        shown = "/" + str(path.relative_to(self._directory))
        if not path.exists():
            return {"path": shown, "exists": False}
        found = path.stat()
        return {
            "path": shown,
            "exists": True,
            "isDirectory": path.is_dir(),
            "size": len(list(path.iterdir())) if path.is_dir() else found.st_size,
            "lastModificationDate": int(found.st_mtime),
        }

    def _refuse(self, words: str) -> None:
        self._answer(400, {"errorCode": 8000, "errorMessage": f"{words} (Error code 8000)"})

    def _answer(self, status: int, value: Any) -> None:
        self._raw(status, json.dumps(value).encode(), "application/json")

    def _raw(self, status: int, body: bytes, kind: str = "text/plain") -> None:
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
