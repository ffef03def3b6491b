"""Refused requests, wherever they are refused, as the audit trail is told of them: once each.

Told is who asked, the method and the route (its fixed words, never the path: names of files can carry a
patient's name), and the answer. What nodes and WebDAV clients meet in ordinary use is not told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.api.asgi import Message, Receive, Send
from engine.app.portal.carmin import Code
from engine.app.portal.refusals import RecordedRefusal
from engine.domain.account import Account

Record = Callable[[RecordedRefusal], None]
STALLED = "stalled"
"""In the `state` of a request: its client was too slow, and has been told so."""
CODE, EXECUTION = "code", "execution"
"""In the `state` of a request that is refused: `errorCode`, and the execution that is another's."""
_ORDINARY = frozenset({404, 405, 409, 412, 416, 422})
_REST, _DRIVEN, _NODES = "/rest", ("/submit", "/status/", "/kill"), ("/se", "/node/")


class RefusalRecorder:
    """An ASGI application around another, which tells of what that one refuses."""

    def __init__(self, app: Any, record: Record) -> None:
        self._app = app
        self._record = record

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state: dict[str, Any] = scope.setdefault("state", {})
        status, gone = 0, False

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        async def receiving() -> Message:
            nonlocal gone
            message = await receive()
            gone = gone or (message["type"] == "http.disconnect" and not status)
            return message

        try:
            await self._app(scope, receiving, sending)
        finally:
            stalled = bool(state.get(STALLED))
            shown = 408 if stalled else status
            if 400 <= shown < 500 and (stalled or not gone) and _counts(scope, shown):
                self._record(_refusal(scope, state, shown))


def of_connection(client: Any, status: int) -> RecordedRefusal:
    """Describe what was refused before it was a request."""
    return RecordedRefusal("", client[0] if client else "", "request", status, int(Code.GENERIC))


def _counts(scope: Message, status: int) -> bool:
    path: str = scope["path"]
    if path.startswith((f"{_REST}/", *_DRIVEN)) or status in (400, 408, 413):
        return True
    if path.startswith(_NODES):
        return status not in _ORDINARY
    return any(name in (b"apikey", b"authorization") for name, _ in scope["headers"])


def _refusal(scope: Message, state: dict[str, Any], status: int) -> RecordedRefusal:
    account, client = state.get("account"), scope.get("client")
    known = account.id if isinstance(account, Account) else ""
    return RecordedRefusal(
        account_id=known,
        address="" if known or not client else client[0],
        action=f"{scope['method']} {_description(scope)}",
        status=status,
        code=int(Code.GENERIC) if state.get(STALLED) else int(state.get(CODE, 0)),
        execution_id=str(state.get(EXECUTION, "")),
    )


def _description(scope: Message) -> str:
    """Return the fixed description of a route."""
    path: str = scope["path"]
    if path.startswith(_NODES):
        return path.split("/")[1]
    route = scope["state"].get("route") or getattr(scope.get("route"), "path", "")
    parts = [part for part in route.removeprefix(_REST).split("/") if part and not part.startswith("{")]
    return "/".join(parts) or "-"
