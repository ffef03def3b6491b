"""Warnings that anybody can cause as often as they like: each is written once a minute, with a count."""

from __future__ import annotations

import time
from dataclasses import dataclass
from threading import Lock
from typing import Any

import structlog

PERIOD_S = 60.0
log = structlog.stdlib.get_logger("engine.api")


@dataclass(slots=True)
class _Logged:
    at: float
    since: int = 0
    """How often it happened afterwards."""


class RateLimitedLog:
    """A log that says the same thing once a minute."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._logged: dict[str, _Logged] = {}

    def warn(self, event: str, **fields: Any) -> None:
        """Write a warning, unless it was written within the last minute. `event` is a fixed text."""
        more = self.due(event)
        if more is not None:
            log.warning(event, **fields, **({"more": more} if more else {}))

    def due(self, event: str) -> int | None:
        """Return how often it was left out since it was written last; None: it is left out this time too."""
        now = time.monotonic()
        with self._lock:
            entry = self._logged.get(event)
            if entry is not None and now - entry.at < PERIOD_S:
                entry.since += 1
                return None
            self._logged[event] = _Logged(now)
            return entry.since if entry else 0
