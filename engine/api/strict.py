"""Requests that other programs may understand in another way are refused, whoever parses them (RFC 9112).

The HTTP server finds where a request ends. What it lets pass, and a proxy in front may read otherwise, is
refused here, and the connection ends: a length beside an encoding, an encoding in HTTP/1.0, a host that is
none, a version that is not spoken here, too many headers, two keys.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from engine.api.asgi import HttpRefusal, Message, Receive, Reply, Send, answer, document
from engine.api.connections import Refused

LARGEST = 64 << 10
"""Bytes of the head of a request."""
_ONCE = (b"authorization", b"apikey", b"content-type")
"""Fields of which one is taken, and another program may take the other."""
_HOST = re.compile(rb"([\w.~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])(:\d*)?")
_ABSOLUTE = re.compile(rb"https?://([^/?#@]+)(/.*)?", re.IGNORECASE | re.DOTALL)


class Strict:
    """An ASGI application around another."""

    def __init__(self, app: Any, refused: Refused) -> None:
        self._app = app
        self._refused = refused

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        try:
            _check(scope)
            scope = _in_origin_form(scope)
        except HttpRefusal as refusal:
            self._refused(scope.get("client"), refusal.status)
            headers = {"Content-Type": "application/json", "Connection": "close"}
            await answer(send, Reply(refusal.status, headers, document(refusal.words)))
            return
        if any(name == b"expect" for name, _ in scope["headers"]):
            receive, send = _unless_asked_for(receive, send)
        await self._app(scope, receive, send)


def _check(scope: Message) -> None:
    """Return if there can be one opinion only.

    Raises:
        Refusal: 400, 431 or 505.
    """
    if scope["http_version"] not in ("1.0", "1.1"):
        raise HttpRefusal(505, "HTTP/1.1 is spoken here")
    names = [name for name, _ in scope["headers"]]
    if b"transfer-encoding" in names and (b"content-length" in names or scope["http_version"] == "1.0"):
        raise HttpRefusal(400, "a body has a length or an encoding, and in HTTP/1.0 a length")
    if any(name == b"host" and not _HOST.fullmatch(value) for name, value in scope["headers"]):
        raise HttpRefusal(400, "Host is no name of a host")
    if any(names.count(name) > 1 for name in _ONCE):
        raise HttpRefusal(400, "Authorization, apikey and Content-Type stand once in a request")
    size = len(scope["raw_path"]) + len(scope["query_string"])
    if size + sum(len(name) + len(value) + 4 for name, value in scope["headers"]) > LARGEST:
        raise HttpRefusal(431, f"the head of a request has at most {LARGEST} bytes")


def _in_origin_form(scope: Message) -> Message:
    """Rewrite the target of a request as most clients write it (RFC 9112, 3.2).

    Raises:
        Refusal: it is none.
    """
    target: bytes = scope["raw_path"]
    if target.startswith(b"/") or (target == b"*" and scope["method"] == "OPTIONS"):
        return scope
    found = _ABSOLUTE.fullmatch(target)
    if found is None or not _HOST.fullmatch(found[1]):
        raise HttpRefusal(400, "the target of a request is a path")
    path = found[2] or b"/"
    return {**scope, "raw_path": path, "path": unquote(path.decode("ascii"))}


def _unless_asked_for(receive: Receive, send: Send) -> tuple[Receive, Send]:
    """End the connection after an answer that comes before the body was asked for: whether the body comes
    nevertheless is for the client to choose.
    """
    asked = False

    async def receiving() -> Message:
        nonlocal asked
        asked = True
        return await receive()

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start" and not asked:
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        await send(message)

    return receiving, sending
