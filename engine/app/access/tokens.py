"""Tokens of the embedded storage: leave to do certain things below one path, until a certain time.

A token is `<payload>.<signature>`: base64url JSON, signed with the engine's key. Nothing is stored: what it
allows is in it. A job's token names its attempt, so that it dies with the attempt however long it would run.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

from engine.app.access.key import Key

READ, WRITE, DELETE = "read", "write", "delete"
VERBS = (READ, WRITE, DELETE)
_PURPOSE = "token"
_OWN_LIFETIME_S = 3600.0

Segments = tuple[str, ...]
"""A path as its parts, decoded: no separator, no `.`, no `..` among them."""


@dataclass(frozen=True, slots=True)
class TokenScope:
    """The permissions of a token."""

    below: Segments
    """The path itself, and everything below it."""
    verbs: frozenset[str]
    expires: float
    """Seconds since 1970-01-01 UTC."""
    attempt: str = ""
    """The attempt with which it dies; empty for the engine's own."""

    def allows(self, verb: str, path: Segments) -> bool:
        """Say whether this may be done there; time apart."""
        return verb in self.verbs and path[: len(self.below)] == self.below


def mint(key: Key, leave: TokenScope) -> str:
    """Make the token that says so."""
    fields = {
        "below": leave.below,
        "verbs": sorted(leave.verbs),
        "expires": leave.expires,
        "attempt": leave.attempt,
    }
    payload = urlsafe_b64encode(json.dumps(fields).encode("ascii")).rstrip(b"=").decode("ascii")
    return f"{payload}.{key.sign(_PURPOSE, payload)}"


def own(key: Key, now: float) -> tuple[str, float]:
    """Make the token that the engine itself shows at its embedded storage, and return until when it is
    good.
    """
    expires = now + _OWN_LIFETIME_S
    return mint(key, TokenScope((), frozenset(VERBS), expires)), expires


def read(key: Key, token: str, *, now: float) -> TokenScope | None:
    """Read what a token allows; None when it is not ours or has run out."""
    payload, _, signature = token.partition(".")
    if not key.signed(_PURPOSE, payload, signature):
        return None
    fields = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    leave = TokenScope(
        below=tuple(fields["below"]),
        verbs=frozenset(fields["verbs"]),
        expires=float(fields["expires"]),
        attempt=fields["attempt"],
    )
    return leave if now < leave.expires else None
