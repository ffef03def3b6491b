"""Claims: the one secret that travels with an attempt, exchanged at the engine for what it may use.

A claim is the attempt's id and the engine's signature of it: nothing is stored, a second submission of the
same attempt carries the same claim, and it is worth nothing once the attempt has ended.
"""

from __future__ import annotations

from engine.app.access.key import Key
from engine.ids import AttemptId

_PURPOSE = "claim"


class Claims:
    """Maker and verifier of claims."""

    def __init__(self, key: Key) -> None:
        self._key = key

    def of(self, attempt: AttemptId) -> str:
        """Return the claim of an attempt."""
        return f"{attempt}.{self._key.sign(_PURPOSE, attempt)}"

    def attempt(self, claim: str) -> AttemptId | None:
        """Return whose claim this is; None when it is not one of ours."""
        attempt, _, signature = claim.partition(".")
        return AttemptId(attempt) if self._key.signed(_PURPOSE, attempt, signature) else None
