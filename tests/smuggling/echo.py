"""An ASGI application that remembers what it was given; `GET /-/seen` tells, and forgets it."""

from __future__ import annotations

import json
from typing import Any

SEEN = "/-/seen"
REFUSED = "/refused"
"""What is sent here is refused without being read."""
_seen: list[tuple[str, str, str | None]] = []


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer one request with its method, path, key and body."""
    if scope["type"] != "http":
        return
    path = scope["raw_path"].decode("latin-1") if scope.get("raw_path") else scope["path"]
    if scope["path"] == SEEN:
        told = json.dumps(_seen).encode()
        _seen.clear()
        await _answer(send, 200, told)
        return
    body: str | None = None
    if scope["path"] != REFUSED:
        body = await _body(receive)
    _seen.append((scope["method"], path, body))
    key = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"apikey"), "")
    text = json.dumps(
        {"method": scope["method"], "path": path, "key": key, "body": body, "client": scope["client"]}
    ).encode()
    await _answer(send, 403 if scope["path"] == REFUSED else 200, text)


async def _body(receive: Any) -> str | None:
    found, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        found += message.get("body", b"")
        more = message.get("more_body", False)
    return found.decode("latin-1")


async def _answer(send: Any, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
