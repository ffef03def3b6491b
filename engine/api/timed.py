"""An ASGI application whose clients are waited for no longer than they may (`engine.api.connections`)."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from engine.api.asgi import Message, Receive, Send
from engine.api.connections import AcceptedConnection, AcceptedConnections
from engine.api.refusal_recorder import STALLED


class Timed:
    """An ASGI application around another."""

    def __init__(self, app: Any, connections: AcceptedConnections) -> None:
        self._app = app
        self._connections = connections

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request. Whoever sends to a client that has left is cancelled."""
        one = self._connections.of(scope.get("client"))
        if scope["type"] != "http" or one is None:
            await self._app(scope, receive, send)
            return
        request = _Request(one, scope.setdefault("state", {}), receive, send)
        one.begin(scope["state"])
        try:
            await self._app(scope, request.receive, request.send)
        except asyncio.CancelledError:
            if not one.gone:
                raise
        finally:
            one.finish(time.monotonic())
            if one.begun and not request.complete:
                one.end(at_once=True)  # nobody may take it for the whole


class _Request:
    """A request on a connection."""

    def __init__(self, one: AcceptedConnection, state: dict[str, Any], receive: Receive, send: Send) -> None:
        self._one, self._state, self._receive, self._send = one, state, receive, send
        self._more_body = True
        self.complete = False

    async def receive(self) -> Message:
        one = self._one
        if not self._more_body:
            return await self._receive()  # the end of the connection: that is not waited for
        one.body.start(time.monotonic())
        try:
            message = await self._receive()
        finally:
            one.body.stop(time.monotonic())
        if message["type"] == "http.request":
            one.received += len(message.get("body", b""))
            self._more_body = message.get("more_body", False)
        elif one.stalled:
            self._state[STALLED] = True
        return message

    async def send(self, message: Message) -> None:
        one = self._one
        if one.gone:
            raise asyncio.CancelledError
        one.begun = True
        last = message["type"] == "http.response.body" and not message.get("more_body", False)
        if message["type"] == "http.response.start":
            one.passed = one.counted()
        one.answer.start(time.monotonic())
        try:
            await self._send(message)
        finally:
            one.answer.stop(time.monotonic())
        if last:
            self.complete = True
        elif one.gone:
            raise asyncio.CancelledError
