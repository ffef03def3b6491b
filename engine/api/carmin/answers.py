"""Answers that are errors: exactly `{"errorCode", "errorMessage"}`, in that order, and never a third key."""

from __future__ import annotations

import json
import math

import structlog
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from engine.api.asgi import Message, Receive, Send
from engine.api.carmin.bodies import RefusedBody
from engine.api.refusal_recorder import CODE, EXECUTION
from engine.app.portal.carmin import CarminError, Code
from engine.errors import BadRequest, CredentialExpired, EngineError, NotFound

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
log = structlog.stdlib.get_logger("engine.api")


class ErrorAnswer(Response):
    """An error; leaves its code where the audit trail finds it."""

    media_type = "application/json"
    code = Code.GENERIC
    execution_id = ""
    """The execution that is another's, where that is why."""

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Send it."""
        scope.setdefault("state", {}).update({CODE: int(self.code), EXECUTION: self.execution_id})
        await super().__call__(scope, receive, send)


def error(code: Code, message: str, status: int, *, retry_after: float = 0.0) -> ErrorAnswer:
    """Make an error as clients know it."""
    body = {"errorCode": int(code), "errorMessage": f"{message} (Error code {int(code)})"}
    headers = {"WWW-Authenticate": "header; header-name=apikey"} if status == 401 else {}
    if status in (429, 503):
        headers["Retry-After"] = (
            str(math.ceil(retry_after)) if retry_after else "60" if status == 429 else "5"
        )
    answer = ErrorAnswer(json.dumps(body), status_code=status, headers=headers)
    answer.code = code
    return answer


def refusal(reason: EngineError) -> Response:
    """Make the answer to a client after a failure of ours."""
    if isinstance(reason, CarminError):
        answer = error(reason.code, str(reason), reason.status, retry_after=reason.retry_after)
        answer.execution_id = reason.execution_id
        return answer
    if isinstance(reason, NotFound):
        return error(Code.GENERIC, reason.message, 404)
    if isinstance(reason, BadRequest):
        return error(Code.GENERIC, reason.message, 400)
    if isinstance(reason, CredentialExpired):
        return error(Code.GENERIC, "a service that is needed refuses the engine's credential", 503)
    log.error("unavailable", why=reason.message)
    return error(Code.GENERIC, "a service that is needed does not answer; try later", 503)


def methods_of(request: Request) -> set[str]:
    """Give the methods of a path; none for one that is unknown."""
    return {
        method
        for method in _METHODS
        for route in request.app.routes
        if route.matches({**request.scope, "method": method})[0] is Match.FULL
    }


def add_handlers(app: FastAPI) -> None:
    """Have every failure of an application answered in these words."""

    @app.exception_handler(EngineError)
    async def engine_error(request: Request, reason: EngineError) -> Response:
        return refusal(reason)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, reason: RequestValidationError) -> Response:
        first = reason.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part != "body")
        return error(Code.BAD_INPUT, f"{where}: {first['msg']}" if where else str(first["msg"]), 400)

    async def of_http(request: Request, reason: HTTPException) -> Response:
        if isinstance(reason, RefusedBody):
            return refusal(reason.reason)
        answer = error(Code.GENERIC, str(reason.detail), reason.status_code)
        answer.headers.update(reason.headers or {})
        if reason.status_code == 405:  # the framework names those of the first route only
            answer.headers["Allow"] = ", ".join(sorted(methods_of(request)))
        return answer

    for status in range(400, 500):  # those of the framework too, which are of another class than ours
        app.exception_handler(status)(of_http)

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, reason: Exception) -> Response:
        return error(Code.GENERIC, "the request was not complete", 400)

    @app.exception_handler(RecursionError)
    async def too_deep(request: Request, reason: Exception) -> Response:
        return error(Code.BAD_INPUT, "the request holds something that is nested too deeply", 400)

    @app.exception_handler(Exception)
    async def defect(request: Request, reason: Exception) -> Response:
        log.error("defect", exc_info=reason)
        return error(Code.GENERIC, "a defect of the engine; it has been written down", 500)
