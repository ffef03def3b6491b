"""Requests and answers of the embedded storage, straight on ASGI: bodies are too big for anything between."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from engine.app.access.tokens import Segments
from engine.app.portal.carmin import Code

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class HttpRefusal(Exception):
    """The request is answered with this status and one line of words."""

    def __init__(self, status: int, words: str, **headers: str) -> None:
        super().__init__(words)
        self.status = status
        self.words = words
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Disconnected(Exception):
    """The client went away, or was silent for too long: there is nobody to answer."""


@dataclass(frozen=True, slots=True)
class StorageRequest:
    """A request for something in the storage."""

    method: str
    path: Segments
    url_path: str
    """The path as the client sees it, percent-encoded: what is told of things below begins with it."""
    headers: Mapping[str, str]
    receive: Receive
    state: MutableMapping[str, Any]

    def header(self, name: str) -> str:
        """Return the value of a header; empty when it is not there."""
        return self.headers.get(name, "")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that fits in memory."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


async def begin(send: Send, status: int, headers: Mapping[str, str]) -> None:
    """Send the status and the headers."""
    pairs = [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})


async def answer(send: Send, reply: Reply) -> None:
    """Send a whole answer."""
    headers = dict(reply.headers)
    if reply.status not in (204, 304):
        headers.setdefault("Content-Length", str(len(reply.body)))
    await begin(send, reply.status, headers)
    await send({"type": "http.response.body", "body": reply.body})


def document(words: str) -> bytes:
    """Render the body of a refusal, as CARMIN has it."""
    return json.dumps(
        {"errorCode": int(Code.GENERIC), "errorMessage": f"{words} (Error code {int(Code.GENERIC)})"}
    ).encode()
