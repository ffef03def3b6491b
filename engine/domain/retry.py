"""When a failed attempt is followed by another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


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
    LOST = "lost"  # the place forgot it, or gave no believable report
    REJECTED = "rejected"  # the place would not take it
    STRANDED = "stranded"  # its results are on a storage that does not answer, and are kept there


@dataclass(frozen=True, slots=True)
class Rule:
    """How often one class of failure is tried again, and after how many seconds."""

    again: int = 0
    delay: float = 0.0


RULES: Final[Mapping[Failure, Rule]] = {
    Failure.LOST: Rule(again=2, delay=1.0),
    Failure.NODE: Rule(again=2, delay=1.0),
    Failure.IMAGE: Rule(again=2, delay=2.0),
}
"""Classes that are not here are not tried again: a tool that failed would fail once more. On a grid the next
attempt goes elsewhere (`engine.domain.site`)."""


def try_again(failure: Failure, earlier: int) -> float | None:
    """Seconds to wait before the next attempt, or None to give up.

    `earlier` counts the attempts of this job that already failed in this class, this one not included.
    The wait doubles each time.
    """
    rule = RULES.get(failure, Rule())
    return rule.delay * 2**earlier if earlier < rule.again else None
