"""Slow clients: one that keeps a connection without sending what it has begun is told so, and left.

The headers of a request must be complete within a time; of a body, something must come within that time.
While the engine itself is busy with a request, its client may be silent for as long as that takes.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from engine.app.portal.carmin import Code

_WORDS = f"nothing came for too long (Error code {int(Code.GENERIC)})"
_BODY = json.dumps({"errorCode": int(Code.GENERIC), "errorMessage": _WORDS}).encode()
_ANSWER = (
    b"HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\nconnection: close\r\n"
    b"content-length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
)


class Patient(HttpToolsProtocol):
    """One connection. `stall`, in seconds, is set on a class of each server's own (see `patient`)."""

    stall = 60.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there: its first request is waited for."""
        super().connection_made(transport)
        self._in_headers = False
        self._since: float | None = self.loop.time()
        """Since when something is expected of the client; None: it is our turn."""
        self._timer = self.loop.call_later(self.stall, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over."""
        self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Something came."""
        super().data_received(data)
        if self._in_headers:
            return  # they must be complete in time, however often a byte comes
        if self.cycle is None or self.cycle.response_complete:
            self._since = self._since or self.loop.time()  # empty lines, or a body that nobody wants
        else:
            self._since = self.loop.time() if self.cycle.more_body else None

    def on_message_begin(self) -> None:
        """The headers of a request begin."""
        super().on_message_begin()
        self._in_headers = True
        self._since = self._since or self.loop.time()

    def on_headers_complete(self) -> None:
        """They are complete."""
        self._in_headers = False
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """The server waits for the next request, with a patience of its own."""
        self._since = None
        super().on_response_complete()

    def _look(self) -> None:
        now = self.loop.time()
        if self.transport.is_closing():
            self.transport.abort()  # it does not even take the answer
            return
        if self.flow.read_paused:
            self._since = now  # it would send, and we do not read
        if self._since is not None and now - self._since >= self.stall:
            if self._in_headers or not (self.cycle and self.cycle.response_started):
                self.transport.write(_ANSWER)
            self.transport.close()
        left = self.stall if self._since is None else self._since + self.stall - now
        self._timer = self.loop.call_later(left if left > 0 else self.stall, self._look)


def patient(stall: float) -> type[Any]:
    """The class of connections that wait so many seconds."""
    return type("Patient", (Patient,), {"stall": stall})
