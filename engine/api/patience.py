"""Slow clients: one that keeps a connection without sending what it has begun is told so, and left.

The headers of a request must be complete within `stall` seconds; of a body, something must come within that
time, and over each such time at least `least_rate` bytes a second. An answer must be taken likewise: within
that time, something of it. While the engine itself is busy with a request, its client may be silent for as
long as that takes, also within a next one that it has begun already.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from engine.api.watched import STALLED
from engine.app.portal.carmin import Code

Refused = Callable[[Any, int], None]
"""Told the client's address, and the status, of what was refused before it was a request."""
_POLL = 0.005
"""Seconds after which the sockets were looked at, whatever else the loop does."""


class Patient(HttpToolsProtocol):
    """One connection. Its settings are set on a class of each server's own (see `patient`)."""

    stall = 60.0
    least_rate = 0
    refused: Refused

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there: its first request is waited for."""
        super().connection_made(transport)
        self._in_headers = False
        self._since: float | None = self.loop.time()
        """Since when something is expected of the client; None: it is our turn."""
        self._began: float | None = None
        """Since when bytes of a body are counted; None: they are not."""
        self._came = 0
        self._left: tuple[int, float] | None = None
        """Bytes of an answer that wait for it, and since when so many; None: they may be new ones."""
        self._doubted = False
        """Whether it was found slow, and is looked at once more."""
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
        if self._since is None or self._we_are_slow():
            self._began = None  # it is complete, or we are the slow ones
        elif self._began is None:
            self._began, self._came = self.loop.time(), 0
        else:
            self._came += len(data)

    def on_message_begin(self) -> None:
        """The headers of a request begin."""
        super().on_message_begin()
        self._in_headers, self._began = True, None
        self._since = self._since or self.loop.time()

    def on_headers_complete(self) -> None:
        """They are complete."""
        self._in_headers = False
        self._began = None
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """The server waits for the next request, with a patience of its own, unless that has begun."""
        super().on_response_complete()
        begun = self._in_headers or (self.cycle.more_body and not self.cycle.response_complete)
        self._since, self._began = self.loop.time() if begun else None, None

    def resume_writing(self) -> None:
        """It has taken most of what there was: more is written."""
        super().resume_writing()
        self._left = None

    def send_400_response(self, msg: str) -> None:
        """What came is no HTTP."""
        self._refuse(400, "this is no request of HTTP")

    def _look(self) -> None:
        now = self.loop.time()
        if self._since is not None and self._we_are_slow():
            self._since, self._began = now, None
        slow = self._is_slow(now)
        if slow and self._doubted:
            self._give_up(now)
        self._doubted = slow and not self._doubted
        left = self.stall if self._since is None else self._since + self.stall - now
        if self._doubted:
            left = _POLL  # if the loop stood still, what was waited for lies in the socket
        self._timer = self.loop.call_later(left if left > 0 else self.stall, self._look)

    def _we_are_slow(self) -> bool:
        """Whether we do not read, or have an earlier request to answer than the one that comes in."""
        if self.flow.read_paused:
            return True
        answered = self.cycle is None or self.cycle.response_complete
        return not answered and (self._in_headers or bool(self.pipeline))

    def _is_slow(self, now: float) -> bool:
        if self._takes_nothing(now):
            return True
        late = self._since is not None and now - self._since >= self.stall
        return (late or self._trickles(now)) and not self.transport.is_closing()

    def _trickles(self, now: float) -> bool:
        """Whether too little of a body came in the time that has passed; if not, another begins."""
        if self._began is None or now - self._began < self.stall:
            return False
        if self._came < self.least_rate * (now - self._began):
            return True
        self._began, self._came = now, 0
        return False

    def _takes_nothing(self, now: float) -> bool:
        """Whether an answer lies here for too long, and no byte of it goes."""
        if not self.flow.write_paused and not self.transport.is_closing():
            return False
        size = self.transport.get_write_buffer_size()  # nothing is added to it now
        if self._left is None or size < self._left[0]:
            self._left = (size, now)
        return now - self._left[1] >= self.stall

    def _give_up(self, now: float) -> None:
        if self._takes_nothing(now):
            self.transport.abort()
        elif self._in_headers or self.cycle is None:
            if self._in_headers:  # a connection on which nothing was asked is nobody's fault
                self.refused(self.client, 408)
            self._answer(408, "nothing came for too long")
        elif not self.cycle.response_started:
            self.cycle.scope["state"][STALLED] = True  # it is told of with the request
            self._answer(408, "what came, came too slowly")
        else:
            self.transport.close()

    def _refuse(self, status: int, words: str) -> None:
        self.refused(self.client, status)
        self._answer(status, words)

    def _answer(self, status: int, words: str) -> None:
        fields = {"errorCode": int(Code.GENERIC), "errorMessage": f"{words} (Error code {int(Code.GENERIC)})"}
        body = json.dumps(fields).encode()
        self.transport.write(
            b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\nconnection: close\r\n"
            b"content-length: %d\r\n\r\n%s" % (status, HTTPStatus(status).phrase.encode(), len(body), body)
        )
        self.transport.close()


def patient(stall: float, least_rate: int, refused: Refused) -> type[Any]:
    """The class of connections that wait so many seconds, and want so many bytes a second of a body."""
    return type(
        "Patient",
        (Patient,),
        {"stall": stall, "least_rate": least_rate, "refused": staticmethod(refused)},
    )
