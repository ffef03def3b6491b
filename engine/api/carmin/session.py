"""The session of a browser: a cookie that scripts cannot read, and that other sites cannot use."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from engine.api.carmin.caller import COOKIE
from engine.app.portal.carmin import CarminError, Code
from engine.app.portal.failures import Failures
from engine.app.portal.users import Users


class LogIn(BaseModel):
    """An API key."""

    apikey: str = Field(max_length=1000)


def session_routes(users: Users, failures: Failures) -> APIRouter:
    """`/session`."""
    router = APIRouter(tags=["session"])

    @router.post("/session", status_code=204)
    def log_in(wanted: LogIn, request: Request) -> Response:
        """Let a browser in that shows a key."""
        address = request.client.host if request.client else ""
        if (
            not wanted.apikey.isascii()
            or not wanted.apikey.isprintable()
            or users.by_secret(wanted.apikey) is None
        ):
            if failures.too_many(address):
                raise CarminError(Code.AUTHENTICATION, "too many wrong keys; wait a minute", status=429)
            failures.add(address)
            raise CarminError(Code.BAD_CREDENTIALS, "this key opens nothing")
        answer = Response(status_code=204)
        answer.set_cookie(
            COOKIE,
            wanted.apikey,
            max_age=30 * 86_400,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
            path="/rest",
        )
        return answer

    @router.delete("/session", status_code=204)
    def log_out() -> Response:
        """Forget it."""
        answer = Response(status_code=204)
        answer.delete_cookie(COOKIE, path="/rest", httponly=True, samesite="strict")
        return answer

    return router
