"""When a failed attempt is followed by another."""

from __future__ import annotations

from enum import StrEnum

from wrappers.backoff import Backoff
from wrappers.causes import CAUSES, Cause


class Failure(StrEnum):
    """Why an attempt ended without a result; the first eight are named by the wrapper."""

    TOOL = "tool"
    INPUT = "input"
    IMAGE = "image"
    NODE = "node"
    LIMIT = "limit"
    OUTPUT = "output"
    CANCELLED = "cancelled"
    ENGINE = "engine"
    LOST = "lost"  # the back-end forgot it, or gave no valid report
    REJECTED = "rejected"  # the back-end would not take it
    STRANDED = "stranded"  # its results are on a storage that does not answer, and are kept there


def cause_of(name: str, failure: str) -> Cause:
    """Give the row of a cause that a report names. Without one, or with one of another class than the failure
    has become here, the class itself is the cause.
    """
    named = CAUSES.get(name)
    return named if named is not None and named.failure == failure else CAUSES[failure]


def try_again(cause: Cause, earlier: int, most: int | None = None) -> float | None:
    """Seconds to wait before the next attempt, or None to give up.

    `earlier` counts the attempts of this job that already failed in this class, this one not included;
    `most` is what the execution allows, when that is less than the cause does. The wait doubles each time.
    On a grid the next attempt goes elsewhere (`engine.domain.site`).
    """
    allowed = cause.again if most is None else min(cause.again, most)
    return Backoff(cause.delay).pause(earlier) if earlier < allowed else None
