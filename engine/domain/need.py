"""How many of the jobs that a job waits for must succeed: `all`, `any`, a fraction or a number."""

from __future__ import annotations

from math import ceil
from typing import Final

from engine.errors import BadRequest

ALL: Final = "all"
ANY: Final = "any"
_FORMS: Final = "all, any, a fraction such as 0.9, or a number of jobs such as 5"
_LONGEST: Final = 16


def check_need(text: str, where: str) -> str:
    """Return a need as it is stored.

    Raises:
        BadRequest: it is none.
    """
    if text in (ALL, ANY):
        return text
    problem = ""
    if len(text) > _LONGEST or not text.isascii() or not text.replace(".", "", 1).isdigit():
        problem = "is none"
    elif not float(text) > 0 or ("." in text and float(text) > 1):
        problem = "is out of range: a fraction is above 0 and at most 1, a number is at least 1"
    if problem:
        raise BadRequest(f"{where} {text!r}: {problem}", remedy=f"give {_FORMS}")
    return text


def wanted(need: str, jobs: int) -> int:
    """Return how many of so many jobs must succeed: at least one, where there is any."""
    if need == ALL:
        return jobs
    if need == ANY:
        return min(1, jobs)
    return ceil(round(float(need) * jobs, 6)) if "." in need else int(need)
