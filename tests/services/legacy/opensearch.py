"""A stand-in for OpenSearch, in memory: what DIRAC asks when it keeps and finds the parameters of jobs.

OpenSearch is neither in Debian nor on PyPI. Searches find everything of an index, whatever they ask.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

_VERSION = {"distribution": "opensearch", "number": "2.17.0"}
_ABOUT = {"name": "stand-in", "cluster_name": "tests", "version": _VERSION}
Answer = tuple[int, dict[str, Any]]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    indices: ClassVar[dict[str, dict[str, Any]]]
    lock: ClassVar[threading.Lock]

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        words = [word for word in self.path.split("?")[0].split("/") if word]
        with self.lock:
            status, answer = self._answer(words, body)
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815  (the server's names)

    def _answer(self, words: list[str], body: bytes) -> Answer:
        match words:
            case []:
                return 200, _ABOUT
            case ["_bulk"]:
                return 200, self._bulk([json.loads(line) for line in body.splitlines() if line.strip()])
            case ["_mget"]:
                return 200, {"docs": [self._get(it["_index"], it["_id"]) for it in json.loads(body)["docs"]]}
            case [index] if not index.startswith("_"):
                return self._index(index)
            case [index, "_search"]:
                return 200, self._search(index)
            case [index, "_doc" | "_create" | "_update" as verb, name]:
                return self._document(index, name, json.loads(body or b"{}"), verb)
            case _:
                return 200, {"acknowledged": True}

    def _index(self, index: str) -> Answer:
        if self.command == "PUT":
            self.indices.setdefault(index, {})
        elif self.command == "DELETE":
            self.indices.pop(index, None)
        elif index not in self.indices:
            return 404, {}
        return 200, {"acknowledged": True}

    def _document(self, index: str, name: str, body: dict[str, Any], verb: str) -> Answer:
        documents = self.indices.setdefault(index, {})
        if verb == "_update":
            documents.setdefault(name, {}).update(body.get("doc", {}))
            return 200, {"_index": index, "_id": name, "result": "updated"}
        if self.command in ("PUT", "POST"):
            documents[name] = body
            return 201, {"_index": index, "_id": name, "result": "created"}
        if self.command == "DELETE":
            documents.pop(name, None)
            return 200, {"_index": index, "_id": name, "result": "deleted"}
        found = self._get(index, name)
        return (200 if found["found"] else 404), found

    def _get(self, index: str, name: object) -> dict[str, Any]:
        document = self.indices.get(index, {}).get(str(name))
        found = {} if document is None else {"_source": document}
        return {"_index": index, "_id": name, "found": document is not None, **found}

    def _search(self, pattern: str) -> dict[str, Any]:
        hits = [
            {"_index": index, "_id": name, "_source": document}
            for index, documents in self.indices.items()
            if index.startswith(pattern.rstrip("*"))
            for name, document in documents.items()
        ]
        total = {"value": len(hits), "relation": "eq"}
        return {"took": 1, "timed_out": False, "hits": {"total": total, "hits": hits}}

    def _bulk(self, lines: list[dict[str, Any]]) -> dict[str, Any]:
        items, rest = [], iter(lines)
        for line in rest:
            ((verb, where),) = line.items()
            documents = self.indices.setdefault(where["_index"], {})
            name = str(where.get("_id", len(documents)))
            if verb == "delete":
                documents.pop(name, None)
            elif verb == "update":
                documents.setdefault(name, {}).update(next(rest).get("doc", {}))
            else:
                documents[name] = next(rest)
            items.append({verb: {"_index": where["_index"], "_id": name, "status": 200, "result": "updated"}})
        return {"took": 1, "errors": False, "items": items}

    def log_message(self, *_: object) -> None:
        """Nothing: DIRAC asks all the time."""


@contextmanager
def start_opensearch() -> Iterator[int]:
    """Run it in a thread until the end of the block; gives its port."""
    handler = type("Handler", (_Handler,), {"indices": {}, "lock": threading.Lock()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
