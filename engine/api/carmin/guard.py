"""What every request of the portal's interface passes, before and after its route: who it is, how much it may
send, what is written down of it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

import structlog
from fastapi.concurrency import run_in_threadpool

from engine.api.asgi import Message, Receive, Send
from engine.api.carmin.answers import refusal
from engine.api.carmin.bodies import Bodies, document
from engine.api.carmin.caller import Authenticator
from engine.api.rate_limited_log import RateLimitedLog
from engine.app.portal.carmin import CarminError, Code
from engine.app.portal.failures import Failures
from engine.clock import Clock
from engine.errors import Unavailable
from engine.ids import new_id

log = structlog.stdlib.get_logger("engine.api")
FILES = "/rest/path/"
SESSION = "/rest/session"
"""Where a browser with a cookie that is worth nothing any more gets another."""
_SNIFF, _CACHE = (b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")
"""Of every answer: caches on the way do not know that `apikey` is a key."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
_OF_BUDGETS = frozenset({408, 413, 429, 503})
"""Refusals that anybody can have without end: written down once a minute."""
_NOBODY = frozenset({401, 429, 503})
"""Refusals of requests that show no account."""
REFUSALS = 100
"""Of those for one network in a minute, after which further ones come `PAUSE_S` later. Who asks again at once
would have all others wait behind them, whatever the refusal costs.
"""
PAUSE_S = 2.0
Observe = Callable[[str, str, int, float], None]
"""Told method, route, status and seconds of each request."""


@dataclass(slots=True)
class _Answered:
    """The known facts of an answer."""

    status: int = 0
    started: float = field(default_factory=time.perf_counter)


class RequestGuard:
    """An ASGI application around another."""

    def __init__(self, app: Any, doorkeeper: Authenticator, observe: Observe, clock: Clock) -> None:
        self._app = app
        self._doorkeeper = doorkeeper
        self._observe = observe
        self._bodies = Bodies()
        self._seldom = RateLimitedLog()
        self._refusals = Failures(REFUSALS, clock)

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
                if answered.status in _NOBODY and not scope["state"]["account"]:
                    await self._hold_back(_address(scope))
                message["headers"] = [
                    *(pair for pair in message["headers"] if pair[0] != _SNIFF[0]),
                    (b"x-request-id", request.encode("ascii")),
                    _SNIFF,
                    _CACHE,
                ]
            await send(message)

        scope.setdefault("state", {}).update(account=None, request=request)
        try:
            await self._guarded(scope, receive, sending)
        finally:
            self._log(scope, answered)

    async def _hold_back(self, address: str) -> None:
        """Wait before a network that is refused again and again is refused once more."""
        if self._refusals.too_many(address):
            await asyncio.sleep(PAUSE_S)
        self._refusals.add(address)

    async def _guarded(self, scope: Message, receive: Receive, send: Send) -> None:
        try:
            if b"apikey=" in unquote_to_bytes(scope.get("query_string", b"")).lower():
                raise CarminError(Code.BAD_CREDENTIALS, "a key never stands in a URL; revoke it", status=400)
            scope["state"]["account"] = await self._account(scope)
        except (CarminError, Unavailable) as error:
            await refusal(error)(scope, receive, send)
            return
        account = scope["state"]["account"]
        if account:
            structlog.contextvars.bind_contextvars(account=account.id)
        path: str = scope["path"]
        is_file = path.startswith(FILES)
        if not is_file and path.endswith("/") and path != "/rest/":  # Shanoir writes one
            scope = {**scope, "path": path.rstrip("/"), "raw_path": scope["raw_path"].rstrip(b"/")}
        envelope = any(
            name == b"content-type" and b"carmin+json" in value for name, value in scope["headers"]
        )
        try:
            if envelope or not is_file:
                receive = self._bodies.admit(scope, receive, account)
        except CarminError as error:
            await refusal(error)(scope, receive, send)
            return
        if not is_file:
            receive = document(receive, account)
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
        return await run_in_threadpool(
            self._doorkeeper.authenticate, scope["method"], headers, _address(scope)
        )

    def _log(self, scope: Message, answered: _Answered) -> None:
        route = scope["state"].get("route", "")
        seconds = time.perf_counter() - answered.started
        method = scope["method"] if scope["method"] in _METHODS else "other"  # a label, and a line, for ever
        self._observe(method, route, answered.status, seconds)
        more: int | None = 0
        if answered.status in _OF_BUDGETS:
            more = self._seldom.due(f"{answered.status} {route}")
        if more is None:
            return
        # The route, never the path: names of files can carry a patient's name.
        log.info(
            "request",
            method=method,
            route=route,
            status=answered.status,
            seconds=round(seconds, 4),
            **({"more": more} if more else {}),
        )


def _address(scope: Message) -> str:
    client = scope.get("client")
    return client[0] if client else ""
