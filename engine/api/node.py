"""The node end point: `POST /node/exchange`, where a wrapper shows its claim and says what it wants."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from engine.api.connections import ATTEMPT
from engine.app.access.exchange import ClaimRefused, GrantExchange
from engine.errors import EngineError
from wrappers import wire
from wrappers.wire import Grants, Wants

LARGEST = 4 << 20
"""Bytes of wants that are read."""


def node_routes(exchange: GrantExchange) -> APIRouter:
    """Make the routes of the node end point."""
    router = APIRouter(prefix="/node")

    @router.post("/exchange")
    async def trade(request: Request) -> Response:
        kind, _, claim = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer":
            return _text(401, "a claim is needed: Authorization: Bearer ...")
        if not exchange.knows(claim.strip()):
            return _text(401, "this claim is worth nothing: it is not ours")
        request.scope["state"][ATTEMPT] = claim
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > LARGEST:
                return _text(413, f"at most {LARGEST} bytes of wants at a time")
        try:
            wants = wire.loads(Wants, bytes(body))
        except (wire.WireError, UnicodeDecodeError) as error:
            return _text(400, f"not a document of wants: {error}")
        return await run_in_threadpool(_answer, exchange, claim.strip(), wants)

    return router


def _answer(exchange: GrantExchange, claim: str, wants: Wants) -> Response:
    try:
        grants: Grants = exchange.answer(claim, wants)
    except ClaimRefused as error:
        return _text(401, error.message)
    except EngineError as error:
        return _text(503, error.message)
    return Response(wire.dumps(grants), media_type="application/json", headers={"Cache-Control": "no-store"})


def _text(status: int, text: str) -> Response:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return Response(f"{text}\n", status_code=status, media_type="text/plain", headers=headers)
