"""Connections of clients, from accept to close: how many there are, and which of them keep nobody waiting.

Whatever waits for a client has an end. The headers of a request must be complete within `stall` seconds.
While a body is waited for, something must come within that time, and at least `least_rate` bytes a second
over it; an answer must be taken likewise. Time that the engine itself needs is not counted. When there are
too many connections, those that have asked nothing for the longest time make room, and then those that have
been waited for longest, of whoever has most of these: strangers together, or an account.

The HTTP server knows nothing of this: it is given a listening socket (`Listener`) whose connections are known
here, and `engine.api.timed` says which of them have a request under way.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from engine.api.asgi import document
from engine.api.rate_limited_log import RateLimitedLog
from engine.api.wait import Wait

ATTEMPT = "attempt"
"""In the `state` of a request: the attempt that it is for, where it is not of an account."""
Refused = Callable[[Any, int], None]
"""Told the client's address, and the status, of what was refused before it was a request."""
_UNKNOWN, _KNOWN = 16 << 10, 64 << 10
"""Bytes that are read at a time of who has shown nothing, and of the others: they are parsed in one go, which
takes thousands of times as long where they are chunks of one byte each.
"""
_AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER: what was not sent is forgotten when the connection is closed."""
_PASSED, _SIZE_OF_INFO = 120, 192
"""Where `struct tcp_info` has the bytes that the other side has confirmed, and then those it has sent."""


class AcceptedConnection(socket.socket):
    """A connection that was accepted."""

    def __init__(
        self, file: int, client: Any, now: float, left: Callable[[AcceptedConnection], None]
    ) -> None:
        """Take the descriptor over. `left` is called when it is closed."""
        super().__init__(fileno=file)
        self._left = left
        self.client = client
        self.idle_since: float | None = now
        """None: a request is under way."""
        self.state: Mapping[str, Any] = {}
        """That of the last request."""
        self.body = Wait()
        self.received = 0
        """Bytes of the body."""
        self.answer = Wait()
        self.begun = False
        """Whether the answer has."""
        self.passed = (0, 0)
        """Bytes that it had taken, and sent, before the last answer."""
        self.doubted = False
        """Whether it was found slow, and is looked at once more."""
        self.stalled = False
        """Whether it was given up."""
        self.gone = False
        """Whether it is closed."""

    @property
    def account(self) -> str:
        """Who asks: the id of an account or an attempt; empty: that is not known, or not yet."""
        account = self.state.get("account")
        return str(account.id if account else self.state.get(ATTEMPT, ""))

    @property
    def client_since(self) -> float | None:
        """Since when the client is waited for within a request; None: it is not."""
        return self.body.since if self.body.since is not None else self.answer.since

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """Read what has come, not too much at a time."""
        return super().recv(min(size, _KNOWN if self.account else _UNKNOWN), flags)

    def begin(self, state: Mapping[str, Any]) -> None:
        """Note that a request has begun."""
        self.idle_since, self.begun, self.received, self.state = None, False, 0, state
        self.body, self.answer = Wait(), Wait(counted=self.passed[0])

    def finish(self, now: float) -> None:
        """Note that the request is answered."""
        self.idle_since = now

    def close(self) -> None:
        """Close it."""
        super().close()
        if not self.gone:
            self.gone = True
            self._left(self)

    def waits(self) -> bool:
        """Say whether bytes for the client are on their way still."""
        try:
            (size,) = struct.unpack("i", fcntl.ioctl(self, termios.TIOCOUTQ, bytes(4)))
        except OSError:
            return False
        return bool(size)

    def counted(self) -> tuple[int, int]:
        """Bytes that the client has confirmed, and bytes that it has sent."""
        try:
            info = self.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _SIZE_OF_INFO)
            taken, sent = struct.unpack_from("=QQ", info, _PASSED)
        except (OSError, struct.error):
            return 0, 0
        return taken, sent

    def refuse(self, status: int, words: str, **headers: str) -> None:
        """Answer in place of the server, which has said nothing, and end it."""
        body = document(words)
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", "content-type: application/json"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        lines += ["connection: close", f"content-length: {len(body)}", "", ""]
        with suppress(OSError):
            self.send("\r\n".join(lines).encode("ascii") + body)
        self.end()

    def end(self, *, at_once: bool = False) -> None:
        """Have the server see that it is over."""
        with suppress(OSError):
            if at_once:
                self.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            self.shutdown(socket.SHUT_RDWR)


class AcceptedConnections:
    """The connections of one server. Used by its thread only."""

    def __init__(self, most: int, stall: float, least_rate: int, refused: Refused) -> None:
        self.most = most
        self.stall = stall
        self._least_rate = least_rate
        self._refused = refused
        self._of: dict[tuple[str, int], AcceptedConnection] = {}
        self._seldom = RateLimitedLog()

    def of(self, client: Any) -> AcceptedConnection | None:
        """Find the connection of a client, as `scope["client"]` names it."""
        return self._of.get((client[0], client[1])) if client else None

    def admitted(self, file: int, address: Any) -> AcceptedConnection | None:
        """Admit a new connection, if there is room or can be made."""
        room = len(self._of) < self.most or self._make_room()
        one = AcceptedConnection(file, address, time.monotonic(), self._close)
        if room:
            self._of[address[0], address[1]] = one
            return one
        self._seldom.warn("too many connections, with a request under way on each", most=self.most)
        one.setblocking(False)
        one.refuse(503, "there are too many connections", retry_after="5")
        one.close()
        return None

    def look(self) -> None:
        """Give up who is found too slow twice: a loop that stood still makes everybody look slow."""
        now = time.monotonic()
        for one in list(self._of.values()):
            slow = self._slow(one, now)
            if slow and one.doubted:
                self._give_up(one)
            one.doubted = slow and not one.doubted

    def _make_room(self) -> bool:
        idle = [one for one in self._of.values() if one.idle_since is not None]
        if idle:
            self._seldom.warn("too many connections; the oldest without a request are closed", most=self.most)
        else:
            idle = self._slowest()
            self._seldom.warn("too many connections; clients that are waited for are left", most=self.most)
        several = max(1, self.most // 64)
        for one in sorted(idle, key=lambda each: each.idle_since or each.client_since or 0.0)[:several]:
            self._close(one)
            if one.idle_since is None and not one.begun:
                one.refuse(503, "there are too many connections", retry_after="5")
            else:
                one.end(at_once=True)
        return bool(idle)

    def _slowest(self) -> list[AcceptedConnection]:
        """Return those that are waited for, of whoever has most of them; strangers are one."""
        of: dict[str, list[AcceptedConnection]] = {}
        for one in self._of.values():
            if one.client_since is not None:
                of.setdefault(one.account, []).append(one)
        return max(of.values(), key=len, default=[])

    def _close(self, one: AcceptedConnection) -> None:
        key = (one.client[0], one.client[1])
        if self._of.get(key) is one:
            del self._of[key]

    def _slow(self, one: AcceptedConnection, now: float) -> bool:
        if one.idle_since is not None:
            return self._idle_too_long(one, now)
        if one.body.since is not None and now - one.body.since >= self.stall:
            return True
        return one.body.slow(now, one.received, self.stall, self._least_rate) or (
            one.answer.since is not None
            and one.answer.slow(now, one.counted()[0], self.stall, self._least_rate)
        )

    def _idle_too_long(self, one: AcceptedConnection, now: float) -> bool:
        if one.idle_since is None or now - one.idle_since < self.stall:
            return False
        taken, _ = one.counted()
        moves = one.waits() and taken - one.passed[0] >= max(1.0, self._least_rate * self.stall)
        if moves:  # the end of the last answer is on its way
            one.passed, one.idle_since = (taken, one.passed[1]), now
        return not moves

    def _give_up(self, one: AcceptedConnection) -> None:
        one.stalled = True
        _, sent = one.counted()
        if one.idle_since is None and not one.begun:
            one.refuse(408, "what came, came too slowly")
        elif one.idle_since is not None and sent > one.passed[1]:
            self._refused(one.client, 408)
            one.refuse(408, "nothing came for too long")
        else:  # a connection on which nothing was asked is nobody's fault
            one.end(at_once=one.begun)


class Listener(socket.socket):
    """A listening socket that gives connections which are known here."""

    connections: AcceptedConnections

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept the next one that there is room for."""
        while True:
            plain, address = super().accept()
            if made := self.connections.admitted(plain.detach(), address):
                return made, address
