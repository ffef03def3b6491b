"""What every request of the portal's interface passes, before and after its route: who it is, how much it may
send, what is written down of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog
from fastapi import HTTPException
from fastapi.concurrency import run_in_threadpool

from engine.api.allowance import Allowance
from engine.api.asgi import Message, Receive, Send
from engine.api.carmin.answers import refusal
from engine.api.carmin.caller import Doorkeeper
from engine.api.seldom import Seldom
from engine.app.portal.carmin import Code, Refused
from engine.errors import Unavailable
from engine.ids import new_id

log = structlog.stdlib.get_logger("engine.api")
LARGEST = 16 << 20
"""Bytes of a body that is not a file."""
OF_STRANGERS = 64 << 10
"""The same of somebody who shows no key."""
SMALL = 256 << 10
"""Bytes of a body that costs nothing to speak of."""
FILES = "/rest/path/"
SESSION = "/rest/session"
"""Where a browser with a cookie that is worth nothing any more gets another."""
_OF_BUDGETS = frozenset({408, 413, 429, 503})
"""Refusals that anybody can have without end: written down once a minute."""
Observe = Callable[[str, str, int, float], None]
"""Told method, route, status and seconds of each request."""


@dataclass(slots=True)
class _Answered:
    """What is known of the answer."""

    status: int = 0
    started: float = field(default_factory=time.perf_counter)


class Guard:
    """An ASGI application around another."""

    def __init__(self, app: Any, doorkeeper: Doorkeeper, observe: Observe) -> None:
        self._app = app
        self._doorkeeper = doorkeeper
        self._observe = observe
        self._bodies = Allowance(2 * LARGEST, LARGEST / 16)
        self._seldom = Seldom()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        answered, request = _Answered(), new_id()
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request=request)

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered.status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request.encode("ascii"))]
            await send(message)

        scope.setdefault("state", {}).update(account=None, request=request)
        try:
            await self._guarded(scope, receive, sending)
        finally:
            self._tell(scope, answered)

    async def _guarded(self, scope: Message, receive: Receive, send: Send) -> None:
        try:
            if b"apikey=" in scope.get("query_string", b"").lower():
                raise Refused(Code.BAD_CREDENTIALS, "a key never stands in a URL; revoke it", status=400)
            scope["state"]["account"] = await self._account(scope)
        except (Refused, Unavailable) as error:
            await refusal(error)(scope, receive, send)
            return
        account = scope["state"]["account"]
        if account:
            structlog.contextvars.bind_contextvars(account=account.id)
        path: str = scope["path"]
        envelope = any(
            name == b"content-type" and b"carmin+json" in value for name, value in scope["headers"]
        )
        if not path.startswith(FILES) or envelope:
            size = _announced(scope)
            if account is None and size > OF_STRANGERS:
                reason = Refused(Code.NO_CREDENTIALS, "a key is needed")
                await refusal(reason)(scope, receive, send)
                return
            if account and size > SMALL and (seconds := self._bodies.wait(account.id, size)):
                self._seldom.warn("more and larger documents than are read from one account")
                words = "too many large documents in a short time"
                await refusal(Refused(Code.GENERIC, words, status=429, retry_after=seconds))(
                    scope, receive, send
                )
                return
        if not path.startswith(FILES):
            receive = _limited(receive, LARGEST if account else OF_STRANGERS)
            if path.endswith("/") and path != "/rest/":  # Shanoir writes one
                scope = {**scope, "path": path.rstrip("/"), "raw_path": scope["raw_path"].rstrip(b"/")}
        try:
            await self._app(scope, receive, send)
        finally:
            scope["state"]["route"] = getattr(scope.get("route"), "path", "")

    async def _account(self, scope: Message) -> Any:
        if scope["method"] == "OPTIONS" or scope["path"] == SESSION:
            return None
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        client = scope.get("client")
        address = client[0] if client else ""
        return await run_in_threadpool(self._doorkeeper.recognise, scope["method"], headers, address)

    def _tell(self, scope: Message, answered: _Answered) -> None:
        route = scope["state"].get("route", "")
        seconds = time.perf_counter() - answered.started
        self._observe(scope["method"], route, answered.status, seconds)
        more: int | None = 0
        if answered.status in _OF_BUDGETS:
            more = self._seldom.due(f"{answered.status} {route}")
        if more is None:
            return
        # The route, never the path: names of files can carry a patient's name.
        log.info(
            "request",
            method=scope["method"],
            route=route,
            status=answered.status,
            seconds=round(seconds, 4),
            **({"more": more} if more else {}),
        )


def _announced(scope: Message) -> int:
    """The length that a request tells of its body; 0: none."""
    told = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return int(told) if told.isdigit() else 0


def _limited(receive: Receive, most: int) -> Receive:
    """The same body, as long as it is small."""
    size = 0

    async def limited() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > most:
            raise HTTPException(413, f"a body has at most {most} bytes")
        return message

    return limited
