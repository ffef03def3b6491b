"""What the work of users has taken, for those who answer for it, and how it is summed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

SUCCEEDED = "succeeded"
"""The class of attempts that did not fail."""
DIMENSIONS = ("user", "group", "pipeline", "site", "class", "month")
"""By what sums can be told apart."""


class Slot(NamedTuple):
    """The key of a sum."""

    month: str  # of the end, YYYY-MM in UTC
    account: str  # its id; "": not of the portal
    user: str
    pipeline: str
    site: str  # of the grid, else the back-end
    outcome: str  # the class of the failure, or `succeeded`


@dataclass(frozen=True, slots=True)
class UsageTotals:
    """Totals of usage."""

    jobs: int = 0
    """That came to an end."""
    attempts: int = 0
    failures: int = 0
    """Attempts that failed."""
    core_hours: float = 0.0
    """Cores times the time for which an attempt held them."""
    gpu_hours: float = 0.0
    bytes: int = 0
    """Of results that were kept."""

    def __add__(self, other: UsageTotals) -> UsageTotals:
        """Give both together."""
        return UsageTotals(*(getattr(self, name) + getattr(other, name) for name in UsageTotals.__slots__))


def of_attempt(
    report: Mapping[str, Any] | None, *, failed: bool, last: bool, cores: int, gpu: bool, size: int
) -> UsageTotals:
    """Give what one ended attempt took; without a report nothing is known of its time."""
    figures = report or {}
    hours = max(float(figures.get("ended") or 0.0) - float(figures.get("started") or 0.0), 0.0) / 3600
    return UsageTotals(
        jobs=int(last),
        attempts=1,
        failures=int(failed),
        core_hours=hours * max(cores, 1),
        gpu_hours=hours if gpu else 0.0,
        bytes=size,
    )


def summed(
    found: Iterable[tuple[Slot, UsageTotals]], by: Sequence[str], groups: Mapping[str, Sequence[str]]
) -> list[tuple[tuple[str, ...], UsageTotals]]:
    """Give sums for each combination of dimensions, sorted.

    `groups` has the groups of each account: who is in several counts for each of them, who is in none for "".
    """
    sums: dict[tuple[str, ...], UsageTotals] = {}
    for slot, each in found:
        of = groups.get(slot.account) or [""]
        for group in of if "group" in by else [""]:
            values = {
                "user": slot.user,
                "group": group,
                "pipeline": slot.pipeline,
                "site": slot.site,
                "class": slot.outcome,
                "month": slot.month,
            }
            key = tuple(values[name] for name in by)
            sums[key] = sums.get(key, UsageTotals()) + each
    return sorted(sums.items(), key=lambda pair: pair[0])
