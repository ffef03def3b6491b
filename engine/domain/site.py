"""Sites of a grid: for how long one that fails is left in peace, and where a job had better not go again.

Decisions only. What is counted are attempts that ended there, of all executions together: a site that has
lost its CVMFS fails for everybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from engine.domain.retry import Failure


@dataclass(frozen=True, slots=True)
class Rest:
    """How long a site rests: `first` seconds after so many failures in a row, then twice as long."""

    after: int
    first: float


RESTS: Final[Mapping[Failure, Rest]] = {
    Failure.NODE: Rest(after=1, first=300.0),  # one broken node says little of the others
    Failure.IMAGE: Rest(after=2, first=600.0),  # perhaps the registry, and not the site
    Failure.LOST: Rest(after=2, first=600.0),
    Failure.INPUT: Rest(after=4, first=600.0),
    Failure.OUTPUT: Rest(after=3, first=600.0),
}
"""Classes of failures that may be the site's fault. Others say nothing about it."""

LONGEST: Final = 21_600.0
"""Seconds that a site rests at most: somebody may have mended it."""


def rest_of(failure: Failure, in_a_row: int) -> float:
    """Seconds for which a site rests after that many failures that may be its own fault, the last of this
    class; 0.0 is not at all.
    """
    rest = RESTS.get(failure)
    if rest is None or in_a_row < rest.after:
        return 0.0
    return min(rest.first * 2.0 ** min(in_a_row - rest.after, 20), LONGEST)


def blames(failure: str) -> bool:
    """Whether a failure of this class may be the site's fault."""
    return failure in RESTS


def elsewhere(failed: Iterable[str], resting: Iterable[str], known: Iterable[str]) -> Sequence[str]:
    """Sites that a job had better avoid: where it failed, and those that rest.

    None at all when no other site is known: a job that may go nowhere would wait for ever.
    """
    avoid = sorted({*failed, *resting} - {""})
    return avoid if set(known) - set(avoid) else []
