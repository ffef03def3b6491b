"""Sites of a grid: whether one that fails is left in peace for a while, and where a job had better not go.

Decisions only. What is looked at are the ends of attempts there, of all executions together. A site rests
only for what is its own fault (`wrappers.causes` says which failures are), and only when several users or
several images fail there: what one of them meets may be their own doing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from engine.domain.retry import Failure, cause_of
from wrappers.backoff import Backoff
from wrappers.causes import CAUSES, NO, PERHAPS

FIRST_REST_S: Final = 300.0
"""Seconds of the first rest; each that follows without a recovery takes twice as long."""
LONGEST_REST_S: Final = 21_600.0
"""Seconds that a site rests at most: somebody may have mended it."""
WINDOW_S: Final = 2 * LONGEST_REST_S
"""Seconds after which the end of an attempt says nothing any more."""
LEAST: Final = 3
"""Failures without which no site rests."""
SHARE: Final = 0.5
"""The part of those who use a site that must fail there before it rests."""
EACH: Final = 5
"""The last ends of one user's attempts with one image that are looked at."""
USERS: Final = 40
"""Pairs of a user and an image that are looked at, the latest: a thousand failures of one are one voice."""

_SHOWS_NOTHING: Final = {c.name for c in CAUSES.values() if c.site == NO} - {
    c.name for c in CAUSES.values() if c.failure in (Failure.TOOL, Failure.LIMIT)
}
"""Failures from which a site is known neither to work nor not to work. Where a tool could run, it works."""


@dataclass(frozen=True, slots=True)
class SiteOutcome:
    """The end of an attempt at a site."""

    at: float
    user: str
    image: str
    cause: str = ""
    """A name in `wrappers.causes`; "" when the site did what it should."""

    @property
    def who(self) -> tuple[str, str]:
        """Whose voice it is."""
        return self.user, self.image


@dataclass(frozen=True, slots=True)
class SiteRest:
    """Until when a site rests."""

    until: float = 0.0
    times: int = 0
    """Rests one after the other, without a recovery between them."""


def outcome(at: float, user: str, image: str, cause: str, failure: str) -> SiteOutcome | None:
    """Give what the end of an attempt tells of its site; None is nothing."""
    if not failure:
        return SiteOutcome(at, user, image)
    named = cause_of(cause, failure)
    if named.name in _SHOWS_NOTHING:
        return None
    return SiteOutcome(at, user, image, "" if named.site == NO else named.name)


def remember(known: Iterable[SiteOutcome], new: SiteOutcome) -> list[SiteOutcome]:
    """Add an outcome to those of a site, oldest first, and leave out what is not looked at any more."""
    fresh = [one for one in (*known, new) if one.at > new.at - WINDOW_S]
    counts: dict[tuple[str, str], int] = {}
    kept = []
    for one in reversed(fresh):
        if one.who not in counts and len(counts) == USERS:
            continue
        counts[one.who] = counts.get(one.who, 0) + 1
        if counts[one.who] <= EACH:
            kept.append(one)
    return kept[::-1]


def rest(old: SiteRest, here: Sequence[SiteOutcome], others: Sequence[SiteOutcome]) -> SiteRest:
    """Decide whether a site rests, once the last of the outcomes `here` is known; `others` are those of the
    other sites of its grid. While it rests, nothing makes the rest longer, not even failures of more users.
    """
    if not at_fault(here, others):
        return SiteRest()
    now = here[-1].at
    if now < old.until or not here[-1].cause:
        return old  # what still ends there was sent before it rested
    return SiteRest(now + Backoff(FIRST_REST_S, LONGEST_REST_S).pause(old.times), old.times + 1)


def at_fault(here: Sequence[SiteOutcome], others: Sequence[SiteOutcome]) -> bool:
    """Say whether a good part of several users, or of several images, fail at a site by its own fault."""
    voices: dict[tuple[str, str], list[SiteOutcome]] = {}
    for one in here:
        voices.setdefault(one.who, []).append(one)
    blaming, failures = set(), 0
    for who, ends in voices.items():
        blamed = _blamed(ends, [one.at for one in others if one.who == who and not one.cause])
        if 2 * blamed > len(ends):
            blaming.add(who)
            failures += blamed
    several = len({user for user, _ in blaming}) > 1 or len({image for _, image in blaming}) > 1
    return several and failures >= LEAST and len(blaming) >= SHARE * len(voices)


def _blamed(ends: Sequence[SiteOutcome], good_at_others: Sequence[float]) -> int:
    """Count the failures of one user's one image that are laid on the site."""
    first = min((one.at for one in ends if one.cause), default=0.0)
    better = any(at >= first for at in good_at_others)
    return sum(bool(one.cause) and (better or CAUSES[one.cause].site != PERHAPS) for one in ends)


def avoids_site_after(failure: str) -> bool:
    """Say whether a failure of this class may be the site's fault, so that the job's next try goes
    elsewhere.
    """
    return failure in CLASSES_TO_AVOID_SITE


CLASSES_TO_AVOID_SITE: Final = frozenset(
    {Failure.NODE, Failure.IMAGE, Failure.LOST, Failure.INPUT, Failure.OUTPUT}
)
"""Classes of failures after which a job avoids the site. By class, for one job's next try and for the counts
of `engine sites`; whether the site *rests* is decided by cause (`Cause.site`)."""


def sites_to_avoid(failed: Iterable[str], resting: Iterable[str], known: Iterable[str]) -> Sequence[str]:
    """Sites that a job had better avoid: where it failed, and those that rest.

    None at all when no other site is known: a job that may go nowhere would wait for ever.
    """
    avoid = sorted({*failed, *resting} - {""})
    return avoid if set(known) - set(avoid) else []
