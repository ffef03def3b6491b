"""Who comes in: what a request's token allows at this moment."""

from __future__ import annotations

from collections.abc import Callable

from engine.app.access import tokens
from engine.app.access.key import Key
from engine.app.access.tokens import TokenScope


class TokenGuard:
    """Reader of tokens; those of attempts are worth something only while their attempt lives."""

    def __init__(self, key: Key, now: Callable[[], float], alive: Callable[[str], bool]) -> None:
        self._key = key
        self._now = now
        self.alive = alive
        """Whether an attempt lives; may ask the database."""

    def scope(self, authorization: str) -> TokenScope | None:
        """Return what an `Authorization` header allows, apart from whether its attempt lives. Quick."""
        kind, _, token = authorization.partition(" ")
        return tokens.read(self._key, token.strip(), now=self._now()) if kind.lower() == "bearer" else None
