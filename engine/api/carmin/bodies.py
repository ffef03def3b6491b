"""Bodies that are documents: how much of them each account may send, and what may stand in them, is settled
before a route has them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from fastapi import HTTPException
from fastapi.concurrency import run_in_threadpool

from engine.api.allowance import Allowance
from engine.api.asgi import Message, Receive
from engine.api.rate_limited_log import RateLimitedLog
from engine.app.portal.carmin import CarminError, Code
from engine.app.portal.documents import loads
from engine.domain.account import Account

LARGEST = 16 << 20
"""Bytes of a body that is not a file."""
OF_ANONYMOUS = 64 << 10
"""The same of somebody who shows no key."""
SMALL = 256 << 10
"""Bytes of a body that costs nothing to speak of."""


class Bodies:
    """Knows what each account has sent in a while."""

    def __init__(self) -> None:
        self._allowance = Allowance(2 * LARGEST, LARGEST / 16)
        self._seldom = RateLimitedLog()

    def admit(self, scope: Message, receive: Receive, account: Account | None) -> Receive:
        """Count the body of a request: at once where its length is announced, else while it comes.

        Raises:
            Refused: it is more than may come now.
        """
        size = _announced(scope)
        if account is None:
            if size > OF_ANONYMOUS:
                raise CarminError(Code.NO_CREDENTIALS, "a key is needed")
            return receive
        if size > SMALL:
            self._take(account, size)
        return receive if size else _counted(receive, lambda more: self._take(account, more))

    def _take(self, account: Account, size: int) -> None:
        if seconds := self._allowance.wait(account.id, size):
            self._seldom.warn("more and larger documents than are read from one account")
            words = "too many large documents in a short time"
            raise CarminError(Code.GENERIC, words, status=429, retry_after=seconds)


class RefusedBody(HTTPException):
    """A refusal that comes while a body is read: the framework lets no others pass."""

    def __init__(self, reason: CarminError) -> None:
        super().__init__(reason.status, str(reason))
        self.reason = reason


def document(receive: Receive, account: Account | None) -> Receive:
    """Check the whole body of a request as a document when it is asked for.

    What is asked for raises RefusedBody when it is too large, or holds what is not read here.
    """
    most = LARGEST if account else OF_ANONYMOUS
    whole = False

    async def received() -> Message:
        nonlocal whole
        if whole:
            return await receive()
        try:
            message = await _whole(receive, most)
            if body := message.get("body"):
                await run_in_threadpool(_check, body)
        except CarminError as reason:
            raise RefusedBody(reason) from None
        whole = True
        return message

    return received


async def _whole(receive: Receive, most: int) -> Message:
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return message
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > most:
            raise CarminError(Code.GENERIC, f"a body has at most {most} bytes", status=413)
    return {"type": "http.request", "body": bytes(body), "more_body": False}


def _check(body: bytes) -> None:
    try:
        loads(body)
    except (json.JSONDecodeError, UnicodeDecodeError):
        return  # no document: not every route wants one, and those that do say so
    except ValueError as error:
        raise CarminError(Code.BAD_INPUT, f"the request: {error}") from None


def _counted(receive: Receive, take: Callable[[int], Any]) -> Receive:
    """Count a body; `take` is called with what exceeds a small one."""
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await receive()
        piece = len(message.get("body", b""))
        size += piece
        if size > SMALL and piece:
            take(size if size - piece <= SMALL else piece)
        return message

    return counted


def _announced(scope: Message) -> int:
    """Return the length that a request announces for its body; 0 when it announces none."""
    length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return int(length) if length.isdigit() else 0
