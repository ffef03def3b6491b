"""What the catalogue knows of a result and of its copies."""

from __future__ import annotations

from enum import StrEnum

from wrappers.backoff import Backoff


class ProductState(StrEnum):
    """Of a result. While an attempt is still writing, its results are known by its directory only."""

    AVAILABLE = "available"  # there, verified
    UNREGISTERED = "unregistered"  # there, but the outer catalogue was not told yet
    LOST = "lost"  # no copy of it is found any more


class ReplicaState(StrEnum):
    """Of a further copy."""

    WANTED = "wanted"  # to be made
    AVAILABLE = "available"  # there, verified


RETRY_FIRST, RETRY_LONGEST = 30.0, 3600.0
"""Seconds after which a copy that could not be made is tried again: doubled each time, up to the second."""


def retry_after(tries: int) -> float:
    """Seconds to wait after the n-th try of a copy failed."""
    return Backoff(RETRY_FIRST, RETRY_LONGEST).pause(max(tries - 1, 0))
