"""Who calls: read from the headers before anything else happens, once for each request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Annotated

from fastapi import Depends, Request

from engine.app.portal.carmin import CarminError, Code
from engine.app.portal.failures import Failures
from engine.app.portal.users import Users
from engine.domain.account import Account

HEADER = "apikey"
COOKIE = "engine-session"

Bearer = Callable[[str], Account | None]
"""The account that a token of an identity provider opens."""


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Recognises callers."""

    users: Users
    bearer: Bearer
    failures: Failures

    def authenticate(self, method: str, headers: Mapping[str, str], address: str) -> Account | None:
        """Authenticate a request; None when it shows nothing. What is right is always let in: others behind
        the same address may be wrong.

        Raises:
            Refused: what it shows is worth nothing, or too much that was worth nothing came from there.
        """
        secret, token = _shown(method, headers)
        if not secret and not token:
            return None
        found = self.bearer(token) if token else self.users.by_secret(secret)
        if found is None:
            if self.failures.too_many(address):
                raise CarminError(Code.AUTHENTICATION, "too many wrong keys; wait a minute", status=429)
            self.failures.add(address)
            raise CarminError(Code.BAD_CREDENTIALS, "Bad credentials")
        return found


def _shown(method: str, headers: Mapping[str, str]) -> tuple[str, str]:
    """Read what the request shows: an API key (or session), and a bearer token."""
    if key := headers.get(HEADER, "").strip():
        return key, ""
    kind, _, value = headers.get("authorization", "").partition(" ")
    if kind.lower() == HEADER:
        return value.strip(), ""
    if kind.lower() == "bearer":
        return "", value.strip() or "-"
    if kind:
        return "-", ""  # a kind that is not known here opens nothing
    # A cookie alone changes nothing: another site could have made the browser send it, but not this header.
    if "cookie" in headers and (method in ("GET", "HEAD") or "x-requested-with" in headers):
        try:
            found = SimpleCookie(headers["cookie"]).get(COOKIE)
        except CookieError:
            return "", ""
        return (found.value, "") if found else ("", "")
    return "", ""


# Asynchronous, though they wait for nothing: FastAPI takes others into a thread.
async def _known(request: Request) -> Account:
    account = request.state.account
    if not isinstance(account, Account):
        raise CarminError(Code.NO_CREDENTIALS, "Full authentication is required to access this resource")
    return account


async def _perhaps(request: Request) -> Account | None:
    account = request.state.account
    return account if isinstance(account, Account) else None


Caller = Annotated[Account, Depends(_known)]
"""The account of whoever calls; without one the request is refused."""
MaybeCaller = Annotated[Account | None, Depends(_perhaps)]
"""The same where everybody may come in."""
