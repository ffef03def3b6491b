"""Which attempts live: their claims and tokens are worth something, those of others nothing."""

from __future__ import annotations

from threading import Lock

from engine.clock import Clock
from engine.domain.attempt import AttemptState
from engine.ids import AttemptId
from engine.store import accounts, attempts, executions
from engine.store.attempts import Attempt
from engine.store.database import Database

_MOVES = frozenset({AttemptState.SUBMITTING, AttemptState.QUEUED, AttemptState.RUNNING})
"""States in which a node may be at work; it may be faster than the event that its job was taken."""

CACHED_S = 1.0
"""Seconds for which an answer is good: many small files come with one token."""


class AttemptLiveness:
    """A cache of which attempts are alive, filled from the database for a moment."""

    def __init__(self, db: Database, clock: Clock, longest: float) -> None:
        """`longest`: seconds after which an attempt counts as dead whatever its state."""
        self._db = db
        self._clock = clock
        self._longest = longest
        self._lock = Lock()
        self._seen: dict[str, tuple[float, bool]] = {}

    def attempt(self, id_: AttemptId) -> Attempt | None:
        """Find an attempt that lives at this moment."""
        with self._db.read() as connection:
            found = attempts.find(connection, id_)
            if found is None or found.state not in _MOVES:
                return None
            owner = executions.owner_of(connection, found.execution_id)
            if found.created_at <= accounts.revoked_at(connection, owner):
                return None
        return found if self._clock.now() < found.created_at + self._longest else None

    def __call__(self, id_: str) -> bool:
        """Say whether it lives, or did a moment ago."""
        now = self._clock.now()
        with self._lock:
            if len(self._seen) > 1000:
                self._seen = {k: v for k, v in self._seen.items() if abs(now - v[0]) < CACHED_S}
            at, answer = self._seen.get(id_, (now - 2 * CACHED_S, False))
        if abs(now - at) >= CACHED_S:
            answer = self.attempt(AttemptId(id_)) is not None
            with self._lock:
                self._seen[id_] = (now, answer)
        return answer
