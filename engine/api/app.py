"""The HTTP application of `engine serve`: the embedded storage, the node end point, and whether all is well.

/se/...            the embedded storage (engine.api.se)
/node/exchange     where an attempt's claim becomes grants (engine.api.node)
/rest/...          the portal's interface (engine.api.carmin)
/health            this is the engine, and it answers
/health/ready      it can work: the database answers, the storage has room
/metrics           numbers for Prometheus (engine.api.metrics)
"""

from __future__ import annotations

from collections.abc import Callable

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from engine import __version__
from engine.api.asgi import Message, Receive, Send
from engine.api.carmin.app import PREFIX
from engine.api.carmin.rest import RestApplication
from engine.api.node import node_routes
from engine.api.se import MOUNT, StorageElement
from engine.app.access.exchange import GrantExchange
from engine.app.access.needs import SERVICE
from engine.errors import EngineError

log = structlog.stdlib.get_logger("engine.api")


class RoutingApplication:
    """Router of requests: those for the embedded storage go to it as they come, others to FastAPI: its routes
    are not made for bodies of gigabytes and names of any characters.
    """

    def __init__(self, storage: StorageElement, others: FastAPI, rest: RestApplication | None = None) -> None:
        self._storage = storage
        self._others = others
        self._rest = rest

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        raw = scope.get("raw_path", b"")
        if scope["type"] == "http" and (raw == MOUNT or raw.startswith(MOUNT + b"/")):
            await self._storage(scope, receive, send)
        elif self._rest is not None and scope.get("path", "").startswith(PREFIX + "/"):
            await self._rest(scope, receive, send)
        else:
            await self._others(scope, receive, send)


def routes(exchange: GrantExchange, check: Callable[[], None]) -> FastAPI:
    """Everything but the storage. `check` raises when the engine cannot work now."""
    app = FastAPI(
        title=SERVICE,
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # that leads to the host which the client has named
    )

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"service": SERVICE, "version": __version__}

    @app.get("/health/ready")
    def ready() -> JSONResponse:
        try:
            check()
        except EngineError as error:  # why is for the log: anybody may ask
            log.error("not ready", why=error.message)
            return JSONResponse({"ready": False}, status_code=503)
        return JSONResponse({"ready": True})

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, reason: Exception) -> Response:
        return Response(status_code=400)

    app.include_router(node_routes(exchange))
    return app
